/**
 * Interpolation of a car's place between two fixes. Degrees are WGS 84, headings clockwise from
 * north, times in milliseconds of one clock that the caller chooses.
 */

// Beyond either gap the way between is unknown, so the car jumps.
const MAX_DISTANCE = 500; // metres
const MAX_INTERVAL = 30_000; // ms
// The fixes of a standing car vary by a few metres, which is no direction.
const MIN_MOVEMENT = 4; // metres
const MAX_GLIDE = 6_000; // ms
const TURN = 400; // ms
const METRES_PER_DEGREE = 111_195;

/** Return the metres between two places a few kilometres apart. */
export function distance(a, b) {
  const [east, north] = offset(a, b);
  return Math.hypot(east, north);
}

/** Return the direction from one place to another nearby, in degrees clockwise from north. */
export function bearing(a, b) {
  const [east, north] = offset(a, b);
  return ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360;
}

/** Return the heading at a share of the shorter way round from one heading to another. */
export function turn(from, to, share) {
  return (from + arc(from, to) * share + 360) % 360;
}

/** Return the degrees from one angle to another by the shorter way: from -180 to below 180. */
function arc(from, to) {
  return ((((to - from) % 360) + 540) % 360) - 180;
}

export class Motion {
  /** The place where the car was drawn when the newest fix came, and the newest fix. */
  #from = null;
  #to = null;
  #startedAt = 0;
  #glide = 0;
  #turningFrom = null;

  /** Without `smooth`, the car jumps to every fix. `smooth` may be changed at any time. */
  constructor({ smooth = true } = {}) {
    this.smooth = smooth;
  }

  /** Add a fix; return whether the car jumps to it, so that the trail must end. */
  push({ latitude, longitude, heading = null }, now) {
    const to = { latitude, longitude, heading };
    // Across the antimeridian, the longitude continues beyond 180 instead of going around.
    if (this.#to) to.longitude = this.#to.longitude + arc(this.#to.longitude, longitude);
    const since = now - this.#startedAt;
    const shown = this.at(now);
    const metres = shown ? distance(this.#to, to) : 0;
    const jumps = !shown || metres > MAX_DISTANCE || since > MAX_INTERVAL;
    to.heading ??= shown && metres >= MIN_MOVEMENT && !jumps ? bearing(this.#to, to) : null;
    to.heading ??= this.#to?.heading ?? null;
    this.#from = jumps || !this.smooth ? to : shown;
    this.#turningFrom = jumps || !this.smooth ? to.heading : (shown.heading ?? to.heading);
    // Glide for as long as this fix took to come, to arrive just when the next one is due.
    this.#glide = Math.min(since, MAX_GLIDE);
    this.#to = to;
    this.#startedAt = now;
    return jumps;
  }

  /**
   * Return where to draw the car, and whether it still moves; null before the first fix. The
   * longitude does not jump at the antimeridian: it may be outside -180 to 180.
   */
  at(now) {
    if (!this.#to) return null;
    const elapsed = now - this.#startedAt;
    const share = !this.smooth || this.#from === this.#to ? 1 : Math.min(1, elapsed / (this.#glide || 1));
    const turned = this.smooth ? Math.min(1, elapsed / TURN) : 1;
    const between = (key) => this.#from[key] + (this.#to[key] - this.#from[key]) * share;
    return {
      latitude: between("latitude"),
      longitude: between("longitude"),
      heading:
        this.#to.heading === null ? null : turn(this.#turningFrom, this.#to.heading, turned),
      moving: share < 1 || (this.#turningFrom !== this.#to.heading && turned < 1),
    };
  }
}

function offset(a, b) {
  const shrink = Math.cos((a.latitude * Math.PI) / 180);
  return [
    arc(a.longitude, b.longitude) * METRES_PER_DEGREE * shrink,
    (b.latitude - a.latitude) * METRES_PER_DEGREE,
  ];
}
