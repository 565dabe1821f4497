/** The way ahead of a car on its route. No map. */

const METRES_PER_DEGREE = 111_195;
// A car further from the line is elsewhere: a new route will come, and the line stays as it is.
const BESIDE = 60; // metres
// How far ahead the car is looked for, so that it does not skip a loop or the other direction of
// the same street. A car drives 30 m/s, and fixes are some seconds apart.
const AHEAD = 600; // metres

export class RouteLine {
  /** @param {[number, number][]} places latitude and longitude in degrees */
  constructor(places) {
    let before = places[0]?.[1] ?? 0;
    /** Without jumps at the antimeridian. @type {[number, number][]} */
    this.places = places.map(([lat, lon]) => {
      before = lon + 360 * Math.round((before - lon) / 360);
      return [lat, before];
    });
    this.next = 1; // the number of the next place
    this.found = false; // where the car is: before, it may be anywhere on a line from minutes ago
    this.at = this.places[0];
  }

  /** Return the way that is left: where the car is on the line, and the places after that. */
  get ahead() {
    return this.at ? [this.at, ...this.places.slice(this.next)] : [];
  }

  /**
   * Note where the car is; return whether it is further on the line than before.
   * @param {[number, number]} place its longitude may be that of another copy of the world
   */
  pass([latitude, longitude]) {
    if (this.places.length < 2) return false;
    const [first] = this.places;
    const east = longitude + 360 * Math.round((first[1] - longitude) / 360);
    const scale = METRES_PER_DEGREE * Math.cos((latitude * Math.PI) / 180);
    /** @returns {[number, number]} */
    const flat = ([lat, lon]) => [(lon - east) * scale, (lat - latitude) * METRES_PER_DEGREE];
    let best = { metres: BESIDE, next: 0, share: 0, from: this.at };
    let way = 0;
    let from = this.at;
    for (let next = this.next; next < this.places.length; next += 1) {
      if (way >= AHEAD && (this.found || best.next)) break;
      const to = this.places[next];
      const [a, b] = [flat(from), flat(to)];
      const [x, y] = [b[0] - a[0], b[1] - a[1]];
      const square = x * x + y * y;
      const share = square ? Math.min(1, Math.max(0, -(a[0] * x + a[1] * y) / square)) : 0;
      const metres = Math.hypot(a[0] + share * x, a[1] + share * y);
      if (metres < best.metres) best = { metres, next, share, from };
      way += Math.sqrt(square);
      from = to;
    }
    if (!best.next) return false;
    this.found = true;
    if (best.next === this.next && !best.share) return false;
    const to = this.places[best.next];
    this.at = [0, 1].map((i) => best.from[i] + (to[i] - best.from[i]) * best.share);
    this.next = best.share < 1 ? best.next : best.next + 1;
    return true;
  }
}
