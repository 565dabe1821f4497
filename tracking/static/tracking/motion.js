/**
 * Where a car is drawn between two fixes. Degrees WGS 84, headings clockwise from north, times in
 * milliseconds of one clock that the caller chooses.
 */

// Farther or later than this, the way between is anybody's guess: the car jumps.
const LARGEST_GAP = 500; // metres
const LONGEST_GAP = 30_000;
// Standing cars wander by a few metres; that is no direction.
const LEAST_MOVEMENT = 4; // metres
const LONGEST_GLIDE = 6_000;
const TURN = 400;
const METRES_PER_DEGREE = 111_195;

/** Metres between two places a few kilometres apart. */
export function distance(a, b) {
  const [east, north] = offset(a, b);
  return Math.hypot(east, north);
}

/** Degrees clockwise from north, from one place to another nearby. */
export function bearing(a, b) {
  const [east, north] = offset(a, b);
  return ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360;
}

/** From one heading towards another by the shorter way round. */
export function turn(from, to, share) {
  return (from + arc(from, to) * share + 360) % 360;
}

/** Degrees from one angle to another by the shorter way round: from -180 to below 180. */
function arc(from, to) {
  return ((((to - from) % 360) + 540) % 360) - 180;
}

export class Motion {
  /** Where the car was before the newest fix, and the newest. */
  #from = null;
  #to = null;
  #startedAt = 0;
  #glide = 0;
  #turningFrom = null;

  /** Without `smooth`, every fix is a jump; it may change at any time. */
  constructor({ smooth = true } = {}) {
    this.smooth = smooth;
  }

  /** Take a fix; return whether the car jumps there, so that no line leads to it. */
  push({ latitude, longitude, heading = null }, now) {
    const to = { latitude, longitude, heading };
    // The way over the antimeridian goes on beyond 180 degrees, and not around the world.
    if (this.#to) to.longitude = this.#to.longitude + arc(this.#to.longitude, longitude);
    const since = now - this.#startedAt;
    const shown = this.at(now);
    const metres = shown ? distance(this.#to, to) : 0;
    const jumps = !shown || metres > LARGEST_GAP || since > LONGEST_GAP;
    to.heading ??= shown && metres >= LEAST_MOVEMENT && !jumps ? bearing(this.#to, to) : null;
    to.heading ??= this.#to?.heading ?? null;
    this.#from = jumps || !this.smooth ? to : shown;
    this.#turningFrom = jumps || !this.smooth ? to.heading : (shown.heading ?? to.heading);
    // As long as the last one took to come: then it arrives just when the next one is due.
    this.#glide = Math.min(since, LONGEST_GLIDE);
    this.#to = to;
    this.#startedAt = now;
    return jumps;
  }

  /**
   * Where to draw the car, and whether it is still under way; null before the first fix. The
   * longitude has no jump at the antimeridian: it may leave the range from -180 to 180.
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
