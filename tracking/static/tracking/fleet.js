/**
 * The drivers of the fleet map, stored in columns, because each frame iterates over all of them,
 * ten thousand or more. Places are in the world's square of Web Mercator, from 0 to 1; times are
 * `performance.now()`.
 */

export const STATUSES = ["offline", "stale", "live"]; // in the order of drawing
export const NO_HEADING = -1;
// With these, a driver can be given no trip.
const BUSY = new Set(["reserved", "on_trip"]);

const MAX_GAP = 2e-5; // of the world: 800 m at the equator
const MIN_MOVEMENT = 1e-7; // 4 m
const LONGEST_GLIDE = 6_000;

export class Fleet {
  size = 0;
  /** The time when the last gliding driver arrives. */
  movingUntil = 0;
  /** The freshest status that any driver may be drawn with, as an index of STATUSES. */
  bestStatus = STATUSES.length - 1;

  /** Tells whether a driver is looked for: others are faint. Null if all are. @type {Function | null} */
  #wanted = null;
  #rows = new Map();
  /** The drivers from before the newest snapshot, without a location since. */
  #unconfirmed = new Set();

  /**
   * @param {{ mercator: Function, smooth: boolean }} options
   * without `smooth`, drivers jump to new locations; it may be changed at any time
   */
  constructor({ mercator, smooth }) {
    this.mercator = mercator;
    this.smooth = smooth;
    this.#allocate(1024);
  }

  /**
   * Start a new snapshot with all of it, or with its first part. Other drivers in view stay until
   * `settle`, because the rest of the snapshot may follow.
   * @param {any[]} locations @param {(location: any) => boolean} isInView
   */
  replace(locations, now, isInView) {
    this.remove(this.locations.filter((row) => !isInView(row)).map(({ userId }) => userId));
    this.#unconfirmed = new Set(this.#rows.keys());
    this.update(locations, now);
  }

  /** End the snapshot: remove the drivers that came neither with it nor since. */
  settle() {
    this.remove([...this.#unconfirmed]);
  }

  /** @param {any[]} locations */
  update(locations, now) {
    for (const location of locations) {
      this.#unconfirmed.delete(location.userId);
      this.#put(location, now);
    }
  }

  /** @param {(number | string)[]} ids */
  remove(ids) {
    for (const id of ids) {
      this.#unconfirmed.delete(id);
      const row = this.#rows.get(id);
      if (row === undefined) continue;
      this.#rows.delete(id);
      this.size -= 1;
      // Move the last driver to the free row.
      if (row === this.size) continue;
      for (const column of this.columns) column[row] = column[this.size];
      this.locations[row] = this.locations[this.size];
      this.#rows.set(this.locations[row].userId, row);
    }
    this.locations.length = this.size;
  }

  /**
   * Mark the drivers that a filter does not want, now and when they change.
   * @param {((location: any) => boolean) | null} wanted null: all are wanted
   */
  filter(wanted) {
    this.#wanted = wanted;
    for (let row = 0; row < this.size; row += 1) this.#mark(row);
  }

  #mark(row) {
    this.faint[row] = Number(this.#wanted !== null && !this.#wanted(this.locations[row]));
  }

  /** Return the driver's row, or undefined. */
  row(id) {
    return this.#rows.get(id);
  }

  /** Return whether any driver is reserved or on a trip. */
  hasBusy() {
    return this.busy.subarray(0, this.size).includes(1);
  }

  /** Return a driver's progress from the last fix to the newest: 0 to 1. */
  progress(row, now) {
    const elapsed = now - this.startedAt[row];
    return !this.smooth || elapsed >= this.glide[row] ? 1 : elapsed / this.glide[row];
  }

  /** Return where to draw a driver now. It may be just outside the square, at the antimeridian. */
  at(row, now) {
    const share = this.progress(row, now);
    return [
      this.fromX[row] + (this.x[row] - this.fromX[row]) * share,
      this.fromY[row] + (this.y[row] - this.fromY[row]) * share,
    ];
  }

  /**
   * Return the driver nearest to a place, or null if none is within `reach`; a faint one only if
   * there is no other. Iterating over ten
   * thousand drivers takes some 50 µs, less than maintaining an index of moving drivers.
   */
  nearest(x, y, reach, now) {
    let best = null;
    let isFaint = true;
    let least = reach * reach;
    for (let row = 0; row < this.size; row += 1) {
      const [atX, atY] = this.at(row, now);
      const off = shortest(atX - x) ** 2 + (atY - y) ** 2;
      if (off > reach * reach || (this.faint[row] && !isFaint)) continue;
      if (off > least && Boolean(this.faint[row]) === isFaint) continue;
      isFaint = Boolean(this.faint[row]);
      least = off;
      best = this.locations[row];
    }
    return best;
  }

  #put(location, now) {
    const [x, y] = this.mercator(location.longitude, location.latitude);
    const status = Math.max(0, STATUSES.indexOf(location.status ?? "live"));
    let row = this.#rows.get(location.userId);
    if (row === undefined) {
      row = this.size;
      if (row === this.x.length) this.#allocate(2 * row);
      this.size += 1;
      this.#rows.set(location.userId, row);
      this.fromX[row] = x;
      this.fromY[row] = y;
      this.glide[row] = 0;
      this.heading[row] = location.heading ?? NO_HEADING;
    } else if (this.#isRepeat(row, location)) {
      // A snapshot repeats known fixes: gliding drivers continue at the same speed.
      this.status[row] = status;
      this.busy[row] = Number(BUSY.has(location.state));
      this.locations[row] = { ...location, name: location.name ?? this.locations[row].name };
      this.#mark(row);
      return;
    } else {
      this.#glide(row, x, y, now);
      const [east, south] = [shortest(x - this.x[row]), y - this.y[row]];
      if (location.heading !== null) this.heading[row] = location.heading;
      else if (Math.hypot(east, south) > MIN_MOVEMENT) {
        this.heading[row] = ((Math.atan2(east, -south) * 180) / Math.PI + 360) % 360;
      }
    }
    this.x[row] = x;
    this.y[row] = y;
    this.startedAt[row] = now;
    this.status[row] = status;
    this.busy[row] = Number(BUSY.has(location.state));
    // The server omits names that it has already sent.
    this.locations[row] = { ...location, name: location.name ?? this.locations[row]?.name ?? null };
    this.#mark(row);
  }

  #isRepeat(row, { receivedAt, latitude, longitude }) {
    const known = this.locations[row];
    return (
      receivedAt !== null &&
      receivedAt === known.receivedAt &&
      latitude === known.latitude &&
      longitude === known.longitude
    );
  }

