/**
 * The steps of a trip that the driver has taken, until the server has stored them. They are sent in
 * order, each until it is answered: the server accepts a step twice. They survive a reload.
 */

const RETRY_DELAYS = [1_000, 2_000, 4_000, 8_000, 15_000]; // ms

/** @typedef {{ trip: number, to: string, at: number }} Step */

export class Steps {
  /** @type {Step[]} */
  #pending = [];
  #isSending = false;
  #failures = 0;
  /** @type {any} */
  #timer = null;
  #options;

  /**
   * @param {object} options
   * @param {string} options.url of the trips
   * @param {(request: { refresh: boolean }) => Promise<string | null>} options.getToken
   * @param {(text?: string) => string | null | void} options.storage reads; with a text, writes
   * @param {() => void} options.onChange
   * @param {(trip: any) => void} options.onTrip with what the server has stored
   * @param {(status: number) => void} options.onRefused the trip is not as this page thinks
   * @param {typeof fetch} options.fetch
   * @param {(action: () => void, milliseconds: number) => any} options.setTimeout
   */
  constructor(options) {
    this.#options = options;
    try {
      const kept = JSON.parse(options.storage() ?? "[]");
      if (Array.isArray(kept)) this.#pending = kept;
    } catch {
      // Nothing that this page has written.
    }
    if (this.#pending.length) this.retry();
  }

  /** The status that the trip has once all is stored; null without a step of it. */
  target(trip) {
    const steps = this.#pending.filter((step) => step.trip === trip);
    return steps.length ? steps[steps.length - 1].to : null;
  }

  get isEmpty() {
    return !this.#pending.length;
  }

  /** True once an attempt has failed. */
  get isDelayed() {
    return this.#failures > 0 && !this.isEmpty;
  }

  /** Take a step. The same one again, as by a double tap, is ignored. */
  take(trip, to, at) {
    if (this.target(trip) === to) return;
    this.#pending.push({ trip, to, at });
    this.#changed();
    this.retry();
  }

  /** Forget the steps of trips other than this one. */
  keepOnly(trip) {
    const kept = this.#pending.filter((step) => step.trip === trip);
    if (kept.length === this.#pending.length) return;
    this.#pending = kept;
    this.#changed();
  }

  /** Send now. */
  retry = async () => {
    clearTimeout(this.#timer);
    if (this.#isSending || this.isEmpty) return;
    this.#isSending = true;
    const step = this.#pending[0];
    let status = 0;
    let trip = null;
    try {
      ({ status, trip } = await this.#send(step));
    } catch {
      // No connection, or no answer in time.
    }
    this.#isSending = false;
    if (this.#pending[0] !== step) return void this.retry(); // forgotten meanwhile
    if (trip) {
      this.#failures = 0;
      this.#pending.shift();
      this.#options.onTrip(trip);
      this.#changed();
      return void this.retry();
    }
    if (status >= 400 && status < 500 && ![408, 425, 429].includes(status)) {
      this.#failures = 0;
      this.#pending = [];
      this.#options.onRefused(status);
      return this.#changed();
    }
    const delay = RETRY_DELAYS[Math.min(this.#failures, RETRY_DELAYS.length - 1)];
    this.#failures += 1;
    this.#timer = this.#options.setTimeout(this.retry, delay);
    this.#changed();
  };

  /** @param {Step} step */
  async #send({ trip, to }) {
    const { url, getToken, fetch } = this.#options;
    const [path, body] = to === "complete" ? ["complete", {}] : ["status", { status: to }];
    for (const refresh of [false, true]) {
      const token = await getToken({ refresh });
      if (!token) return { status: 401, trip: null };
      const response = await fetch(`${url}${trip}/${path}/`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      });
      if (response.status === 401 && !refresh) continue;
      return { status: response.status, trip: response.ok ? await response.json() : null };
    }
    return { status: 401, trip: null };
  }

  #changed() {
    try {
      this.#options.storage(JSON.stringify(this.#pending));
    } catch {
      // Storage is full or forbidden: a reload forgets the steps.
    }
    this.#options.onChange();
  }
}
