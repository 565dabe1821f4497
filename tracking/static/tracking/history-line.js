/**
 * The line of a day on a canvas, coloured by speed. It is drawn when the map comes to rest, and not
 * for each moment that is played: 36,000 fixes cost nothing while the car moves.
 */

const WORLD = 256; // pixels at zoom 0
const SPACING = 2; // px between the points of the line at a zoom level
export const LIMITS = [20, 40, 70]; // km/h, between the colours
export const STOP = LIMITS.length + 1;
const BREAK = 255;
const METRES = 111_195; // per degree
const NAMES = [...LIMITS.map((_, i) => `speed-${i}`), `speed-${LIMITS.length}`, "stop"];

/** The points of a day in typed arrays, thinned for each zoom level. */
export class Line {
  #levels = new Map();

  /** @param {any} day a `Day` @param {{ mercator: (x: number, y: number) => [number, number] }} projection */
  constructor(day, { mercator }) {
    const { fixes } = day;
    this.size = fixes.length;
    this.x = new Float64Array(fixes.length);
    this.y = new Float64Array(fixes.length);
    /** The kind of the piece that ends at each fix: a range of speed, STOP or BREAK. */
    this.kind = new Uint8Array(fixes.length);
    const isBreak = new Set(day.gaps.map(({ since }) => day.after(since)));
    let stop = 0;
    fixes.forEach((fix, i) => {
      [this.x[i], this.y[i]] = mercator(fix.longitude, fix.latitude);
      while (stop < day.stops.length && day.stops[stop].until < fix.at) stop += 1;
      const isStop = day.stops[stop]?.since < fix.at;
      this.kind[i] = !i || isBreak.has(i) ? BREAK : isStop ? STOP : rangeOf(speedAt(fixes, i));
    });
    this.parts = this.kind.filter((kind) => kind === BREAK).length;
    this.gaps = day.gaps
      .map(({ since, until }) => [day.after(since) - 1, day.after(until - 1)])
      .filter(([before, after]) => before >= 0 && after < fixes.length);
  }

  /** Return the fixes that are drawn at a zoom level. */
  level(zoom) {
    const whole = Math.max(0, Math.min(19, Math.ceil(zoom)));
    if (!this.#levels.has(whole)) this.#levels.set(whole, this.#thinned(SPACING / (WORLD * 2 ** whole)));
    return this.#levels.get(whole);
  }

  #thinned(spacing) {
    const { x, y, kind, size } = this;
    const kept = new Uint32Array(size);
    let count = 0;
    let last = 0;
    for (let i = 0; i < size; i += 1) {
      const isEnd = i === size - 1 || kind[i] === BREAK || kind[i + 1] === BREAK;
      const far = Math.abs(x[i] - x[last]) >= spacing || Math.abs(y[i] - y[last]) >= spacing;
      if (!isEnd && !far) continue;
      kept[count] = i;
      count += 1;
      last = i;
    }
    return kept.slice(0, count);
  }

  /**
   * Return the pieces of the line that touch a rectangle of the world, as pairs of fixes.
   * @returns {{ from: Uint32Array, to: Uint32Array, count: number }}
   */
  pieces(zoom, { left, top, right, bottom }) {
    const { x, y, kind } = this;
    const level = this.level(zoom);
    const from = new Uint32Array(level.length);
    const to = new Uint32Array(level.length);
    let count = 0;
    for (let k = 1; k < level.length; k += 1) {
      const [a, b] = [level[k - 1], level[k]];
      if (kind[b] === BREAK) continue;
      if ((x[a] < left && x[b] < left) || (x[a] > right && x[b] > right)) continue;
      if ((y[a] < top && y[b] < top) || (y[a] > bottom && y[b] > bottom)) continue;
      from[count] = a;
      to[count] = b;
      count += 1;
    }
    return { from, to, count };
  }

  /** Return the fix nearest to a place of the world, -1 if none is within the radius. */
  nearest(worldX, worldY, radius) {
    let best = radius * radius;
    let found = -1;
    for (let i = 0; i < this.size; i += 1) {
      const dx = this.x[i] - worldX;
      const dy = this.y[i] - worldY;
      const squared = dx * dx + dy * dy;
      if (squared <= best) {
        best = squared;
        found = i;
      }
    }
    return found;
  }
}

/** Return the speed on the way to a fix in km/h, that of the phone if it said one. */
function speedAt(fixes, i) {
  const { speed, at, latitude, longitude } = fixes[i];
  if (speed !== null) return speed;
  const before = fixes[i - 1];
  const shrink = Math.cos((latitude * Math.PI) / 180);
  const metres = Math.hypot(latitude - before.latitude, (longitude - before.longitude) * shrink) * METRES;
  return (metres / Math.max(1, at - before.at)) * 3600;
}

function rangeOf(speed) {
  const range = LIMITS.findIndex((limit) => speed < limit);
  return range < 0 ? LIMITS.length : range;
}

/**
 * Return a Leaflet layer that draws the line.
 * @param {any} L @param {Line} line @param {{ createCanvasLayer: Function }} canvas
 */
export function createLineLayer(L, line, { createCanvasLayer }) {
  return createCanvasLayer(L, {
    className: "tracking-day-canvas",
    isBelow: true,
    readColours,
    paint(context, { colours, zoom, scale, origin, width, height }) {
      const { x, y, kind } = line;
      const edge = 8 / scale; // half of the widest line
      const { from, to, count } = line.pieces(zoom, {
        ...{ left: origin.x / scale - edge, top: origin.y / scale - edge },
        ...{ right: (origin.x + width) / scale + edge, bottom: (origin.y + height) / scale + edge },
      });
      let strokes = 0;
      const stroke = (colour, lineWidth, trace) => {
        context.beginPath();
        if (!trace()) return;
        context.strokeStyle = colour;
        context.lineWidth = lineWidth;
        context.stroke();
        strokes += 1;
      };
      const piecesOf = (wanted) => () => {
        let end = -1;
        let drawn = 0;
        for (let i = 0; i < count; i += 1) {
          const [a, b] = [from[i], to[i]];
          if (wanted >= 0 && kind[b] !== wanted) continue;
          if (a !== end) context.moveTo(x[a] * scale - origin.x, y[a] * scale - origin.y);
          context.lineTo(x[b] * scale - origin.x, y[b] * scale - origin.y);
          end = b;
          drawn += 1;
        }
        return drawn;
      };
      context.lineCap = context.lineJoin = "round";
      context.setLineDash([]);
      stroke(colours.edge, 7, piecesOf(-1));
      // What is fast lies on top of what is slow: at a crossing, the faster road.
      for (const wanted of [STOP, ...LIMITS.keys(), LIMITS.length]) {
        stroke(colours[NAMES[wanted]], wanted === STOP ? 3 : 4, piecesOf(wanted));
      }
      context.setLineDash([2, 9]);
      stroke(colours.gap, 4, () => {
        for (const [a, b] of line.gaps) {
          context.moveTo(x[a] * scale - origin.x, y[a] * scale - origin.y);
          context.lineTo(x[b] * scale - origin.x, y[b] * scale - origin.y);
        }
        return line.gaps.length;
      });
      // For tests and measurements.
      this._draws = (this._draws ?? 0) + 1;
      Object.assign(this._canvas.dataset, {
        ...{ points: count, strokes, draws: this._draws, parts: line.parts, gaps: line.gaps.length },
      });
    },
  });
}

function readColours(element) {
  const style = getComputedStyle(element);
  const names = [...NAMES, "edge", "gap"];
  const read = (name) => style.getPropertyValue(`--day-${name}`).trim() || "#888";
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}