  #glide(row, x, y, now) {
    const east = x - this.x[row];
    const far = Math.abs(shortest(east)) + Math.abs(y - this.y[row]) > MAX_GAP;
    if (far || !this.smooth) {
      this.glide[row] = 0;
      return;
    }
    const [fromX, fromY] = this.at(row, now);
    // Across the antimeridian, glide from the copy of the world in which the old place is near.
    this.fromX[row] = fromX + Math.round(east);
    this.fromY[row] = fromY;
    this.glide[row] = Math.min(now - this.startedAt[row], LONGEST_GLIDE);
    this.movingUntil = Math.max(this.movingUntil, now + this.glide[row]);
  }

  #allocate(capacity) {
    for (const name of ["x", "y", "fromX", "fromY", "startedAt", "glide", "heading"]) {
      this[name] = grown(Float64Array, this[name], capacity);
    }
    this.status = grown(Uint8Array, this.status, capacity);
    this.busy = grown(Uint8Array, this.busy, capacity);
    this.faint = grown(Uint8Array, this.faint, capacity);
    this.locations ??= [];
    const { x, y, fromX, fromY, startedAt, glide, heading, status, busy, faint } = this;
    this.columns = [x, y, fromX, fromY, startedAt, glide, heading, status, busy, faint];
  }
}

/** Return the distance east or west (negative) around the world by the shorter way. */
function shortest(east) {
  return east - Math.round(east);
}

/**
 * Return whether a place is in a bbox, as the protocol defines it: edges are included, and a bbox
 * whose east is less than its west crosses the antimeridian. Without a bbox, return true.
 * @param {[number, number, number, number] | null} bbox
 */
export function isInside(bbox, { latitude, longitude }) {
  if (!bbox) return true;
  const [west, south, east, north] = bbox;
  if (latitude < south || latitude > north) return false;
  return west <= east
    ? longitude >= west && longitude <= east
    : longitude >= west || longitude <= east;
}

function grown(Column, old, capacity) {
  const column = new Column(capacity);
  if (old) column.set(old);
  return column;
}
