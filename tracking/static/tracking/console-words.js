/** The console's phrases and orders: functions of the server's answers, without the page. */

const MINUTE = 60_000;

/** Return a duration in minutes or hours: "4 min", "2 hr 5 min". @param {any} words */
export function duration(words, milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / MINUTE));
  if (minutes < 1) return words.say("under_a_minute");
  return words.duration(minutes * MINUTE);
}

/** Return in how many minutes a car would arrive, rounded up, as riders count them. */
export function arrival(words, { seconds, confidence }) {
  const minutes = Math.max(1, Math.ceil(seconds / 60));
  if (minutes >= 60) return duration(words, minutes * MINUTE);
  if (confidence === "low") return words.say("minutes_about", { count: words.number(minutes) });
  return duration(words, minutes * MINUTE);
}

/** Return a driver's name, or "Driver 19". */
export function nameOf(words, { userId, name }) {
  return name || words.say("driver", { id: userId });
}

/** Return a trip's reference, or "Trip 7". */
export function titleOf(words, { id, reference }) {
  return reference || words.say("trip", { id });
}

/** Return the text of a trip's status. A new trip that has a driver is assigned. */
export function progress(words, { status }, hasDriver) {
  return words.say(status === "new" && hasDriver ? "trip_assigned" : `trip_${status}`);
}

/** Return how long a driver is in its state: "Free for 12 min". */
export function stateSince(words, { state, since }, now) {
  if (!state) return words.say("state_none");
  if (!since) return words.say(`state_${state}`);
  return words.say(`state_${state}_for`, { duration: duration(words, now - Date.parse(since)) });
}

/**
 * Return open trips in the order in which a dispatcher wants them: those without a driver first,
 * and of each kind those that wait longest.
 * @param {any[]} trips
 */
export function inOrder(trips) {
  const waits = ({ driver }) => (driver ? 1 : 0);
  return [...trips].sort(
    (one, other) =>
      waits(one) - waits(other) ||
      Date.parse(one.created_at) - Date.parse(other.created_at) ||
      one.id - other.id,
  );
}

/**
 * Update a row of the list by a location of the stream. Return true if it looks different now.
 * @param {any} row @param {any} location @param {string} now in RFC 3339
 */
export function patch(row, { status, state, trip, name, recordedAt, latitude, longitude }, now) {
  row.latitude = latitude;
  row.longitude = longitude;
  if (recordedAt) row.recorded_at = new Date(recordedAt).toISOString();
  let changed = false;
  if (name && name !== row.name) {
    row.name = name;
    changed = true;
  }
  if (status && status !== row.status) {
    row.status = status;
    changed = true;
  }
  if (state !== undefined && state !== row.state) {
    row.state = state;
    row.since = now;
    changed = true;
  }
  if (trip !== undefined && trip !== (row.trip?.id ?? null)) {
    row.trip = trip === null ? null : { id: trip, reference: "", status: null };
    changed = true;
  }
  return changed;
}

/** Return the place of a trip's pickup, or null. */
export function pickupOf({ waypoints }) {
  const found = (waypoints ?? []).find(({ kind }) => kind === "pickup") ?? waypoints?.[0];
  const latitude = Number(found?.lat);
  const longitude = Number(found?.lon);
  return found && Number.isFinite(latitude) && Number.isFinite(longitude)
    ? { latitude, longitude, name: found.name ?? "" }
    : null;
}

/** Return a row's place as numbers, or null. */
export function placeOf({ latitude, longitude, location_lat: lat, location_lon: lon }) {
  const place = { latitude: Number(latitude ?? lat ?? NaN), longitude: Number(longitude ?? lon ?? NaN) };
  return Number.isFinite(place.latitude) && Number.isFinite(place.longitude) ? place : null;
}

/** Return the text of an entry of a driver's timeline. */
export function happened(words, { kind, state, status, step, waypoint, name, zone, alert }) {
  if (kind === "state") return words.say(`state_${state}`);
  if (kind === "trip") return progress(words, { status }, true);
  if (kind === "alert") return words.say(`${step}_${alert}`) || words.say(`alert_${alert}`);
  if (kind === "zone") return words.say(`zone_${step}`, { zone: zone?.name ?? "" });
  const place = name || words.say(`place_${waypoint}`);
  return words.say(`waypoint_${step}`, { place });
}
