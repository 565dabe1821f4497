// The parts of a browser that the client uses, under the test's control: clock, sockets,
// randomness, events.

/** Let everything run that waits for nothing but promises. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

export class FakeClock {
  #now = Date.parse("2026-01-01T12:00:00Z");
  #timers = new Map();
  #nextId = 1;

  /** The error of the wall clock in ms, which does not affect timers. */
  skew = 0;

  now = () => this.#now + this.skew;

  setTimeout = (action, milliseconds) => {
    this.#timers.set(this.#nextId, { action, at: this.#now + Math.max(0, milliseconds) });
    return this.#nextId++;
  };

  clearTimeout = (id) => {
    this.#timers.delete(id);
  };

  get pending() {
    return this.#timers.size;
  }

  /** Fire what falls due, in order, and let promises settle after each timer. */
  async advance(milliseconds) {
    await settle();
    const end = this.#now + milliseconds;
    for (;;) {
      const [id, timer] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (!timer || timer.at > end) break;
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, timer.at);
      timer.action();
      await settle();
    }
    this.#now = end;
  }
}

class FakeWebSocket {
  sent = [];
  closed = false;

  constructor(url) {
    this.url = url;
  }

  send(text) {
    if (this.closed) throw new Error("send on a closed socket");
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }

  /** The payloads sent so far; the token and the time of sending apart, which every one carries. */
  get payloads() {
    return this.sent.map(({ payload: { token, sent_at, ...rest } }) => rest);
  }

  get tokens() {
    return this.sent.map(({ payload }) => payload.token);
  }

  async open() {
    this.onopen?.({});
    await settle();
  }

  async receive(frame) {
    this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
    await settle();
  }

  async acknowledge({ lat, lon } = this.payloads.at(-1)) {
    await this.receive({ location_lat: lat, location_lon: lon });
  }

  /** The server, or the network, ends it. */
  async drop(code = 1006, reason = "") {
    this.onclose?.({ code, reason });
    await settle();
  }

  async refuse(code, error, message = "no") {
    await this.receive({ error: { code: error, message } });
    await this.drop(code);
  }
}

/** A deterministic Math.random (mulberry32). */
export function seededRandom(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An unsigned JWT that was issued `age` and expires after `lifetime` seconds. */
export function makeToken(clock, { lifetime = 300, age = 0, name = "" } = {}) {
  const iat = Math.floor(clock.now() / 1000) - age;
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const payload = { id: 19, name: `Ñandú ${name}`, iat, exp: iat + lifetime };
  return `${encode({ alg: "HS256" })}.${encode(payload)}.signature`;
}

export class FakeBrowser {
  clock = new FakeClock();
  sockets = [];
  states = [];
  reasons = [];
  transports = [];
  fetch = null;
  errors = [];
  /** The `refresh` of every call of getToken. */
  tokenRequests = [];
  window = new EventTarget();
  document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  random = seededRandom(1);

  /** The options of every client under test. */
  options({ lifetime, ...overrides } = {}) {
    const browser = this;
    return {
      url: "https://rides.example/",
      driverId: 19,
      getToken: async ({ refresh }) => {
        this.tokenRequests.push(refresh);
        const name = `${this.tokenRequests.length}`;
        return makeToken(this.clock, { lifetime, name });
      },
      onState: (state, reason, transport) => {
        this.transports.push(transport);
        this.states.push(state);
        this.reasons.push(reason);
      },
      onError: (error) => this.errors.push(error),
      environment: {
        WebSocket: class extends FakeWebSocket {
          constructor(url) {
            super(url);
            browser.sockets.push(this);
          }
        },
        now: this.clock.now,
        random: () => this.random(),
        setTimeout: this.clock.setTimeout,
        clearTimeout: this.clock.clearTimeout,
        // Without it, only WebSockets are tried.
        fetch: this.fetch,
        base: "https://pages.example/driver/19/map/",
        target: this.window,
        document: this.document,
      },
      ...overrides,
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  async show() {
    this.document.visibilityState = "visible";
    this.document.dispatchEvent(new Event("visibilitychange"));
    await settle();
  }

  async hide() {
    this.document.visibilityState = "hidden";
    this.document.dispatchEvent(new Event("visibilitychange"));
    await settle();
  }

  async dispatch(type) {
    this.window.dispatchEvent(new Event(type));
    await settle();
  }
}
