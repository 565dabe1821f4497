/** Lateness: the driver comes later than the rider was told. Times are milliseconds of one clock. */

const MINUTE = 60_000;
const LATE = 5 * MINUTE; // later than promised, by the newest estimate
const OVERDUE = MINUTE; // after the promised time, while the driver is still on the way
const IN_TIME = 2 * MINUTE; // less is not late any more

export class Lateness {
  #leg = "";
  #promised = null;
  #isSure = false;
  #isLate = false;

  /**
   * Take over an estimate of the arrival, null if there is none. The earliest one of a leg is the
   * promise; a sure one replaces an unsure one.
   * @param {string} leg changes with the driver and the next place
   * @param {number | null} arrivesAt
   * @param {boolean} isSure
   */
  push(leg, arrivesAt, isSure) {
    if (leg !== this.#leg) {
      this.#leg = leg;
      this.#promised = null;
      this.#isSure = this.#isLate = false;
    }
    if (arrivesAt === null) return;
    const isBetter = isSure === this.#isSure ? arrivesAt < this.#promised : isSure;
    if (this.#promised === null || (isBetter && !this.#isLate)) {
      this.#promised = arrivesAt;
      this.#isSure = isSure;
    }
  }

  /** Return whether the newest estimate is late. @param {number | null} arrivesAt */
  isLate(arrivesAt, now) {
    if (arrivesAt === null || this.#promised === null) return (this.#isLate = false);
    const delay = arrivesAt - this.#promised;
    const isOverdue = now - this.#promised > OVERDUE && arrivesAt - now > OVERDUE;
    this.#isLate = delay > LATE || isOverdue || (this.#isLate && delay > IN_TIME);
    return this.#isLate;
  }
}
