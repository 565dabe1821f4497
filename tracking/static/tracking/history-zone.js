/** Days and offsets of time zones, by the browser's own database. Times are milliseconds since the epoch. */

const SECOND = 1000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const formats = new Map();

/** Return the name of the viewer's time zone, such as "Europe/Helsinki". */
export function ownZone() {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** Return the zone if the browser knows it, else the viewer's own. */
export function knownZone(zone) {
  try {
    return zone && new Intl.DateTimeFormat("en-US", { timeZone: zone }) ? zone : ownZone();
  } catch {
    return ownZone();
  }
}

/** Return a zone's offset from UTC at a time, in milliseconds. */
export function offsetAt(at, zone) {
  if (!formats.has(zone)) {
    const numeric = ["year", "month", "day", "hour", "minute", "second"];
    const options = Object.fromEntries(numeric.map((name) => [name, "numeric"]));
    // The calendar must be the one that Date.UTC takes.
    const format = new Intl.DateTimeFormat("en-US-u-ca-gregory-nu-latn", {
      ...options,
      timeZone: zone,
      hourCycle: "h23",
    });
    formats.set(zone, format);
  }
  const parts = formats.get(zone).formatToParts(at);
  const value = (type) => Number(parts.find((part) => part.type === type).value);
  const local = Date.UTC(
    ...[value("year"), value("month") - 1, value("day"), value("hour"), value("minute"), value("second")],
  );
  return local - Math.floor(at / SECOND) * SECOND;
}

/** Return the date of a time in a zone: "2026-03-29". */
export function dateAt(at, zone) {
  return new Date(at + offsetAt(at, zone)).toISOString().slice(0, 10);
}

/** Return a date some days later, or earlier. */
export function addDays(date, days) {
  return new Date(Date.parse(date) + days * DAY).toISOString().slice(0, 10);
}

/**
 * Return the start of a day and its length, which is 23 or 25 hours when the clocks change.
 * @param {string} date @param {string} zone @returns {[number, number]}
 */
export function dayOf(date, zone) {
  const start = midnight(date, zone);
  return [start, midnight(addDays(date, 1), zone) - start];
}

/** Return the first midnight of a date; if the clocks skip it, the moment of the change. */
function midnight(date, zone) {
  const local = Date.parse(date);
  const offsets = [offsetAt(local - DAY, zone), offsetAt(local + DAY, zone)];
  const found = offsets.map((offset) => local - offset).filter((at) => at + offsetAt(at, zone) === local);
  return found.length ? Math.min(...found) : local - Math.min(...offsets);
}

/**
 * Return the offset at the start of a window and each change of it, as `Clock` takes them.
 * @returns {[number, number][]}
 */
export function offsetsOf(start, length, zone) {
  const found = [[0, offsetAt(start, zone)]];
  let from = start;
  while (from < start + length) {
    const next = Math.min(from + HOUR, start + length);
    const offset = offsetAt(next, zone);
    if (offset !== found[found.length - 1][1]) {
      const change = changeBetween(from, next, zone);
      if (change < start + length) found.push([change - start, offset]);
    }
    from = next;
  }
  return /** @type {[number, number][]} */ (found);
}

/** Return the time at which the offset changes, to a second. */
function changeBetween(from, next, zone) {
  const before = offsetAt(from, zone);
  while (next - from > SECOND) {
    const middle = from + Math.floor((next - from) / 2);
    if (offsetAt(middle, zone) === before) from = middle;
    else next = middle;
  }
  return Math.floor(next / SECOND) * SECOND;
}
