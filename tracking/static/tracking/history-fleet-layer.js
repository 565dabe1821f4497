/** A Leaflet layer with the cars of a past moment on one canvas. */

const WORLD = 256; // pixels at zoom 0
const PADDING = 0.25; // of the map's size, drawn beyond each edge
const CLICK_RADIUS = 18; // px
const RADIUS = 7; // px
const MIN_ARROW_ZOOM = 13; // below, directions cannot be seen
// Drawn in this order, so that what is recent lies on top.
const STATUSES = ["unconnected", "offline", "stale", "live"];

/** @param {any} L Leaflet @param {{ mercator: (x: number, y: number) => [number, number] }} projection */
export function createPastLayer(L, { mercator }) {
  let cars = [];
  let picked = null;
  const Layer = L.Layer.extend({
    onAdd(map) {
      this._canvas = L.DomUtil.create("canvas", "tracking-past leaflet-zoom-animated");
      this._canvas.setAttribute("aria-hidden", "true");
      this._context = this._canvas.getContext("2d");
      map.getPane("overlayPane").append(this._canvas);
      this._scheme = matchMedia("(prefers-color-scheme: dark)");
      this._scheme.addEventListener("change", this._recolour);
      this._draw();
    },

    onRemove() {
      this._scheme.removeEventListener("change", this._recolour);
      cancelAnimationFrame(this._frame);
      this._canvas.remove();
    },

    getEvents() {
      return { moveend: this._refresh, resize: this._refresh, viewreset: this._refresh, zoomanim: this._zoom };
    },

    /** Draw these drivers instead. */
    setDrivers(drivers) {
      cars = drivers.map((driver) => {
        const [x, y] = mercator(driver.longitude, driver.latitude);
        return { x, y, driver };
      });
      this._refresh();
    },

    pick(id) {
      picked = id;
      this._refresh();
    },

    /** Return the driver at a point of the map's container, undefined if there is none. */
    driverAt({ x, y }) {
      let best = CLICK_RADIUS;
      let found;
      const scale = WORLD * 2 ** this._map.getZoom();
      const { min } = this._map.getPixelBounds();
      for (const car of cars) {
        const [left, top] = this._place(car, scale, min, this._map.getSize().x);
        const distance = Math.hypot(left - x, top - y);
        if (distance <= best) [best, found] = [distance, car.driver];
      }
      return found;
    },

    _refresh() {
      this._frame ||= requestAnimationFrame(() => this._draw());
    },

    /** Return the pixels from `min`, in the copy of the world that is in view. */
    _place({ x, y }, scale, min, width) {
      const middle = (min.x + width / 2) / scale;
      return [(x + Math.round(middle - x)) * scale - min.x, y * scale - min.y];
    },

    _draw() {
      this._frame = 0;
      const map = this._map;
      if (!map || map._animatingZoom) return;
      const size = map.getSize();
      const margin = size.multiplyBy(PADDING).round();
      const { x: width, y: height } = size.add(margin).add(margin);
      const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
      const canvas = this._canvas;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      L.extend(canvas.style, { width: `${width}px`, height: `${height}px` });
      const corner = [-margin.x, -margin.y];
      L.DomUtil.setPosition(canvas, map.containerPointToLayerPoint(corner));
      this._bounds = L.latLngBounds(
        map.containerPointToLatLng(corner),
        map.containerPointToLatLng(size.add(margin)),
      );
      const context = this._context;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      const colours = (this._colours ??= readColours(map.getContainer()));
      const scale = WORLD * 2 ** map.getZoom();
      const origin = map.getPixelBounds().min.subtract(margin);
      let drawn = 0;
      for (const status of STATUSES) {
        context.fillStyle = colours[status];
        context.strokeStyle = colours.edge;
        context.lineWidth = 2;
        for (const car of cars) {
          if (car.driver.status !== status) continue;
          const [x, y] = this._place(car, scale, origin, width);
          if (x < -RADIUS || y < -RADIUS || x > width + RADIUS || y > height + RADIUS) continue;
          drawn += 1;
          drawCar(context, x, y, map.getZoom() >= MIN_ARROW_ZOOM ? car.driver.heading : null);
          if (car.driver.id !== picked) continue;
          context.beginPath();
          context.arc(x, y, RADIUS + 6, 0, 2 * Math.PI);
          context.strokeStyle = colours.ring;
          context.lineWidth = 3;
          context.stroke();
          context.strokeStyle = colours.edge;
          context.lineWidth = 2;
        }
      }
      canvas.dataset.cars = String(drawn);
    },

    _zoom({ zoom, center }) {
      if (!this._bounds) return;
      const offset = this._map._latLngBoundsToNewLayerBounds(this._bounds, zoom, center).min;
      L.DomUtil.setTransform(this._canvas, offset, this._map.getZoomScale(zoom));
    },
  });
  const layer = new Layer();
  layer._recolour = () => {
    layer._colours = undefined;
    layer._refresh();
  };
  return layer;
}

function drawCar(context, x, y, heading) {
  context.beginPath();
  if (heading === null) {
    context.arc(x, y, RADIUS, 0, 2 * Math.PI);
  } else {
    const turn = (heading * Math.PI) / 180;
    const [sine, cosine] = [Math.sin(turn), Math.cos(turn)];
    [
      [0, -11],
      [8, 9],
      [0, 5],
      [-8, 9],
    ].forEach(([dx, dy], i) => {
      const at = [x + dx * cosine - dy * sine, y + dx * sine + dy * cosine];
      if (i) context.lineTo(at[0], at[1]);
      else context.moveTo(at[0], at[1]);
    });
    context.closePath();
  }
  context.fill();
  context.stroke();
}

function readColours(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim() || "#888";
  return {
    ...{ edge: read("--day-edge"), ring: read("--tracking-accent"), live: read("--day-live") },
    ...{ stale: read("--day-stop"), offline: read("--day-gap"), unconnected: read("--day-gap") },
  };
}
