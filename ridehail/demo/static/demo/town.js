/** The demo's town: what city.json says of it, drawn tile by tile on the base layer. */

// Widths in pixels at zoom 16. Each level further out multiplies them by 0.6, down to a minimum.
const ROADS = [
  { kind: "residential", width: 7, least: 0.5, from: 12.5 },
  { kind: "secondary", width: 11, least: 1.2, from: 10 },
  { kind: "primary", width: 14, least: 1.8, from: 9 },
];

const MIN_ZOOM = 9; // below, the town is too small to see
const SEA = 2; // degrees of open sea drawn around the town

const LIGHT = {
  ...{ built: "#e9e6dd", park: "#c9e2bd", wood: "#d5e6c8", casing: "#cfc9ba" },
  ...{ primary: "#fbdc91", secondary: "#fff3d0", residential: "#fff" },
  ...{ label: "#3d434f", halo: "#fbfaf7", quiet: "#3a6a34" },
};
const DARK = {
  ...{ built: "#222934", park: "#1d3329", wood: "#1b2d28", casing: "#151a21" },
  ...{ primary: "#615b48", secondary: "#4a4b4c", residential: "#353d4a" },
  ...{ label: "#c3cbd8", halo: "#161b22", quiet: "#8fc79a" },
};

/** Add the town to a map, as `TRACKING["BASE_LAYER"]` has it. */
export async function addLayer(map, { leaflet, canvasTiles, mercator: { mercator } }) {
  const [city, { drawLabel, placeLabels }] = await Promise.all([
    readJSON(new URL("city.json", import.meta.url)),
    import("./labels.js"),
  ]);
  const town = readTown(city, mercator, canvasTiles.shape);
  const labels = new Map(); // by zoom
  const tiles = canvasTiles.createCanvasTiles(leaflet, {
    bounds: leaflet.latLng(city.latitude, city.longitude).toBounds(2 * SEA * 111_195),
    minZoom: MIN_ZOOM,
    readColours(element) {
      const { scheme, ...base } = canvasTiles.readMapColours(element, ["scheme", "sea", "land", "line"]);
      return { ...base, ...(scheme === "dark" ? DARK : LIGHT) };
    },
    draw(pen, zoom, colours) {
      pen.flood(colours.sea);
      if (!pen.sees(town.box)) return;
      drawTown(pen, town, colours, zoom);
      if (!labels.has(zoom)) labels.set(zoom, placeLabels(pen.context, town, pen.scale, zoom));
      for (const label of labels.get(zoom)) {
        drawLabel(pen.context, pen.at(...label.at), label, colours);
      }
    },
  });
  tiles.addTo(map);
  // If there is no driver to show yet, show the town instead of the whole world.
  if (map.getZoom() === 2) map.fitBounds(town.view);
}

async function readJSON(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.json();
}

/** @param {any} city what city.json holds @param {Function} mercator @param {Function} shape */
function readTown(city, mercator, shape) {
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

/** @param {any} pen the tile's */
function drawTown(pen, town, colours, z) {
  const { context } = pen;
  const [left, top] = pen.at(town.box[0], town.box[1]);
  const [right, bottom] = pen.at(town.box[2], town.box[3]);
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  pen.flood(colours.land);
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
