/** A Leaflet map with the host's tiles, or with the base layer that needs none. */

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

/** Call back with what people prefer now, whenever they change it. */
export function onReducedMotion(callback) {
  reducedMotion.addEventListener("change", () => callback(reducedMotion.matches));
}

/** Leaflet animates zooms, arrow keys and what a drag throws: as long as people like that. */
function obeyReducedMotion(map) {
  const mayMove = { get: () => !prefersReducedMotion() };
  // Read at the end of a drag and of a pinch.
  Object.defineProperties(map.options, { inertia: mayMove, zoomAnimation: mayMove });
  Object.defineProperty(map, "_fadeAnimated", mayMove);
  const { panBy, _tryAnimatedZoom } = map;
  map.panBy = (offset, options) =>
    panBy.call(map, offset, prefersReducedMotion() ? { ...options, animate: false } : options);
  map._tryAnimatedZoom = (...zoom) => !prefersReducedMotion() && _tryAnimatedZoom.apply(map, zoom);
}

/** Let the host's own module draw on the base layer. Without it the map works as well. */
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
 * A page that scrolls goes on scrolling when the pointer comes over the map. The wheel zooms once the
 * map was clicked, with Ctrl or Cmd, by a pinch on a trackpad, and where there is nothing to scroll.
 */
function leaveTheWheelToThePage(element) {
  const forPage = (event) => {
    const page = document.scrollingElement ?? document.documentElement;
    const scrolls = page.scrollHeight > page.clientHeight;
    if (!scrolls || event.ctrlKey || event.metaKey) return;
    if (!element.contains(document.activeElement)) event.stopImmediatePropagation();
  };
  // Before Leaflet's own listener, which is on the same element.
  element.addEventListener("wheel", forPage, { capture: true });
}
