/** The fleet at past moments over HTTP: few requests, each moment once, the next one ahead. */

const GRID = 10_000; // ms; moments are multiples of it
const REAL_STEP = 2_000; // ms between two moments that are played: 30 requests a minute, of 60
const MAX_KEPT = 120; // moments; 10,000 drivers are 1 MB each

/** Return the milliseconds of the day from one moment to the next that is played. */
export function stepOf(speed) {
  return Math.max(GRID, speed * REAL_STEP);
}

/** The fleet could not be loaded; `status` is that of HTTP, 0 without an answer. */
export class PastError extends Error {
  constructor(status, retryAfter) {
    super(`the fleet was answered with ${status}`);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

export class Past {
  #kept = new Map();

  /** @param {string} url of `/fleet/at/` @param {typeof fetch} [get] */
  constructor(url, get = (...request) => fetch(...request)) {
    this.url = url;
    this.get = get;
  }

  /** Return the moment of the grid at a time or before it. */
  static moment(at) {
    return Math.floor(at / GRID) * GRID;
  }

  /** Return what is known already of a moment, undefined if nothing is. */
  known(moment) {
    return this.#kept.get(moment)?.drivers;
  }

  /** Return the drivers at a moment. A request that failed is forgotten, and may be repeated. */
  at(moment) {
    let entry = this.#kept.get(moment);
    if (!entry) {
      entry = { drivers: undefined, promise: this.#load(moment) };
      const added = entry;
      entry.promise.then(
        (drivers) => (added.drivers = drivers),
        () => this.#kept.get(moment) === added && this.#kept.delete(moment),
      );
    }
    // The one that was asked for last is dropped last.
    this.#kept.delete(moment);
    this.#kept.set(moment, entry);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
    return entry.promise;
  }

  async #load(moment) {
    const time = encodeURIComponent(new Date(moment).toISOString());
    const answer = await this.get(`${this.url}?time=${time}`, { credentials: "same-origin" }).catch(() => null);
    if (!answer?.ok) throw new PastError(answer?.status ?? 0, Number(answer?.headers.get("Retry-After")) || 0);
    return (await answer.json()).results.map(({ userId, location_lat, location_lon, ...more }) => ({
      id: userId,
      latitude: Number(location_lat),
      longitude: Number(location_lon),
      at: Date.parse(more.recorded_at),
      status: more.status,
      heading: more.heading ?? null,
      speed: more.speed ?? null,
      accuracy: more.accuracy ?? null,
    }));
  }
}
