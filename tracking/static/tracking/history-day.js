/** A driver's day in the history: its fixes by time, and the clock of its time zone. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const E6 = 1_000_000;
// Between the labels of a timeline.
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
];
// hours, minutes, seconds, and the offset from UTC of a time that the day has twice
const MOMENT = /^(\d{1,2}):(\d{2})(?::(\d{2}))?(?:([+-])(\d{2}):(\d{2}))?$/;

/**
 * The clock of the day's time zone. All times are milliseconds from the start of the day, which
 * has 23 or 25 hours when the clocks change.
 */
export class Clock {
  /**
   * @param {number} start of the day, since the epoch
   * @param {number} length of the day
   * @param {[number, number][]} offsets times from which an offset from UTC holds, and the offsets
   */
  constructor(start, length, offsets) {
    Object.assign(this, { start, length, offsets });
  }

  /** Return a time as "18:42:10". */
  text(at) {
    const seconds = Math.floor(this.#local(at) / SECOND);
    const parts = [seconds / 3600, (seconds / 60) % 60, seconds % 60];
    return parts.map((part) => String(Math.floor(part)).padStart(2, "0")).join(":");
  }

  /** Return a time as "18:42". */
  shortText(at) {
    return this.text(at).slice(0, 5);
  }

  /** Return a time for the URL: "18:42:10", or "02:30:00+02:00" if it is the second such time. */
  moment(at) {
    const text = this.text(at);
    const isFirst = this.at(text) === Math.floor(at / SECOND) * SECOND;
    return isFirst ? text : `${text}${this.offsetText(at)}`;
  }

  /** Return true if the day has this time of the clock twice. */
  isAmbiguous(at) {
    return this.#candidates(this.#local(at)).length > 1;
  }

  /** Return the offset from UTC as "+02:00". */
  offsetText(at) {
    const minutes = Math.round(this.#offset(at) / MINUTE);
    const size = Math.abs(minutes);
    const digits = [size / 60, size % 60].map((part) => String(Math.floor(part)).padStart(2, "0"));
    return `${minutes < 0 ? "-" : "+"}${digits.join(":")}`;
  }

  /**
   * Return the time of a text such as "18:42", "1842" or "18.42.10", null if it is none. Of two equal times it is the
   * first, unless the offset says otherwise. A time that the clocks skip is that of their change.
   * @param {string} text @returns {number | null}
   */
  at(text) {
    const match = MOMENT.exec(withColons(text));
    if (!match) return null;
    const [hours, minutes, seconds] = match.slice(1, 4).map((part) => Number(part ?? 0));
    if (hours > 23 || minutes > 59 || seconds > 59) return null;
    const local = hours * HOUR + minutes * MINUTE + seconds * SECOND;
    const found = this.#candidates(local);
    const wanted = match[4] && text.trim().slice(-6);
    return found.find((at) => this.offsetText(at) === wanted) ?? found[0] ?? this.#change();
  }

  /** Return the full hours that are a multiple of `step`, as pairs of the time and the text. */
  hours(step) {
    const found = [];
    for (let hour = 0; hour < 24; hour += step) {
      const text = `${String(hour).padStart(2, "0")}:00`;
      const [at] = this.#candidates(hour * HOUR);
      if (at !== undefined) found.push([at, text]);
    }
    return found;
  }

  /**
   * Return at most `count` round times of the window, as pairs of the time and the text. An hour
   * that the clocks repeat is there once.
   */
  ticks(count) {
    const step = STEPS.find((length) => this.length / length <= count) ?? DAY;
    const found = [];
    this.offsets.forEach(([from, offset], i) => {
      const until = this.offsets[i + 1]?.[0] ?? this.length;
      const first = modulo(-(this.start + from + offset), step) + from;
      for (let at = first; at < until; at += step) {
        const text = this.shortText(at);
        if (found[found.length - 1]?.[1] !== text) found.push([at, text]);
      }
    });
    return found;
  }

  /** Return true if the window has more than one date. */
  get crossesMidnight() {
    return this.#local(0) + this.length > DAY + 2 * HOUR || this.#local(this.length - 1) < this.#local(0);
  }

  /** Return the times of this day at which the clock shows `local`, in milliseconds from 00:00. */
  #candidates(local) {
    const found = [];
    this.offsets.forEach(([from, offset], i) => {
      const until = this.offsets[i + 1]?.[0] ?? this.length;
      let at = modulo(local - offset - this.start, DAY);
      for (; at < until; at += DAY) if (at >= from) found.push(at);
    });
    return found;
  }

  /** Return when the clocks are set forward, else the start of the day. */
  #change() {
    const change = this.offsets.find(([, offset], i) => i > 0 && offset > this.offsets[i - 1][1]);
    return change?.[0] ?? 0;
  }

  #local(at) {
    return modulo(this.start + at + this.#offset(at), DAY);
  }

