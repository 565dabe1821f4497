/** The track of a day or of a trip over HTTP, page by page, as the data of a `Day`. */

const FLAGS = ["jump", "mock", "inaccurate"]; // by their bits
const GAP = 60_000; // ms, as in tracking.history.summary
const E6 = 1_000_000;
const MAX_FLAGGED = 1_000;
// Fixes decoded at once: about 5 ms, so that the page stays fluid.
const AT_ONCE = 4_000;
const COLUMNS = ["accuracy", "heading", "speed", "battery", "charging"];

/** The track could not be loaded; `status` is that of HTTP, 0 without an answer. */
export class LoadError extends Error {
  constructor(status) {
    super(`the track was answered with ${status}`);
    this.status = status;
  }
}

/**
 * Return the data of a `Day`.
 * @param {string} url of the track endpoint
 * @param {{ start: number, length: number, offsets: [number, number][], isWhole?: boolean, purpose?: string }} window
 *   `isWhole`: all that the endpoint has, without `from` and `to`; `purpose` is for the audit trail
 * @param {(fixes: number) => void} [onProgress] called with the number of fixes so far
 */
export async function loadTrack(url, { start, length, offsets, isWhole, purpose }, onProgress = () => {}) {
  const address = new URL(url, location.href);
  if (!isWhole) {
    address.searchParams.set("from", new Date(start).toISOString());
    address.searchParams.set("to", new Date(start + length).toISOString());
  }
  address.searchParams.set("with", "phone"); // the battery
  if (purpose) address.searchParams.set("purpose", purpose);
  const track = new Track(start);
  // A page has at most 50,000 fixes.
  for (let next = address.href; next; ) {
    const response = await get(next);
    const feature = await response.json();
    for (const _ of track.add(feature)) await pause();
    onProgress(track.count);
    next = feature.properties.next && sameOrigin(feature.properties.next);
  }
  return { start, length, offsets, ...track.finish() };
}

async function get(url) {
  const answer = await fetch(url, { credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok) throw new LoadError(answer?.status ?? 0);
  return answer;
}

/** Return a URL with this page's origin, which a proxy may hide from the server. */
function sameOrigin(url) {
  const { pathname, search } = new URL(url, location.href);
  return new URL(pathname + search, location.href).href;
}

function pause() {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Pages of GeoJSON as columns of fixes, with stops, gaps and the distance. */
export class Track {
  constructor(start) {
    this.start = start;
    this.count = 0;
    this.distance = 0;
    this.stops = [];
    this.gaps = [];
    this.fixes = emptyColumns();
    this.flagged = { ...emptyColumns(), flags: [] };
    this.flaggedCount = 0;
    this.breaks = [];
    this.last = null;
  }

  /** Add a page, in steps: yields now and then, so that the caller may let the page live. */
  *add({ geometry, properties }) {
    const { datetimes } = properties;
    const since = (text) => Date.parse(text) - this.start;
    this.distance += properties.distance;
    for (const { from, to, lat, lon } of properties.stops) this.#addStop(since(from), since(to), lat, lon);
    // The way from one driver of a trip to the next is unknown.
    for (const { from } of properties.drivers ?? []) this.breaks.push(since(from));
    let nextBreak = 0;
    const breaks = this.breaks.sort((a, b) => a - b);
    for (let i = 0; i < datetimes.length; i += 1) {
      if (i && i % AT_ONCE === 0) yield;
      const at = since(datetimes[i]);
      const [longitude, latitude] = geometry.coordinates[i];
      const names = properties.flags[i];
      const isFlagged = names.length > 0;
      this.count += 1;
      if (isFlagged) this.flaggedCount += 1;
      if (isFlagged && this.flagged.time.length >= MAX_FLAGGED) continue;
      const columns = isFlagged ? this.flagged : this.fixes;
      columns.time.push(at);
      columns.latitude.push(Math.round(latitude * E6));
      columns.longitude.push(Math.round(longitude * E6));
      const speed = properties.speed[i];
      const charging = properties.charging?.[i];
      columns.accuracy.push(rounded(properties.accuracy[i]));
      columns.heading.push(rounded(properties.heading[i]));
      columns.speed.push(rounded(speed === null ? null : speed * 3.6));
      columns.battery.push(properties.battery?.[i] ?? null);
      columns.charging.push(charging === null || charging === undefined ? null : Number(charging));
      if (isFlagged) {
        this.flagged.flags.push(names.reduce((bits, name) => bits | (1 << FLAGS.indexOf(name)), 0));
        continue;
      }
      while (nextBreak < breaks.length && breaks[nextBreak] <= (this.last ?? -Infinity)) nextBreak += 1;
      const isBroken = nextBreak < breaks.length && breaks[nextBreak] <= at;
      if (this.last !== null && (at - this.last > GAP || isBroken)) this.gaps.push([this.last, at]);
      this.last = at;
    }
  }

  finish() {
    const { fixes, flagged, stops, gaps, distance, count, flaggedCount } = this;
    // Only implausible fixes are better than none.
    const shown = fixes.time.length ? fixes : flagged;
    return {
      fixes: differences(shown),
      flagged: { ...differences(flagged), flags: flagged.flags },
      ...{ stops, gaps, distance, count, flaggedCount },
    };
  }

  /** A stop that goes on over the border of two pages is one. */
  #addStop(since, until, latitude, longitude) {
    const before = this.stops[this.stops.length - 1];
    const isSame =
      before &&
      since - before[1] <= GAP &&
      Math.abs(latitude - before[2]) < 0.0005 &&
      Math.abs(longitude - before[3]) < 0.0005;
    if (isSame) before[1] = until;
    else this.stops.push([since, until, latitude, longitude]);
  }
}

function emptyColumns() {
  const names = ["time", "latitude", "longitude", ...COLUMNS];
  return Object.fromEntries(names.map((name) => [name, /** @type {any[]} */ ([])]));
}

function rounded(value) {
  return value === null || value === undefined ? null : Math.round(value);
}

/** Return columns in which times and degrees are differences, as the admin's page has them. */
function differences(columns) {
  const between = (values) => values.map((value, i) => (i ? value - values[i - 1] : value));
  return {
    ...columns,
    ...{ time: between(columns.time), latitude: between(columns.latitude) },
    longitude: between(columns.longitude),
  };
}
