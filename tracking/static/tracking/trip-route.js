/** The route of a trip on the map, which the car uses up as it drives. */

const REDRAWN_AFTER = 200; // ms; the car covers its end meanwhile

/**
 * @param {any} L Leaflet
 * @param {any} map
 * @param {{ decodePolyline: (text: string) => [number, number][] }} polyline the module
 * @param {{ RouteLine: any }} routeLine the module
 */
export function createRoute(L, map, { decodePolyline }, { RouteLine }) {
  const layers = ["edge", "line"].map((name) =>
    L.polyline([], { className: `tracking-route tracking-route-${name}`, interactive: false }),
  );
  let shown = "";
  let line = null;
  /** The newest place of the car. @type {[number, number] | null} */
  let place = null;
  let timer = null;

  function draw() {
    const ahead = line.ahead;
    // In the copy of the world that is in view, as the car is.
    const world = 360 * Math.round((map.getCenter().lng - ahead[0][1]) / 360);
    for (const layer of layers) layer.setLatLngs(ahead.map(([lat, lon]) => [lat, lon + world]));
  }

  return {
    /** Show another route, none without a text. @param {string | null | undefined} text */
    show(text) {
      if ((text ?? "") === shown) return;
      shown = text ?? "";
      const places = decodePolyline(shown);
      line = places.length > 1 ? new RouteLine(places) : null;
      for (const layer of layers) layer.remove();
      if (!line) return;
      if (place) line.pass(place);
      draw();
      for (const layer of [...layers].reverse()) layer.addTo(map).bringToBack();
    },

    /** Take the way behind the car off the line. @param {[number, number] | null} at */
    pass(at) {
      place = at;
      timer ??= setTimeout(() => {
        timer = null;
        if (place && line?.pass(place)) draw();
      }, REDRAWN_AFTER);
    },

    /** True if there is a route. */
    get isShown() {
      return line !== null;
    },
  };
}
