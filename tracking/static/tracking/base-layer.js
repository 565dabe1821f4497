/**
 * The map below the map, for pages without tiles: the world's coastlines with a graticule, and
 * the streets of the demo's town, drawn tile by tile in the colours of the style sheet.
 */

const TILE = 256;
const DEGREE = Math.PI / 180;

const COLOURS = [
  ...["sea", "land", "built", "park", "wood", "line", "graticule", "casing"],
  ...["primary", "secondary", "residential", "label", "halo", "quiet"],
];

/** @param {any} modules the page's @returns {Promise<any>} a Leaflet layer, with the bounds of its `town` */
export async function createBaseLayer(modules, { city, coastlines }) {
  const { leaflet: L, labels: { placeLabels, drawLabel }, mercator: { mercator } } = modules;
  const { TOWN_FROM, drawTown, readTown, shape } = modules.town;
  const [cityData, world] = await Promise.all([readJSON(city), readJSON(coastlines)]);
  const town = readTown(cityData, mercator);
  const land = readWorld(world, mercator).map(shape);
  const labels = new Map(); // by zoom

  const BaseLayer = L.GridLayer.extend({
    createTile({ x, y, z }) {
      const tile = L.DomUtil.create("canvas", "leaflet-tile");
      const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
      tile.width = tile.height = TILE * ratio;
      const context = tile.getContext("2d");
      const scale = TILE * 2 ** z;
      const colours = this.colours();
      context.scale(ratio, ratio);
      context.lineJoin = context.lineCap = "round";
      context.fillStyle = colours.sea;
      context.fillRect(0, 0, TILE, TILE);
      const pen = new Pen(context, x * TILE, y * TILE, scale);
      drawWorld(pen, land, colours);
      if (z >= TOWN_FROM && pen.sees(town.box)) {
        drawTown(pen, town, colours, z);
        if (z < 13) drawGraticule(pen, z, colours, mercator);
        if (!labels.has(z)) labels.set(z, placeLabels(context, town, scale, z));
        for (const label of labels.get(z)) drawLabel(context, pen.at(...label.at), label, colours);
      } else {
        drawGraticule(pen, z, colours, mercator);
      }
      return tile;
    },

    colours() {
      this._colours ??= readColours(this._map.getContainer());
      return this._colours;
    },

    redraw() {
      this._colours = undefined;
      return L.GridLayer.prototype.redraw.call(this);
    },
  });
  const layer = new BaseLayer({ tileSize: TILE, minZoom: 2, maxZoom: 19 });
  layer.town = town.view;
  return layer;
}

async function readJSON(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.json();
}

function readColours(element) {
  const style = getComputedStyle(element);
  return Object.fromEntries(
    COLOURS.map((name) => [name, style.getPropertyValue(`--map-${name}`).trim() || "#888"]),
  );
}

/** The land's rings in the world's square. */
function readWorld({ unit, rings }, mercator) {
  return rings.map((steps) => {
    const points = new Float64Array(steps.length);
    for (let i = 0, x = 0, y = 0; i < steps.length; i += 2) {
      x += steps[i];
      y += steps[i + 1];
      points.set(mercator(x * unit, y * unit), i);
    }
    return points;
  });
}

/** Draws what is in the world's square onto one tile. */
class Pen {
  constructor(context, left, top, scale) {
    Object.assign(this, { context, left, top, scale, tile: TILE });
    this.box = [left, top, left + TILE, top + TILE].map((pixels) => pixels / scale);
    this.margin = 24 / scale;
  }

  sees([west, north, east, south]) {
    const [left, top, right, bottom] = this.box;
    const { margin } = this;
    return (
      west <= right + margin &&
      east >= left - margin &&
      north <= bottom + margin &&
      south >= top - margin
    );
  }

  at(x, y) {
    return [x * this.scale - this.left, y * this.scale - this.top];
  }

  trace(shapes) {
    this.context.beginPath();
    for (const { points, box } of shapes) {
      if (!this.sees(box)) continue;
      for (let i = 0; i < points.length; i += 2) {
        const x = points[i] * this.scale - this.left;
        const y = points[i + 1] * this.scale - this.top;
        if (i) this.context.lineTo(x, y);
        else this.context.moveTo(x, y);
      }
    }
  }

  /** By default shapes may overlap; with "evenodd", rings inside rings are holes. */
  fill(shapes, colour, rule = "nonzero") {
    this.trace(shapes);
    this.context.fillStyle = colour;
    this.context.fill(rule);
  }

  stroke(shapes, colour, width) {
    this.trace(shapes);
    this.context.strokeStyle = colour;
    this.context.lineWidth = width;
    this.context.stroke();
  }
}

function drawWorld(pen, land, colours) {
  pen.fill(land, colours.land, "evenodd");
  pen.stroke(land, colours.line, 1);
}

function drawGraticule(pen, z, colours, mercator) {
  const step = [30, 30, 30, 20, 10, 5, 5, 2, 1, 0.5][Math.floor(z)] ?? 0.1 / 2 ** Math.max(0, z - 12);
  const { context, box } = pen;
  const west = (box[0] - 0.5) * 360;
  const east = (box[2] - 0.5) * 360;
  const latitude = (y) => (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) / DEGREE);
  context.beginPath();
  for (let degrees = Math.ceil(west / step) * step; degrees <= east; degrees += step) {
    const [x] = pen.at(mercator(degrees, 0)[0], 0);
    context.moveTo(x, 0);
    context.lineTo(x, TILE);
  }
  const south = latitude(box[3]);
  for (let degrees = Math.ceil(south / step) * step; degrees <= latitude(box[1]); degrees += step) {
    const [, y] = pen.at(0, mercator(0, degrees)[1]);
    context.moveTo(0, y);
    context.lineTo(TILE, y);
  }
  context.strokeStyle = colours.graticule;
  context.lineWidth = 1;
  context.stroke();
}
