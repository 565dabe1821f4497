/** A Leaflet layer that draws a whole `Fleet` on one canvas. */

const WORLD = 256; // pixels at zoom 0
const MIN_ARROW_ZOOM = 14; // below, directions cannot be seen
const CLICK_RADIUS = 16; // pixels
const FAINT = 0.3; // the opacity of drivers that a filter does not want

/** @param {any} modules the page's modules @param {any} fleet the `Fleet` to draw */
export function createFleetLayer({ leaflet: L, fleet: fleetModule, stamps, canvas }, fleet) {
  const { STATUSES, NO_HEADING } = fleetModule;
  const LIVE = STATUSES.indexOf("live");
  // The colours of busy and of faint drivers come after those of the statuses.
  const [BUSY, UNWANTED] = [STATUSES.length, STATUSES.length + 1];
  const { DIRECTIONS, DOT, UNDIRECTED, Sheet } = stamps;
  let sheet;
  let selected = null;

  return canvas.createCanvasLayer(L, {
    className: "tracking-fleet",
    // It is painted on every frame while a driver moves.
    padding: 0,
    readColours: (element) => readColours(STATUSES, element),

    paint(context, { colours, zoom, scale, origin, ratio }) {
      const { width, height } = context.canvas;
      const isUsable = sheet?.width === width && sheet.height === height && sheet.madeOf === colours;
      if (!isUsable || sheet.ratio !== ratio) sheet = new Sheet(width, height, ratio, colours);
      const now = performance.now();
      this._stamp(now, scale, origin, zoom >= MIN_ARROW_ZOOM);
      context.putImageData(sheet.image, 0, 0);
      this._ring(context, now, scale, origin, colours);
    },

    onDrawn() {
      const now = performance.now();
      this.fire("drawn", { now });
      if (now < fleet.movingUntil) this.refresh();
    },

    /** Draw a ring around one driver; with null, around none. */
    select(id) {
      selected = id;
      this.refresh();
    },

    /** Return the driver at a point of the map's container, or null. */
    driverAt({ x, y }) {
      const scale = WORLD * 2 ** this._map.getZoom();
      const { min } = this._map.getPixelBounds();
      const now = performance.now();
      const worldX = (min.x + x) / scale;
      return fleet.nearest(worldX - Math.floor(worldX), (min.y + y) / scale, CLICK_RADIUS / scale, now);
    },

    /** Return the x of the copy of a place that is drawn, as the map repeats the world. */
    nearest(x) {
      const scale = WORLD * 2 ** this._map.getZoom();
      return x + Math.round(this._middle(scale, this._map.getPixelBounds().min) - x);
    },

    _middle(scale, { x }) {
      return (x + this._map.getSize().x / 2) / scale;
    },

    _stamp(now, scale, min, arrows) {
      sheet.clear();
      const { ratio } = sheet;
      // Drivers beyond the antimeridian are drawn in the next copy of the world.
      const middle = this._middle(scale, min);
      // Live drivers are drawn last, on top, and those that a filter does not want below all.
      for (let layer = -1; layer < STATUSES.length; layer += 1) {
        for (let row = 0; row < fleet.size; row += 1) {
          const status = Math.min(fleet.status[row], fleet.bestStatus);
          if ((fleet.faint[row] ? -1 : status) !== layer) continue;
          const share = fleet.progress(row, now);
          const fromX = fleet.fromX[row];
          const fromY = fleet.fromY[row];
          const world = fromX + (fleet.x[row] - fromX) * share;
          const x = (world + Math.round(middle - world)) * scale - min.x;
          const y = (fromY + (fleet.y[row] - fromY) * share) * scale - min.y;
          const heading = fleet.heading[row];
          const kind = !arrows
            ? DOT
            : heading === NO_HEADING
              ? UNDIRECTED
              : Math.round((heading / 360) * DIRECTIONS) % DIRECTIONS;
          const own = status === LIVE && fleet.busy[row] ? BUSY : status;
          sheet.put(layer < 0 ? UNWANTED : own, kind, x * ratio, y * ratio);
        }
      }
    },

    _ring(context, now, scale, min, colours) {
      const row = fleet.row(selected);
      if (row === undefined) return;
      const [world, y] = fleet.at(row, now);
      const x = this.nearest(world);
      context.beginPath();
      context.arc(x * scale - min.x, y * scale - min.y, 15, 0, 2 * Math.PI);
      context.strokeStyle = colours.ring;
      context.lineWidth = 3;
      context.stroke();
    },
  });
}

function readColours(statuses, element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim() || "#888";
  return {
    edge: read("--fleet-edge"),
    ring: read("--tracking-accent"),
    fills: [...statuses, "busy", "offline"].map((status) => read(`--fleet-${status}`)),
    faint: FAINT,
  };
}
