/** A driver's trip: the next place, the next step, and the way there. No DOM, no I/O. */

const EARTH_RADIUS = 6_371_000; // m

const KINDS = {
  new: "pickup",
  enroute_to_pickup: "pickup",
  arrived_at_pickup: "pickup",
  enroute_to_intermediate_destination: "stop",
  arrived_at_intermediate_destination: "stop",
  enroute_to_dropoff: "dropoff",
};

const TO_STOP = "enroute_to_intermediate_destination";
const AT_STOP = "arrived_at_intermediate_destination";

/** Return the kind of the waypoint that the car drives to or waits at; "" once the trip has ended. */
export function nextKind(status) {
  return KINDS[status] ?? "";
}

/** Return whether a trip with this status is still driven. */
export function isOpen(status) {
  return status in KINDS;
}

/** Return whether the car waits at a place. */
export function isWaiting(status) {
  return status.startsWith("arrived_");
}

/**
 * Return the place that the car drives to or waits at: its kind, and the waypoint if it is known.
 * The trip does not say which of several stops comes next, so the page counts them.
 *
 * @param {{ status: string, waypoints: any[] }} trip
 * @param {number} stopsDone
 */
export function nextPlace({ status, waypoints }, stopsDone) {
  const kind = nextKind(status);
  const places = waypoints.filter((waypoint) => waypoint.kind === kind);
  const number = kind === "stop" ? Math.min(stopsDone, places.length - 1) : 0;
  return { kind, number, count: places.length, waypoint: places[Math.max(0, number)] ?? null };
}

/**
 * Return the steps that the driver may take: the next one, and at a stop perhaps another one. Each
 * is the status that it leads to, and the name of its text.
 *
 * @param {{ status: string, waypoints: any[] }} trip
 * @param {number} stopsDone
 */
export function nextSteps({ status, waypoints }, stopsDone) {
  const stops = waypoints.filter(({ kind }) => kind === "stop").length;
  const toStop = { to: TO_STOP, name: "step_next_stop" };
  const toDropoff = { to: "enroute_to_dropoff", name: "step_dropoff" };
  switch (status) {
    case "new":
      return [{ to: "enroute_to_pickup", name: "step_pickup" }];
    case "enroute_to_pickup":
      return [{ to: "arrived_at_pickup", name: "step_arrived" }];
    case "arrived_at_pickup":
      return [{ to: stops ? TO_STOP : "enroute_to_dropoff", name: "step_start" }];
    case TO_STOP:
      return [{ to: AT_STOP, name: "step_at_stop" }];
    case AT_STOP:
      if (stops < 2) return [{ ...toDropoff, name: "step_continue" }];
      return stopsDone + 1 < stops ? [toStop, toDropoff] : [toDropoff, toStop];
    case "enroute_to_dropoff":
      return [{ to: "complete", name: "step_complete" }];
    default:
      return [];
  }
}

/** Return how many stops are done after a step. */
export function stopsAfter(status, to, stopsDone) {
  return status === AT_STOP && to === TO_STOP ? stopsDone + 1 : stopsDone;
}

/**
 * Return the link that opens a place in the phone's own navigation. Only the place is in it.
 * @param {{ lat: number, lon: number, name?: string | null }} place
 * @param {{ userAgent: string, maxTouchPoints?: number }} browser
 */
export function navigationUrl({ lat, lon, name }, { userAgent, maxTouchPoints = 0 }) {
  const at = `${lat},${lon}`;
  if (/Android/.test(userAgent)) {
    // Parentheses end the label.
    const label = (name ?? "").replace(/[()]/g, " ").trim();
    return `geo:${at}?q=${at}${label && `(${encodeURIComponent(label)})`}`;
  }
  // An iPad says that it is a Mac.
  const isIpad = /Macintosh/.test(userAgent) && maxTouchPoints > 1;
  if (isIpad || /iPhone|iPad|iPod/.test(userAgent)) {
    return `https://maps.apple.com/?daddr=${encodeURIComponent(at)}&dirflg=d`;
  }
  return `https://www.openstreetmap.org/directions?to=${encodeURIComponent(at)}`;
}

/** Return the metres between two places, along a great circle. */
export function distance(from, to) {
  const radians = (degrees) => (degrees * Math.PI) / 180;
  const latitude = radians(to.lat - from.lat) / 2;
  const longitude = radians(to.lon - from.lon) / 2;
  const a =
    Math.sin(latitude) ** 2 +
    Math.cos(radians(from.lat)) * Math.cos(radians(to.lat)) * Math.sin(longitude) ** 2;
  return 2 * EARTH_RADIUS * Math.asin(Math.min(1, Math.sqrt(a)));
}
