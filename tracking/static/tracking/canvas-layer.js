/** A Leaflet layer with one canvas: what a replay draws, and all cars of the fleet. */

const WORLD = 256; // pixels at zoom 0
// Of the map's size, drawn beyond each edge, so that a short drag draws nothing again.
const PADDING = 0.35;

/**
 * @param {any} L Leaflet
 * @param {object} options methods of the layer, and:
 * @param {string} options.className of the canvas
 * @param {boolean} [options.isBelow] whether other drawings of the map lie above it
 * @param {number} [options.padding] of the map's size; 0 for what is drawn on every frame anyway
 * @param {() => void} [options.onDrawn] called after each frame, also while nothing is painted
 * @param {(element: Element) => any} options.readColours
 * @param {(context: CanvasRenderingContext2D, view: { colours: any, zoom: number, scale: number,
 *   origin: { x: number, y: number }, width: number, height: number, ratio: number }) => void}
 *   options.paint
 *   draws places of the world's square, times `scale` and less `origin`, on an empty canvas
 */
export function createCanvasLayer(L, options) {
  const { className, isBelow = false, padding = PADDING, readColours, paint, onDrawn, ...methods } = options;
  const Layer = L.Layer.extend({
    ...methods,

    onAdd(map) {
      this._canvas = L.DomUtil.create("canvas", `${className} leaflet-zoom-animated`);
      this._canvas.setAttribute("aria-hidden", "true");
      const pane = map.getPane("overlayPane");
      if (isBelow) pane.prepend(this._canvas);
      else pane.append(this._canvas);
      this._scheme = matchMedia("(prefers-color-scheme: dark)");
      this._scheme.addEventListener("change", this._recolour);
      // A page such as Django's admin has a theme of its own.
      this._theme = new MutationObserver(this._recolour);
      this._theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
      this._draw();
    },

    onRemove() {
      this._scheme.removeEventListener("change", this._recolour);
      this._theme.disconnect();
      cancelAnimationFrame(this._frame);
      this._canvas.remove();
    },

    getEvents() {
      return {
        move: this._moved,
        ...{ moveend: this.refresh, zoomend: this.refresh, viewreset: this.refresh },
        ...{ resize: this.refresh, zoomanim: this._zoom },
      };
    },

    /** Draw on the next animation frame. */
    refresh() {
      this._frame ||= requestAnimationFrame(() => this._draw());
    },

    /** A long drag needs more than was drawn beyond the edges. */
    _moved() {
      if (!this._bounds?.contains(this._map.getBounds()) && !this._map._animatingZoom) this.refresh();
    },

    _draw() {
      this._frame = 0;
      if (!this._map) return;
      // During a zoom animation, Leaflet scales the existing picture.
      if (!this._map._animatingZoom) this._paint(this._map);
      onDrawn?.call(this);
    },

    _paint(map) {
      const size = map.getSize();
      const margin = size.multiplyBy(padding).round();
      const { x: width, y: height } = size.add(margin).add(margin);
      const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
      const canvas = this._canvas;
      const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (canvas.width !== wide || canvas.height !== high) {
        [canvas.width, canvas.height] = [wide, high];
        L.extend(canvas.style, { width: `${width}px`, height: `${height}px` });
      }
      const corner = [-margin.x, -margin.y];
      L.DomUtil.setPosition(canvas, map.containerPointToLayerPoint(corner));
      this._bounds = L.latLngBounds(
        map.containerPointToLatLng(corner),
        map.containerPointToLatLng(size.add(margin)),
      );
      const context = canvas.getContext("2d");
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, wide, high);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      this._colours ??= readColours(map.getContainer());
      const zoom = map.getZoom();
      const origin = map.getPixelBounds().min.subtract(margin);
      const view = { zoom, scale: WORLD * 2 ** zoom, origin, width, height, ratio };
      paint.call(this, context, { colours: this._colours, ...view });
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
    layer.refresh();
  };
  return layer;
}
