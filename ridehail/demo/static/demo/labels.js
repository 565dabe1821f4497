/**
 * Names on the town's map, placed where they fit and do not overlap.
 *
 * They are placed for the whole town at once, so that a name which crosses the edge of a tile is
 * drawn by both tiles at the same place.
 */

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
const STREETS = [
  { kind: "primary", from: 14, size: 12, weight: 600 },
  { kind: "secondary", from: 14.5, size: 11.5, weight: 500 },
  { kind: "residential", from: 16, size: 11, weight: 500 },
];
const STRAIGHT = 0.35; // radians that a street may bend below its name
const HALO_WIDTH = 3; // pixels around a name
const AGAIN_AFTER = 900; // pixels between two names of one street

/** @returns {object[]} labels: text, font, `at` in the world's square, angle, colour */
export function placeLabels(context, town, scale, z) {
  const placed = [];
  const taken = new Grid();
  const put = (text, font, at, angle, colour) => {
    context.font = font;
    const width = context.measureText(text).width;
    const [x, y] = [at[0] * scale, at[1] * scale];
    if (!taken.claim(x, y, width, angle)) return;
    placed.push({ text, font, at, angle, colour });
  };
  if (z >= 11.5 && z < 17) {
    const size = z < 13 ? 12 : 14;
    for (const { name, at } of town.places) {
      put(name, `600 ${size}px ${FONT}`, at, 0, "label");
    }
  }
  if (z >= 14) {
    for (const { name, box } of town.parks) {
      const middle = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
      put(name, `italic 500 12px ${FONT}`, middle, 0, "quiet");
    }
  }
  for (const { kind, from, size, weight } of STREETS) {
    if (z < from) continue;
    const font = `${weight} ${size}px ${FONT}`;
    context.font = font;
    for (const street of town.streets) {
      if (street.class !== kind) continue;
      const width = context.measureText(street.name).width;
      for (const { at, angle } of straights(street.points, scale, width + 16)) {
        put(street.name, font, at, angle, "label");
      }
    }
  }
  return placed;
}

export function drawLabel(context, [x, y], { text, font, angle, colour }, colours) {
  context.save();
  context.translate(x, y);
  context.rotate(angle);
  context.font = font;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.strokeStyle = colours.halo;
  context.lineWidth = HALO_WIDTH;
  context.strokeText(text, 0, 0);
  context.fillStyle = colours[colour];
  context.fillText(text, 0, 0);
  context.restore();
}

/** Stretches of a street that are long and straight enough for its name, well apart. */
function* straights(points, scale, needed) {
  let first = 0;
  let length = 0;
  let sinceLast = Infinity;
  let heading = null;
  for (let i = 2; i < points.length; i += 2) {
    const dx = (points[i] - points[i - 2]) * scale;
    const dy = (points[i + 1] - points[i - 1]) * scale;
    const step = Math.hypot(dx, dy);
    const direction = Math.atan2(dy, dx);
    sinceLast += step;
    if (heading !== null && Math.abs(wrap(direction - heading)) > STRAIGHT) {
      first = i - 2;
      length = 0;
      heading = null;
    }
    heading ??= direction;
    length += step;
    if (length < needed || sinceLast < AGAIN_AFTER) continue;
    const middle = (first + i) / 2;
    const at = middle - (middle % 2);
    const chord = Math.atan2(points[i + 1] - points[first + 1], points[i] - points[first]);
    const upright = Math.abs(chord) > Math.PI / 2 ? wrap(chord + Math.PI) : chord;
    const straight = i - first <= 2;
    yield {
      at: straight
        ? [(points[first] + points[i]) / 2, (points[first + 1] + points[i + 1]) / 2]
        : [points[at], points[at + 1]],
      angle: upright,
    };
    sinceLast = 0;
    first = i;
    length = 0;
    heading = null;
  }
}

function wrap(angle) {
  return Math.atan2(Math.sin(angle), Math.cos(angle));
}

/** The squares of the plane that names have taken already. */
class Grid {
  #squares = new Set();
  #size = 14; // pixels: about a line of text

  /** Take the squares below a text, or return false because one is taken. */
  claim(x, y, width, angle) {
    const wanted = [];
    for (let along = -width / 2; along <= width / 2 + 1; along += this.#size / 2) {
      const column = Math.round((x + along * Math.cos(angle)) / this.#size);
      const row = Math.round((y + along * Math.sin(angle)) / this.#size);
      for (const [dx, dy] of [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]]) {
        wanted.push(`${column + dx},${row + dy}`);
      }
    }
    if (wanted.some((square) => this.#squares.has(square))) return false;
    for (const square of wanted) this.#squares.add(square);
    return true;
  }
}
