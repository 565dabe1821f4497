/** Lines of latitude and longitude, with their degrees at the top and right edges of the map. */

const STEPS = [
  ...[30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01],
  ...[0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001],
]; // degrees
const MIN_SPACING = 110; // pixels between two lines
// At zooms without coastlines, fainter lines in between show how a car moves.
const FINE_FROM = 10; // zoom
const EDGE = 40; // pixels from a corner of the map, where labels would be cut off or overlap
const WORLD = 256; // pixels at zoom 0
const MAX_LATITUDE = 85; // degrees, the limit of the map

/**
 * @param {any} L Leaflet
 * @param {import("./words.js").Words} words
 */
export function createGraticule(L, words) {
  const Graticule = L.Layer.extend({
    onAdd(map) {
      this._element = L.DomUtil.create("div", "tracking-graticule leaflet-layer leaflet-zoom-animated");
      this._element.setAttribute("aria-hidden", "true");
      map.getPane("base").append(this._element);
      this._lines = new Map();
      this._draw();
    },

    onRemove() {
      this._element.remove();
    },

    getEvents() {
      return { viewreset: this._draw, move: this._draw, resize: this._draw, zoomanim: this._zoom };
    },

    _draw() {
      const map = this._map;
      // During a zoom animation, Leaflet scales the existing picture.
      if (map._animatingZoom) return;
      const size = map.getSize();
      this._bounds = map.getBounds();
      L.DomUtil.setPosition(this._element, map.containerPointToLayerPoint([0, 0]));
      L.extend(this._element.style, { width: `${size.x}px`, height: `${size.y}px` });
      const shown = new Set();
      for (const line of linesWithin(this._bounds, map.getCenter().lat, map.getZoom())) {
        const key = `${line.kind} ${line.degrees.toFixed(line.decimals)} ${line.isFine}`;
        if (!this._lines.has(key)) this._lines.set(key, this._create(line));
        place(this._lines.get(key), line, map, size);
        shown.add(key);
      }
      for (const [key, line] of this._lines) {
        if (shown.has(key)) continue;
        line.remove();
        this._lines.delete(key);
      }
    },

    _create(line) {
      const name = `tracking-${line.kind}${line.isFine ? " tracking-fine" : ""}`;
      const element = L.DomUtil.create("div", name, this._element);
      if (!line.isFine) L.DomUtil.create("span", "", element).textContent = describe(line, words);
      return element;
    },

    _zoom({ zoom, center }) {
      const offset = this._map._latLngBoundsToNewLayerBounds(this._bounds, zoom, center).min;
      L.DomUtil.setTransform(this._element, offset, this._map.getZoomScale(zoom));
    },
  });
  return new Graticule();
}

/** Position the element of a line where the line crosses the view. */
function place(element, { kind, degrees }, map, size) {
  const isMeridian = kind === "meridian";
  const point = map.latLngToContainerPoint(isMeridian ? [0, degrees] : [degrees, 0]);
  const at = Math.round(isMeridian ? point.x : point.y);
  const end = isMeridian ? size.x : size.y;
  element.style.transform = isMeridian ? `translateX(${at}px)` : `translateY(${at}px)`;
  element.toggleAttribute("data-unlabelled", at < EDGE || at > end - EDGE);
}

/**
 * Return the lines that cross a view, at a suitable distance from each other.
 * @param {any} bounds Leaflet's @param {number} latitude of the middle @param {number} zoom
 */
export function* linesWithin(bounds, latitude, zoom) {
  const pixels = (WORLD * 2 ** zoom) / 360; // per degree of longitude
  const stretch = 1 / Math.cos((Math.min(MAX_LATITUDE, Math.abs(latitude)) * Math.PI) / 180);
  const [west, east] = [bounds.getWest(), bounds.getEast()];
  const south = Math.max(-MAX_LATITUDE, bounds.getSouth());
  const north = Math.min(MAX_LATITUDE, bounds.getNorth());
  const isFine = zoom >= FINE_FROM;
  yield* multiples("meridian", fittingStep(pixels), west, east, isFine);
  yield* multiples("parallel", fittingStep(pixels * stretch), south, north, isFine);
}

/** Return the smallest step in degrees at which lines are at least MIN_SPACING apart. */
function fittingStep(pixelsPerDegree) {
  const fitting = STEPS.filter((step) => step * pixelsPerDegree >= MIN_SPACING);
  return fitting[fitting.length - 1] ?? STEPS[0];
}

function* multiples(kind, step, from, to, withFine) {
  const decimals = String(step).split(".")[1]?.length ?? 0;
  // The first digit of a step is 1, 2 or 5. Fine lines divide each step into 4 or 5 parts.
  const parts = !withFine ? 1 : String(step).endsWith("2") ? 4 : 5;
  for (let n = Math.ceil((from * parts) / step); (n * step) / parts <= to; n += 1) {
    const isFine = n % parts !== 0;
    yield { kind, degrees: (n * step) / parts, decimals: decimals + Number(isFine), isFine };
  }
}

/** Return a label such as "1.435° S". Longitudes wrap; 0° and 180° are neither east nor west. */
export function describe({ kind, degrees, decimals }, words) {
  const turned = degrees - 360 * Math.round(degrees / 360);
  const size = Math.abs(turned);
  const count = words.decimal(size, decimals);
  if (Number(size.toFixed(decimals)) % 180 === 0) return words.say("degrees", { count });
  const directions = kind === "meridian" ? ["west", "east"] : ["south", "north"];
  return words.say(`degrees_${directions[Number(turned > 0)]}`, { count });
}
