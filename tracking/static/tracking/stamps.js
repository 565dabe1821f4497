/**
 * The pictures of drivers, as pixels copied by this code: 10,000 `drawImage` calls take 40 ms
 * without a graphics card, 10,000 stamps 5 ms.
 */

export const DIRECTIONS = 32;
export const UNDIRECTED = DIRECTIONS;
export const DOT = DIRECTIONS + 1;

const ARROW_SIZE = 22;
const DOT_SIZE = 10;

/** A sheet of pixels, and a stamp for every status and direction. */
export class Sheet {
  /**
   * @param {{ fills: string[], edge: string, faint: number }} colours one fill per status, and more;
   * the last fill is drawn with the opacity `faint`
   */
  constructor(width, height, ratio, colours) {
    const { fills, edge, faint } = colours;
    Object.assign(this, { width, height, ratio, madeOf: colours });
    this.image = new ImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.stamps = fills.map((fill, i) => {
      const opacity = i === fills.length - 1 ? faint : 1;
      return Array.from({ length: DOT + 1 }, (_, kind) => this.#cut(kind, fill, edge, opacity));
    });
  }

  clear() {
    this.pixels.fill(0);
  }

  /** Draw a stamp with its middle at a point, in pixels of the sheet. */
  put(status, kind, x, y) {
    const { offsets, colours, half } = this.stamps[status][kind];
    const column = Math.round(x);
    const row = Math.round(y);
    // Leave out stamps that reach beyond the sheet.
    if (column < half || row < half) return;
    if (column >= this.width - half || row >= this.height - half) return;
    const { pixels } = this;
    const middle = row * this.width + column;
    for (let i = 0; i < offsets.length; i += 1) {
      const at = middle + offsets[i];
      const colour = colours[i];
      // Stamps have translucent edges, which are mixed with what is already there.
      pixels[at] = colour >>> 24 === 255 || pixels[at] === 0 ? colour : mix(pixels[at], colour);
    }
  }

  /** Draw a stamp once, and return its pixels that are not empty. */
  #cut(kind, fill, edge, opacity) {
    const side = Math.ceil((kind === DOT ? DOT_SIZE : ARROW_SIZE) * this.ratio) | 1;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.translate(side / 2, side / 2);
    context.scale(this.ratio, this.ratio);
    context.globalAlpha = opacity;
    context.fillStyle = fill;
    context.strokeStyle = edge;
    context.lineJoin = "round";
    outline(context, kind);
    context.lineWidth = kind === DOT ? 1 : 2.5;
    context.stroke();
    context.fill();
    const source = new Uint32Array(context.getImageData(0, 0, side, side).data.buffer);
    const half = (side - 1) / 2;
    const filled = [...source.keys()].filter((i) => source[i] !== 0);
    const offset = (i) => (Math.floor(i / side) - half) * this.width + (i % side) - half;
    return {
      half,
      offsets: Int32Array.from(filled, offset),
      colours: Uint32Array.from(filled, (i) => source[i]),
    };
  }
}

function outline(context, kind) {
  context.beginPath();
  if (kind >= UNDIRECTED) {
    context.arc(0, 0, kind === DOT ? 3.5 : 5.5, 0, 2 * Math.PI);
    return;
  }
  context.rotate((kind / DIRECTIONS) * 2 * Math.PI);
  context.moveTo(0, -8.5);
  context.lineTo(6, 7);
  context.lineTo(0, 4);
  context.lineTo(-6, 7);
  context.closePath();
}

/** Return one colour drawn over another, as an opaque colour; all as the bytes A, B, G, R. */
function mix(below, above) {
  const share = (above >>> 24) / 255;
  const channel = (shift) => {
    const from = (below >>> shift) & 255;
    return (from + (((above >>> shift) & 255) - from) * share) << shift;
  };
  return ((255 << 24) | channel(16) | channel(8) | channel(0)) >>> 0;
}
