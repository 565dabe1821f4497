/** The demo's town: what city.json says of it, and how it is drawn. */

// Widths in pixels at zoom 16, 0.6 of it with each level outwards, but never below the least.
const ROADS = [
  { kind: "residential", width: 7, least: 0.5, from: 12.5 },
  { kind: "secondary", width: 11, least: 1.2, from: 10 },
  { kind: "primary", width: 14, least: 1.8, from: 9 },
];

export const TOWN_FROM = 9; // the zoom at which the town is more than a speck

/** A line with the box that it fills, for a quick look whether a tile needs it. */
export function shape(points) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    box[0] = Math.min(box[0], points[i]);
    box[1] = Math.min(box[1], points[i + 1]);
    box[2] = Math.max(box[2], points[i]);
    box[3] = Math.max(box[3], points[i + 1]);
  }
  return { points, box };
}

/** @param {any} city what city.json holds @param {Function} mercator */
export function readTown(city, mercator) {
  const place = (x, y) =>
    mercator(city.longitude + x * city.unit, city.latitude + y * city.unit);
  const line = (steps) => {
    const points = new Float64Array(steps.length);
    for (let i = 0; i < steps.length; i += 2) points.set(place(steps[i], steps[i + 1]), i);
    return shape(points);
  };
  const [west, south, east, north] = city.bounds;
  const corner = (x, y) => [city.latitude + y * city.unit, city.longitude + x * city.unit];
  return {
    box: line(city.bounds).box,
    view: [corner(west / 2.5, south / 2.5), corner(east / 2.5, north / 2.5)],
    sea: city.sea.map(line),
    river: city.river.map(line),
    built: city.built.map(line),
    woods: city.woods.map(line),
    breakwaters: city.breakwaters.map(line),
    parks: city.parks.map(({ name, points }) => ({ name, ...line(points) })),
    places: city.places.map(({ name, at }) => ({ name, at: place(...at) })),
    streets: city.streets.map((street) => ({ ...street, ...line(street.points) })),
  };
}

/** @param {any} pen the base layer's */
export function drawTown(pen, town, colours, z) {
  const { context } = pen;
  const [left, top] = pen.at(town.box[0], town.box[1]);
  const [right, bottom] = pen.at(town.box[2], town.box[3]);
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  context.fillStyle = colours.land;
  context.fillRect(0, 0, pen.tile, pen.tile);
  pen.fill(town.woods, colours.wood);
  pen.fill(town.built, colours.built);
  pen.fill(town.parks, colours.park);
  pen.fill(town.river, colours.sea);
  pen.fill(town.sea, colours.sea);
  pen.stroke(town.sea, colours.line, 1);
  pen.stroke(town.river, colours.line, 1);
  pen.stroke(town.breakwaters, colours.casing, Math.max(1, 5 * 2 ** (z - 16)));
  const roads = ROADS.filter(({ from }) => z >= from).map((road) => ({
    ...road,
    shapes: town.streets.filter((street) => street.class === road.kind),
    width: Math.max(road.least, road.width * 2 ** (0.75 * (z - 16))),
  }));
  for (const { shapes, width } of roads) {
    if (width > 2) pen.stroke(shapes, colours.casing, width + 2);
  }
  for (const { kind, shapes, width } of roads) pen.stroke(shapes, colours[kind], width);
  context.restore();
  fadeEdges(pen, [left, top, right, bottom], colours.sea);
}

/** The town lies in the open sea, so its edges fade into it. */
function fadeEdges({ context, tile }, [left, top, right, bottom], colour) {
  const depth = (right - left) * 0.06;
  context.fillStyle = colour;
  const clear = `${context.fillStyle}00`; // which reads back as #rrggbb
  const sides = [
    [left, 0, left + depth, 0],
    [right, 0, right - depth, 0],
    [0, top, 0, top + depth],
    [0, bottom, 0, bottom - depth],
  ];
  for (const side of sides) {
    const gradient = context.createLinearGradient(...side);
    gradient.addColorStop(0, colour);
    gradient.addColorStop(1, clear);
    context.fillStyle = gradient;
    context.fillRect(0, 0, tile, tile);
  }
}
