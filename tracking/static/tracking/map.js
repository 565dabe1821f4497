/** A Leaflet map with the host's tiles, or with a base layer that needs no tiles. */

/**
 * @param {HTMLElement} element where the map goes
 * @param {object} modules the page's
 * @param {DOMStringMap} options `tileUrl`, `tileAttribution`; `coastlines` and `baseLayer` (addresses)
 * @param {import("./words.js").Words} words
 */
export function createMap(element, modules, options, words) {
  const L = modules.leaflet;
  const map = L.map(element, {
    zoomControl: false,
    minZoom: 2,
    maxZoom: 19,
  });
  obeyReducedMotion(map);
  L.control
    .zoom({
      position: "bottomright",
      zoomInTitle: words.say("zoom_in"),
      zoomOutTitle: words.say("zoom_out"),
    })
    .addTo(map);
  map.attributionControl.setPrefix(false);
  element.setAttribute("role", "application");
  element.setAttribute("aria-label", words.say("map"));
  map.setView([20, 0], 2);
  if (options.tileUrl) {
    L.tileLayer(options.tileUrl, { attribution: options.tileAttribution, maxZoom: 19 }).addTo(map);
  } else {
    modules.baseLayer.addBaseLayer(map, modules, options, words);
    if (options.baseLayer) addHostLayer(map, modules, options.baseLayer, words);
  }
  leaveTheWheelToThePage(element);
  new ResizeObserver(() => map.invalidateSize({ pan: false })).observe(element);
  return map;
}

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

export function prefersReducedMotion() {
  return reducedMotion.matches;
}

/** Call back with the user's preference for reduced motion whenever it changes. */
export function onReducedMotion(callback) {
  reducedMotion.addEventListener("change", () => callback(reducedMotion.matches));
}

/** Disable Leaflet's animations of zooms, arrow keys and thrown drags while motion is reduced. */
function obeyReducedMotion(map) {
  const mayMove = { get: () => !prefersReducedMotion() };
  // Leaflet reads these at the end of a drag and of a pinch.
  Object.defineProperties(map.options, { inertia: mayMove, zoomAnimation: mayMove });
  Object.defineProperty(map, "_fadeAnimated", mayMove);
  const { panBy, _tryAnimatedZoom } = map;
  map.panBy = (offset, options) =>
    panBy.call(map, offset, prefersReducedMotion() ? { ...options, animate: false } : options);
  map._tryAnimatedZoom = (...zoom) => !prefersReducedMotion() && _tryAnimatedZoom.apply(map, zoom);
}

/** Let the host's module draw on the base layer. If it fails, the map works without it. */
async function addHostLayer(map, modules, url, words) {
  try {
    const { addLayer } = await import(url);
    await addLayer(map, modules);
  } catch (error) {
    map.attributionControl.addAttribution(words.say("no_base_layer"));
    throw error;
  }
}

/**
 * Let the wheel scroll the page, unless the map was clicked, Ctrl or Cmd is held, it is a pinch on
 * a trackpad, or the page cannot be scrolled. In these cases it zooms the map.
 */
function leaveTheWheelToThePage(element) {
  const forPage = (event) => {
    const page = document.scrollingElement ?? document.documentElement;
    const scrolls = page.scrollHeight > page.clientHeight;
    if (!scrolls || event.ctrlKey || event.metaKey) return;
    if (!element.contains(document.activeElement)) event.stopImmediatePropagation();
  };
  // Capture the event before Leaflet's listener on the same element.
  element.addEventListener("wheel", forPage, { capture: true });
}
