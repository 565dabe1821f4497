/** A Leaflet layer that draws a whole `Fleet` on one canvas. */

const WORLD = 256; // pixels at zoom 0
const MIN_ARROW_ZOOM = 14; // below, directions cannot be seen
const CLICK_RADIUS = 16; // pixels

/** @param {any} modules the page's modules @param {any} fleet the `Fleet` to draw */
export function createFleetLayer({ leaflet: L, fleet: fleetModule, stamps }, fleet) {
  const { STATUSES, NO_HEADING } = fleetModule;
  const LIVE = STATUSES.indexOf("live");
  const { DIRECTIONS, DOT, UNDIRECTED, Sheet } = stamps;
  const Layer = L.Layer.extend({
    onAdd(map) {
      this._canvas = L.DomUtil.create("canvas", "tracking-fleet leaflet-zoom-animated");
      this._canvas.setAttribute("aria-hidden", "true");
      this._context = this._canvas.getContext("2d");
      map.getPane("overlayPane").append(this._canvas);
      this._scheme = matchMedia("(prefers-color-scheme: dark)");
      this._scheme.addEventListener("change", this._resetColours);
      this.refresh();
    },

    onRemove() {
      this._scheme.removeEventListener("change", this._resetColours);
      cancelAnimationFrame(this._frame);
      this._canvas.remove();
    },

    getEvents() {
      return {
        viewreset: this.refresh,
        move: this.refresh,
        resize: this.refresh,
        zoomanim: this._zoom,
        zoomend: this.refresh,
      };
    },

    /** Draw on the next animation frame, and on every frame while a driver moves. */
    refresh() {
      this._frame ||= requestAnimationFrame(() => this._draw());
    },

    /** Draw a ring around one driver; with null, around none. */
    select(id) {
      this._selected = id;
      this.refresh();
    },

    /** Return the id of the driver at a point of the map's container, or null. */
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

    _draw() {
      this._frame = 0;
      const map = this._map;
      const now = performance.now();
      // During a zoom animation, Leaflet scales the existing picture.
      if (!map._animatingZoom) this._paint(map, now);
      this.fire("drawn", { now });
      if (now < fleet.movingUntil) this.refresh();
    },

    _paint(map, now) {
      const { x: width, y: height } = map.getSize();
      const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
      const canvas = this._canvas;
      const wide = Math.round(width * ratio);
      const high = Math.round(height * ratio);
      if (canvas.width !== wide || canvas.height !== high) {
        canvas.width = wide;
        canvas.height = high;
        L.extend(canvas.style, { width: `${width}px`, height: `${height}px` });
        this._sheet = undefined;
      }
      L.DomUtil.setPosition(canvas, map.containerPointToLayerPoint([0, 0]));
      this._bounds = map.getBounds();
      const colours = (this._colours ??= readColours(STATUSES, map.getContainer()));
      this._sheet ??= new Sheet(canvas.width, canvas.height, ratio, colours);
      const scale = WORLD * 2 ** map.getZoom();
      const { min } = map.getPixelBounds();
      this._stamp(this._sheet, now, scale, min);
      this._context.putImageData(this._sheet.image, 0, 0);
      this._ring(this._context, now, scale, min);
    },

    _stamp(sheet, now, scale, min) {
      sheet.clear();
      const { ratio } = sheet;
      // Drivers beyond the antimeridian are drawn in the next copy of the world.
      const middle = this._middle(scale, min);
      const arrows = this._map.getZoom() >= MIN_ARROW_ZOOM;
      // Live drivers are drawn last, on top.
      for (let status = 0; status < STATUSES.length; status += 1) {
        for (let row = 0; row < fleet.size; row += 1) {
          if (Math.min(fleet.status[row], fleet.bestStatus) !== status) continue;
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
          // The colour of busy drivers comes after those of the statuses.
          const fill = status === LIVE && fleet.busy[row] ? STATUSES.length : status;
          sheet.put(fill, kind, x * ratio, y * ratio);
        }
      }
    },

    _ring(context, now, scale, min) {
      const row = fleet.row(this._selected);
      if (row === undefined) return;
      const [world, y] = fleet.at(row, now);
      const x = this.nearest(world);
      const { ratio } = this._sheet;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.beginPath();
      context.arc(x * scale - min.x, y * scale - min.y, 15, 0, 2 * Math.PI);
      context.strokeStyle = this._colours.ring;
      context.lineWidth = 3;
      context.stroke();
    },

    _zoom({ zoom, center }) {
      if (!this._bounds) return;
      const scale = this._map.getZoomScale(zoom);
      const offset = this._map._latLngBoundsToNewLayerBounds(this._bounds, zoom, center).min;
      L.DomUtil.setTransform(this._canvas, offset, scale);
    },
  });
  const layer = new Layer();
  layer._resetColours = () => {
    layer._colours = layer._sheet = undefined;
    layer.refresh();
  };
  return layer;
}

function readColours(statuses, element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim() || "#888";
  return {
    edge: read("--fleet-edge"),
    ring: read("--tracking-accent"),
    fills: [...statuses, "busy"].map((status) => read(`--fleet-${status}`)),
  };
}
