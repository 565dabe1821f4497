/** The console's marks on the map: the place of a search, the cars found, a trip's places. */

/**
 * @param {any} modules the page's
 * @param {any} map Leaflet's
 * @param {any} stage from `createFleetStage`
 * @param {any} words
 */
export function createPins(modules, map, stage, words) {
  const L = modules.leaflet;
  const group = L.layerGroup().addTo(map);
  let cars = []; // [id, marker]

  function pin(place, className, text = "") {
    const size = [28, 28];
    const icon = L.divIcon({ className: `console-pin ${className}`, iconSize: size, html: "" });
    const marker = L.marker(stage.drawnAt(place), { icon, interactive: false, keyboard: false });
    marker.addTo(group);
    const element = marker.getElement();
    // The panel's list has the same.
    element.setAttribute("aria-hidden", "true");
    element.textContent = text;
    return marker;
  }

  function clear() {
    group.clearLayers();
    cars = [];
  }

  stage.layer.on("drawn", ({ now }) => {
    for (const [id, marker] of cars) {
      const row = stage.fleet.row(id);
      if (row !== undefined) marker.setLatLng(stage.drawnRow(row, now));
    }
  });

  return {
    clear,

    showNearest(place, found) {
      clear();
      pin(place, "console-pin-place");
      cars = found.map((car, index) => {
        const at = { latitude: Number(car.location_lat), longitude: Number(car.location_lon) };
        return [car.userId, pin(at, "console-pin-car", words.number(index + 1))];
      });
    },

    showTrip({ waypoints }) {
      clear();
      for (const { kind, lat, lon } of waypoints ?? []) {
        pin({ latitude: Number(lat), longitude: Number(lon) }, `console-pin-${kind}`);
      }
    },
  };
}
