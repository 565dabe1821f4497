/** The base layer for pages without tiles: coastlines, a graticule and a scale. */

const SCALE_WIDTH = 110; // px, maximum
// Below Leaflet's own panes, whose z-indexes start at 200.
const PANE_Z_INDEX = 100;

/**
 * @param {any} map
 * @param {any} modules the page's
 * @param {DOMStringMap} options `coastlines`: the address of the file
 * @param {import("./words.js").Words} words
 */
export function addBaseLayer(map, modules, { coastlines }, words) {
  const L = modules.leaflet;
  map.createPane("base").style.zIndex = PANE_Z_INDEX;
  const failure = words.say("no_base_layer");
  modules.coastlines.addCoastlines(map, modules, {
    url: coastlines,
    attribution: words.say("natural_earth"),
    onError: () => map.attributionControl.addAttribution(failure),
    onRecovery: () => map.attributionControl.removeAttribution(failure),
  });
  modules.graticule.createGraticule(L, words).addTo(map);
  // For the latitude in the middle of the map.
  L.control.scale({ position: "bottomleft", imperial: false, maxWidth: SCALE_WIDTH }).addTo(map);
}
