/** The shape of a zone: corners as text, and what can be said of them. No map, no page. */

const METRES_PER_DEGREE = 111_195;
const DECIMALS = 6; // 11 cm
const LINE = /^([-+]?\d+(?:\.\d*)?)[\s,;]+([-+]?\d+(?:\.\d*)?)[,;]?$/;

/** @typedef {[number, number]} Place latitude and longitude in degrees */

/**
 * Return the corners that a text describes, null if it cannot be read: a line for each corner, or
 * GeoJSON. The server says what is wrong.
 * @param {string} text @returns {Place[] | null}
 */
export function parseCorners(text) {
  const trimmed = text.trim();
  const corners = /^[{[]/.test(trimmed) ? fromJson(trimmed) : fromLines(trimmed);
  if (!corners?.every((corner) => corner.every(Number.isFinite))) return null;
  if (corners.some(([lat, lon]) => Math.abs(lat) > 90 || Math.abs(lon) > 180)) return null;
  const last = corners[corners.length - 1];
  if (corners.length > 1 && last.every((value, i) => value === corners[0][i])) corners.pop();
  return corners;
}

/** @returns {any} */
function fromLines(text) {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const found = lines.filter(Boolean).map((line) => LINE.exec(line)?.slice(1).map(Number));
  return found.includes(undefined) ? null : found;
}

/** @returns {any} */
function fromJson(text) {
  try {
    let value = JSON.parse(text);
    if (Array.isArray(value)) return value.map(([lat, lon]) => [lat, lon]);
    if (value.type === "FeatureCollection" && value.features.length === 1) value = value.features[0];
    if (value.type === "Feature") value = value.geometry;
    const rings = value.type === "MultiPolygon" ? value.coordinates[0] : value.coordinates;
    if (!/Polygon$/.test(value.type) || rings.length !== 1) return null;
    return rings[0].map(([lon, lat]) => [lat, lon]);
  } catch {
    return null;
  }
}

/** Return the text of corners. @param {Place[]} corners */
export function formatCorners(corners) {
  return corners.map(([lat, lon]) => `${round(lat)}, ${round(wrap(lon))}`).join("\n");
}

/** Return degrees with the decimals that matter. */
export function round(degrees) {
  return Number(degrees.toFixed(DECIMALS));
}

/** Return a longitude between -180 and 180. */
export function wrap(longitude) {
  if (Math.abs(longitude) <= 180) return longitude;
  return ((((longitude + 180) % 360) + 360) % 360) - 180;
}

/**
 * Return corners whose longitudes do not jump at the antimeridian, as a map draws them.
 * @param {Place[]} corners @returns {Place[]}
 */
export function unwrap(corners) {
  let before = corners[0]?.[1] ?? 0;
  return corners.map(([lat, lon]) => {
    before = lon + 360 * Math.round((before - lon) / 360);
    return [lat, before];
  });
}

/** Return the area in square metres. @param {Place[]} corners */
export function areaOf(corners) {
  const points = unwrap(corners);
  const latitudes = points.map(([lat]) => lat);
  const middle = (Math.min(...latitudes) + Math.max(...latitudes)) / 2;
  let double = 0;
  points.forEach(([y, x], i) => {
    const [y2, x2] = points[(i + 1) % points.length];
    double += (x - points[0][1]) * (y2 - points[0][0]) - (x2 - points[0][1]) * (y - points[0][0]);
  });
  const scale = METRES_PER_DEGREE ** 2 * Math.cos((middle * Math.PI) / 180);
  return Math.abs(double / 2) * scale;
}

/** Return whether the border crosses or touches itself. @param {Place[]} corners */
export function crossesItself(corners) {
  const points = unwrap(corners);
  const count = points.length;
  const edges = points.map((point, i) => [point, points[(i + 1) % count]]);
  return edges.some(([a, b], i) =>
    edges.slice(i + 2).some(([c, d], j) => {
      const isNeighbour = i === 0 && i + 2 + j === count - 1;
      return !isNeighbour && touch(a, b, c, d);
    }),
  );
}

function touch(a, b, c, d) {
  const apart = (i) =>
    Math.max(a[i], b[i]) < Math.min(c[i], d[i]) || Math.max(c[i], d[i]) < Math.min(a[i], b[i]);
  if (apart(0) || apart(1)) return false;
  return side(a, b, c) * side(a, b, d) <= 0 && side(c, d, a) * side(c, d, b) <= 0;
}

function side(a, b, c) {
  return Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
}

/** Return the place so many metres east of another. @param {Place} centre @returns {Place} */
export function eastOf([lat, lon], metres) {
  const scale = METRES_PER_DEGREE * Math.max(0.01, Math.cos((lat * Math.PI) / 180));
  return [lat, lon + metres / scale];
}

/** Return a copy of a list, spliced: Safari 15 has no `toSpliced`. */
export function spliced(list, at, count, ...items) {
  const copy = [...list];
  copy.splice(at, count, ...items);
  return copy;
}

/** Return a length in metres to two digits, such as 200 or 1,500. */
export function twoDigits(metres) {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(metres)) - 1);
  return Math.round(metres / unit) * unit;
}

/** States to which one can go back. When it is full, the oldest is forgotten. */
export class Undo {
  /** @param {number} [limit] */
  constructor(limit = 200) {
    this.limit = limit;
    /** @type {string[]} */
    this.states = [];
  }

  get isEmpty() {
    return !this.states.length;
  }

  /** Keep a state. @param {any} state */
  push(state) {
    const text = JSON.stringify(state);
    if (this.states[this.states.length - 1] === text) return;
    this.states.push(text);
    if (this.states.length > this.limit) this.states.shift();
  }

  /** Return the newest state, and forget it; undefined without one. @returns {any} */
  pop() {
    const text = this.states.pop();
    return text && JSON.parse(text);
  }
}
