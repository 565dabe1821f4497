/** Map tiles drawn by a function, and redrawn when the colour scheme changes. */

const TILE = 256;

/**
 * @param {any} L Leaflet
 * @param {object} options Leaflet's for a `GridLayer`, and:
 *   `readColours(element)`: return the colours of the map in this element, which `draw` receives;
 *   `draw(pen, zoom, colours)`: draw one tile
 */
export function createCanvasTiles(L, { readColours, draw, ...options }) {
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const theme = { attributeFilter: ["data-theme"] };
  const CanvasTiles = L.GridLayer.extend({
    onAdd(map) {
      this._recolour = () => {
        this._colours = undefined;
        this.redraw();
      };
      scheme.addEventListener("change", this._recolour);
      // The theme of a page such as Django's admin.
      this._observer = new MutationObserver(this._recolour);
      this._observer.observe(document.documentElement, theme);
      L.GridLayer.prototype.onAdd.call(this, map);
    },

    onRemove(map) {
      scheme.removeEventListener("change", this._recolour);
      this._observer.disconnect();
      L.GridLayer.prototype.onRemove.call(this, map);
    },

    createTile({ x, y, z }) {
      const tile = L.DomUtil.create("canvas", "leaflet-tile");
      const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
      tile.width = tile.height = TILE * ratio;
      const context = tile.getContext("2d");
      context.scale(ratio, ratio);
      context.lineJoin = context.lineCap = "round";
      this._colours ??= readColours(this._map.getContainer());
      draw(new Pen(context, x * TILE, y * TILE, TILE * 2 ** z), z, this._colours);
      return tile;
    },
  });
  return new CanvasTiles({ tileSize: TILE, minZoom: 2, maxZoom: 19, ...options });
}

/**
 * Return the values of the style sheet's `--map-…` properties by their names.
 * @param {Element} element @param {string[]} names
 */
export function readMapColours(element, names) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(`--map-${name}`).trim() || "#888";
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

/**
 * A line or ring with its bounding box, by which tiles that do not contain it are skipped quickly.
 * @param {Float64Array} points x, y, x, y, … in the world's square
 */
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

/** Draws shapes in the coordinates of the world's square onto one tile. */
class Pen {
  tile = TILE;

  constructor(context, left, top, scale) {
    Object.assign(this, { context, left, top, scale });
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

  /** Fill the whole tile. */
  flood(colour) {
    this.context.fillStyle = colour;
    this.context.fillRect(0, 0, TILE, TILE);
  }
}
