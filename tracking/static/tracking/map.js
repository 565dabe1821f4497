/** A Leaflet map with the host's tiles, or with the base layer that needs none. */

/**
 * @param {HTMLElement} element where the map goes
 * @param {object} modules the page's
 * @param {DOMStringMap} options `tileUrl`, `tileAttribution`, `city` and `coastlines` (addresses)
 * @param {import("./words.js").Words} words
 */
export function createMap(element, modules, options, words) {
  const L = modules.leaflet;
  const map = L.map(element, {
    zoomControl: false,
    minZoom: 2,
    maxZoom: 19,
    // Leaflet's own transitions stop by themselves where the browser has none.
    zoomAnimation: !prefersReducedMotion(),
    fadeAnimation: !prefersReducedMotion(),
    markerZoomAnimation: !prefersReducedMotion(),
  });
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
    map.attributionControl.addAttribution(words.say("natural_earth"));
    modules.baseLayer.createBaseLayer(modules, options).then(
      (layer) => {
        layer.addTo(map);
        followScheme(() => layer.redraw());
        // Nothing to look at yet: then at the town rather than at the whole world.
        if (map.getZoom() === 2) map.fitBounds(layer.town);
      },
      () => map.attributionControl.addAttribution(words.say("no_base_layer")),
    );
  }
  new ResizeObserver(() => map.invalidateSize({ pan: false })).observe(element);
  return map;
}

export function prefersReducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function followScheme(redraw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}