  #offset(at) {
    let offset = this.offsets[0][1];
    for (const [from, value] of this.offsets) if (from <= at) offset = value;
    return offset;
  }
}

/** The fixes of a day, in order, with its stops and gaps. */
export class Day {
  /** @param {any} data as `tracking.admin.day.as_json` returns it */
  constructor({ start, length, offsets, fixes, flagged, stops, gaps }) {
    this.length = length;
    this.clock = new Clock(start, length, offsets);
    this.fixes = decode(fixes);
    this.flagged = decode(flagged).map((fix, i) => ({ ...fix, flags: flagged.flags[i] }));
    this.stops = stops.map(([since, until, latitude, longitude]) => ({
      ...{ since, until, latitude, longitude },
    }));
    this.gaps = gaps.map(([since, until]) => ({ since, until }));
  }

  /**
   * Return the time of a text, null if it is none. A text names whole seconds, so it means the stop
   * or the fix that is in its second, if any.
   * @param {string} text @returns {number | null}
   */
  at(text) {
    const second = this.clock.at(text);
    if (second === null) return null;
    const times = [...this.stops.map(({ since }) => since), this.fixes[this.after(second - 1)]?.at];
    return times.find((at) => at >= second && at < second + SECOND) ?? second;
  }

  /** Return the index of the fix nearest to a time; -1 without fixes. */
  nearest(at) {
    const after = this.after(at);
    const before = after - 1;
    if (after === this.fixes.length) return before;
    if (before < 0) return after;
    return at - this.fixes[before].at <= this.fixes[after].at - at ? before : after;
  }

  /** Return the index of the first fix later than a time. */
  after(at) {
    let low = 0;
    let high = this.fixes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.fixes[middle].at <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Return the number of the stop that a time is in, from 0; -1 outside of stops. */
  stopAt(at) {
    return this.stops.findIndex(({ since, until }) => since <= at && at <= until);
  }

  /** Return the gap that a time is in, both ends apart; undefined outside of gaps. */
  gapAt(at) {
    return this.gaps.find(({ since, until }) => since < at && at < until);
  }

  /**
   * Return where to draw the car at a time: between two fixes if `isSmooth` and the way is known,
   * else at the last fix; with that fix, in a gap the last one before.
   */
  placeAt(at, isSmooth) {
    const after = Math.max(1, this.after(at));
    const fix = this.fixes[after - 1];
    const next = this.fixes[after];
    const isKnown = next && at > fix.at && !this.gapAt(at);
    const share = isSmooth && isKnown ? (at - fix.at) / (next.at - fix.at) : 0;
    const between = (name) => (share ? fix[name] + (next[name] - fix[name]) * share : fix[name]);
    return { fix, latitude: between("latitude"), longitude: between("longitude") };
  }

  /** Return the bars of the timeline: kind, start and end, in the order in which they are drawn. */
  bars() {
    const { fixes, stops, gaps } = this;
    if (!fixes.length) return [];
    return [
      { kind: "drive", since: fixes[0].at, until: fixes[fixes.length - 1].at },
      ...stops.map(({ since, until }) => ({ kind: "stop", since, until })),
      ...gaps.flatMap(({ since, until }) => ["none", "gap"].map((kind) => ({ kind, since, until }))),
    ];
  }

  /** Return the fixes in parts that end at gaps. */
  parts() {
    const parts = [];
    let first = 0;
    for (const { since } of this.gaps) {
      const end = this.after(since);
      if (end > first) parts.push(this.fixes.slice(first, end));
      first = Math.max(first, end);
    }
    if (first < this.fixes.length) parts.push(this.fixes.slice(first));
    return parts;
  }
}

/**
 * Return fixes from columns. A longitude may be beyond 180, so that a track across the
 * antimeridian is one line.
 * @param {Record<string, any[]>} columns
 */
function decode(columns) {
  const known = ["accuracy", "heading", "speed", "battery", "charging"];
  let [at, latitude, longitude] = [0, 0, 0];
  return columns.time.map((time, i) => {
    at += time;
    latitude += columns.latitude[i];
    const east = columns.longitude[i];
    longitude += i && Math.abs(east) > 180 * E6 ? east - Math.sign(east) * 360 * E6 : east;
    const values = Object.fromEntries(known.map((name) => [name, columns[name][i] ?? null]));
    return { at, latitude: latitude / E6, longitude: longitude / E6, ...values };
  });
}

/** Return a longitude between -180 and 180. */
export function wrapped(longitude) {
  return modulo(longitude + 180, 360) - 180;
}

/** Return a time as typed, on a keyboard without a colon too, with colons. */
function withColons(text) {
  const typed = text.trim().replace(/[.\s]/g, ":");
  return typed.replace(/^(\d{1,2})(\d{2})(\d{2})?$/, (_, ...parts) =>
    parts.slice(0, 3).filter(Boolean).join(":"),
  );
}

function modulo(value, length) {
  return ((value % length) + length) % length;
}
