/** The world's coastlines, fetched when the map is zoomed out far enough to show them. */

// Natural Earth's 1:50m coast, simplified to 3 km: 11 pixels at zoom 9. At larger zooms, a car on a
// quay would be shown at sea.
const MAX_ZOOM = 9;
// A page starts with the whole world, and usually zooms in a moment later.
const LOAD_AFTER = 1_000; // ms

/**
 * Add the coastlines to the map when they are first needed. `onError` is called once, when they
 * first fail to load, and `onRecovery` if a later attempt succeeds.
 * @param {any} map
 * @param {any} modules the page's
 * @param {{ url: string, attribution: string, onError: () => void, onRecovery: () => void }} options
 */
export function addCoastlines(map, modules, { url, attribution, onError, onRecovery }) {
  let timer;
  let hasFailed = false;

  function loadIfFarOut() {
    clearTimeout(timer);
    if (map.getZoom() <= MAX_ZOOM) timer = setTimeout(load, LOAD_AFTER);
  }

  async function load() {
    map.off("zoomend", loadIfFarOut);
    try {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url} answered ${response.status}`);
      createTiles(modules, await response.json(), attribution).addTo(map);
      if (hasFailed) onRecovery();
    } catch {
      // Retry after the next zoom.
      map.on("zoomend", loadIfFarOut);
      if (!hasFailed) onError();
      hasFailed = true;
    }
  }

  map.on("zoomend", loadIfFarOut);
  loadIfFarOut();
}

function createTiles({ leaflet, canvasTiles, mercator: { mercator } }, world, attribution) {
  const land = Array.from(readRings(world, mercator), canvasTiles.shape);
  return canvasTiles.createCanvasTiles(leaflet, {
    attribution,
    maxZoom: MAX_ZOOM,
    pane: "base",
    readColours: (element) => canvasTiles.readMapColours(element, ["sea", "land", "line"]),
    draw(pen, zoom, colours) {
      pen.flood(colours.sea);
      pen.fill(land, colours.land, "evenodd");
      pen.stroke(land, colours.line, 1);
    },
  });
}

/**
 * Return the land's rings in the world's square. A ring that crosses the antimeridian continues
 * beyond the edge of the square, and is returned a second time, shifted to the other edge.
 */
export function* readRings({ unit, rings }, mercator) {
  const turn = 360 / unit;
  for (const steps of rings) {
    const points = new Float64Array(steps.length);
    let most = 0;
    let least = 1;
    for (let i = 0, x = 0, y = 0; i < steps.length; i += 2) {
      x += steps[i] - (i ? turn * Math.round(steps[i] / turn) : 0);
      y += steps[i + 1];
      points.set(mercator(x * unit, y * unit), i);
      most = Math.max(most, points[i]);
      least = Math.min(least, points[i]);
    }
    yield points;
    if (most > 1) yield points.map((value, i) => (i % 2 ? value : value - 1));
    if (least < 0) yield points.map((value, i) => (i % 2 ? value : value + 1));
  }
}
