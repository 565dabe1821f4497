/**
 * Stands in for the browser's client on the fleet map: ten thousand drivers in the streets of the
 * demo's town, and two thousand updates a second for as long as the page is open.
 */

const DRIVERS = 10_000;
const UPDATES = 2_000;
const STATUSES = ["live", "live", "live", "live", "live", "live", "stale", "offline"];

export function watchFleet({ onState, onSnapshot, onUpdate }) {
  start(onState, onSnapshot, onUpdate);
  return { setBbox() {}, resume() {}, pause() {}, close() {} };
}

/** Never says anything. */
export function watchDriver() {
  return { resume() {}, pause() {}, close() {} };
}

async function start(onState, onSnapshot, onUpdate) {
  const city = await (await fetch("/static/tracking/city.json")).json();
  const streets = city.streets.filter(({ points }) => points.length > 8);
  const locate = (index, round) => {
    const { points } = streets[(index * 7) % streets.length];
    const last = points.length / 2 - 1;
    // Up the street and down again, from a place of one's own.
    const way = (((index * 0.618) % 1) * last + round * 0.35) % (2 * last);
    const along = way > last ? 2 * last - way : way;
    const corner = Math.min(last - 1, Math.floor(along));
    const between = (axis) => {
      const from = points[2 * corner + axis];
      return from + (points[2 * corner + 2 + axis] - from) * (along - corner);
    };
    return {
      userId: index + 1,
      name: `Driver ${index + 1}`,
      latitude: city.latitude + between(1) * city.unit,
      longitude: city.longitude + between(0) * city.unit,
      recordedAt: Date.now(),
      receivedAt: Date.now(),
      heading: null,
      speed: 8,
      accuracy: 5,
      status: STATUSES[index % STATUSES.length],
    };
  };
  onState("open", null);
  onSnapshot(Array.from({ length: DRIVERS }, (_, index) => locate(index, 0)));
  let sent = 0;
  setInterval(() => {
    const batch = Array.from({ length: UPDATES }, () => {
      sent += 1;
      return locate(sent % DRIVERS, Math.floor(sent / DRIVERS) + 1);
    });
    onUpdate(batch);
  }, 1000);
}
