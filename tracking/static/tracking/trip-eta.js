/** When the car arrives, in a rider's words. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
// Without news a minute after the expected arrival, nothing is known any more.
const OVERDUE = MINUTE;
// Screen readers are told when so many minutes are left, not each one.
const MILESTONES = [60, 30, 20, 15, 10, 5, 3, 2, 1];

export class Eta {
  #arrivesAt = null; // by this device's clock, in milliseconds
  #isSure = false;

  /**
   * Take the `eta` of a frame that has just come. The seconds in it count from now: the device's
   * clock may be wrong, so the time in the frame cannot be compared with it.
   * @param {{ seconds: number, confidence: string } | null | undefined} eta
   * @param {number} now
   */
  set(eta, now) {
    const isKnown = Number.isFinite(eta?.seconds);
    this.#arrivesAt = isKnown ? now + eta.seconds * SECOND : null;
    this.#isSure = eta?.confidence === "high";
  }

  /** When the car arrives, by this device's clock; null if that is not known. */
  get arrivesAt() {
    return this.#arrivesAt;
  }

  /** True if the server is sure of it. */
  get isSure() {
    return this.#isSure;
  }

  /** Return the milliseconds that are left, null if that is not known. */
  left(now) {
    const left = this.#arrivesAt === null ? null : this.#arrivesAt - now;
    return left === null || left < -OVERDUE ? null : left;
  }

  /**
   * Return the text, "" if nothing is known. Who waits at the pickup reads how long, who rides or
   * waits for long, at what time.
   * @param {import("./words.js").Words} words
   * @param {{ isRiding: boolean, now: number }} options
   */
  text(words, { isRiding, now }) {
    const left = this.left(now);
    if (left === null) return "";
    if (left < MINUTE) return words.say("arriving_now");
    const about = this.#isSure ? "" : "_about";
    if (isRiding || left >= HOUR) {
      return words.say(`arrives_at${about}`, { time: words.minute(now + left) });
    }
    return words.say(`arrives_in${about}`, { count: words.number(Math.round(left / MINUTE)) });
  }

  /** Return a number that changes when a screen reader should say the text again. */
  milestone(now) {
    const left = this.left(now);
    if (left === null) return -1;
    if (left < MINUTE) return 0;
    const minutes = Math.round(left / MINUTE);
    return MILESTONES.find((milestone) => minutes >= milestone) ?? 0;
  }
}
