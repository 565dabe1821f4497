/** The base layer for pages without tiles: coastlines, a graticule and a scale. */

const SCALE_WIDTH = 110; // px, maximum
const FEET_PER_METRE = 1 / 0.3048;
const FEET_PER_MILE = 5280;
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
  createScale(L, words).addTo(map);
}

/** Return a control of the map's scale, with Intl's units in place of Leaflet's English ones. */
function createScale(L, words) {
  const scale = L.control.scale({
    position: "bottomleft",
    imperial: words.usesMiles,
    metric: !words.usesMiles,
    maxWidth: SCALE_WIDTH,
  });
  const show = (element, maximum, long, short, ratio) => {
    const unit = maximum >= ratio ? long : short;
    const length = unit === long ? maximum / ratio : maximum;
    const round = scale._getRoundNum(length);
    scale._updateScale(element, words.unit(round, unit), round / length);
  };
  scale._updateMetric = (metres) => show(scale._mScale, metres, "kilometer", "meter", 1000);
  scale._updateImperial = (metres) =>
    show(scale._iScale, metres * FEET_PER_METRE, "mile", "foot", FEET_PER_MILE);
  return scale;
}
