/** The free cars around the pickup, while a driver is looked for. */

const GLIDE = 1_500; // ms; new places come every 2 s
const FADE = 400; // ms, as in the style sheet

/**
 * @param {any} L Leaflet
 * @param {any} map
 * @param {() => boolean} isSmooth
 */
export function createCars(L, map, isSmooth) {
  /** By id: the marker, and its way from where it was drawn to its newest place. */
  const cars = new Map();
  let frame = 0;

  function draw() {
    frame = 0;
    const now = performance.now();
    let isMoving = false;
    for (const { marker, from, to, since } of cars.values()) {
      const share = isSmooth() ? Math.min(1, (now - since) / GLIDE) : 1;
      marker.setLatLng(from.map((value, axis) => value + (to[axis] - value) * share));
      isMoving ||= share < 1;
    }
    if (isMoving) frame ||= requestAnimationFrame(draw);
  }

  function add({ latitude, longitude }) {
    const icon = L.divIcon({ className: "tracking-nearby", iconSize: [32, 32], html: picture() });
    // Those who cannot see the map need no such list: the panel says that a driver is looked for.
    const options = { icon, interactive: false, keyboard: false, zIndexOffset: -500 };
    const marker = L.marker([latitude, longitude], options).addTo(map);
    marker.getElement().setAttribute("aria-hidden", "true");
    const at = [latitude, longitude];
    return { marker, from: at, to: at, since: -Infinity };
  }

  function remove(id) {
    const { marker } = cars.get(id);
    cars.delete(id);
    marker.getElement()?.setAttribute("data-leaving", "");
    setTimeout(() => marker.remove(), isSmooth() ? FADE : 0);
  }

  return {
    /** Show these cars instead of the ones before. @param {import("./tracking-client").Car[]} next */
    show(next) {
      const ids = new Set(next.map(({ id }) => id));
      for (const id of [...cars.keys()]) if (!ids.has(id)) remove(id);
      for (const car of next) {
        const known = cars.get(car.id);
        if (!known) {
          cars.set(car.id, add(car));
          continue;
        }
        const { lat, lng } = known.marker.getLatLng();
        const to = [car.latitude, car.longitude];
        Object.assign(known, { from: [lat, lng], to, since: performance.now() });
      }
      frame ||= requestAnimationFrame(draw);
    },
  };
}

function picture() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  const path = document.createElementNS(svg.namespaceURI, "path");
  // A car from the front: it says nothing about where it drives.
  path.setAttribute(
    "d",
    "M6.1 6.2A2 2 0 0 1 8 5h8a2 2 0 0 1 1.9 1.2L19.6 10A2.5 2.5 0 0 1 21 12.3V18a1 1 0 0 1-1 1h-1" +
      "a1 1 0 0 1-1-1v-1H6v1a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-5.7A2.5 2.5 0 0 1 4.400 10ZM6.700 9.800h" +
      "10.600L16.100 7H7.900ZM6.500 15a1.300 1.300 0 1 0 0-2.600 1.300 1.300 0 0 0 0 2.600Zm11 0a1.300" +
      " 1.300 0 1 0 0-2.600 1.300 1.300 0 0 0 0 2.600Z",
  );
  svg.append(path);
  return svg;
}
