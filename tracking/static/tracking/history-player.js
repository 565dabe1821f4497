/** Playing a day: which moment follows which. No DOM. */

export const SPEEDS = [1, 2, 5, 10, 30, 60];

// After a hidden tab or a busy moment, playing goes on from where it was.
const MAX_ELAPSED = 250; // ms

export class Player {
  /** @param {any} day a `Day` */
  constructor(day) {
    this.day = day;
    this.moment = 0;
    this.isPlaying = false;
    this.speed = 10;
  }

  /** Play from the moment, or from the first fix if there is nothing later. */
  play() {
    const { fixes } = this.day;
    const last = fixes[fixes.length - 1].at;
    if (this.moment >= last || this.moment < fixes[0].at) this.moment = fixes[0].at;
    this.isPlaying = true;
  }

  pause() {
    this.isPlaying = false;
  }

  /** Choose the next speed (1) or the one before (-1); return it. */
  change(direction) {
    const i = SPEEDS.indexOf(this.speed) + direction;
    this.speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, i))];
    return this.speed;
  }

  /**
   * Play for `elapsed` milliseconds. Gaps are jumped over, to the first fix after them.
   * @returns {{ skipped: any, ended: boolean }} the last gap that was jumped over, undefined if none
   */
  advance(elapsed) {
    const { fixes, gaps } = this.day;
    const last = fixes[fixes.length - 1].at;
    const from = this.moment;
    let to = from + Math.min(elapsed, MAX_ELAPSED) * this.speed;
    let skipped;
    for (const gap of gaps) {
      if (gap.until > from && gap.since < to) {
        skipped = gap;
        to += gap.until - Math.max(gap.since, from);
      }
    }
    this.moment = Math.min(to, last);
    if (to >= last) this.isPlaying = false;
    return { skipped, ended: to >= last };
  }
}
