/**
 * Live driver locations over WebSockets: watch a driver, a trip, the cars nearby or the fleet, and
 * share a location.
 *
 * Needs only a browser. `docs/frontend.md` shows how to use it, `tracking-client.d.ts` specifies
 * the exports, and `docs/protocol.md` the protocol.
 */

/** @import * as frames from "./frames.d.ts" */
/** @import * as types from "./tracking-client.d.ts" */
/**
 * The use of a connection. `sendRequest` sends a message that the server answers. It is called on a new
 * connection, with a renewed token, and to probe whether the connection still works.
 * @typedef {object} Session
 * @property {() => void} sendRequest
 * @property {(frame: any) => void} receive a frame other than an error or expiry warning
 * @property {(error: types.TrackingError) => boolean | void} [refused] an error frame came; return
 *   true if it is no error for the page
 * @property {() => number} [probeAfter] how long to wait for a frame before a probe, in ms
 * @property {number} [probeTimeout] how long to wait for its answer, in ms
 * @property {() => void} [lost] the socket has closed
 * @property {() => void} [ended] the connection is closed until the page resumes it
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;

const RETRY_FLOOR = 0.5 * SECOND;
const RETRY_CEILING = 20 * SECOND;
const STABLE_AFTER = MINUTE;
const CONNECT_TIMEOUT = 10 * SECOND;
const TOKEN_TIMEOUT = 10 * SECOND;
// Browsers cannot send pings: after this time without a frame, the client sends a message that the
// server answers.
const PROBE_AFTER = 45 * SECOND;
// A watcher must not mistake a dead connection for a standing driver, so it probes sooner, by
// `start`, which the server answers with the last location. The sum of both is below STALE_AFTER.
const WATCH_PROBE_AFTER = 8 * SECOND;
const WATCH_PROBE_TIMEOUT = 5 * SECOND;
// A frame of a large fleet (up to 260 KB) takes a slow network longer than that, and its connection is
// not dead. A larger fleet is therefore probed less often.
const PROBE_AFTER_PER_DRIVER = 20; // ms
// Long, because a restarted server loads many snapshots at once.
const ANSWER_TIMEOUT = 30 * SECOND;
// Acknowledgements are late while the server's database fails over, and a reconnect would not help.
const ACKNOWLEDGE_TIMEOUT = MINUTE;
// When a page becomes visible again, its connection has less time to answer, unless a frame has
// just been received.
const WAKE_ANSWER_TIMEOUT = 5 * SECOND;
const RENEW_BEFORE = MINUTE;
const RENEW_RETRY = 5 * SECOND;
// Browsers fire timers with longer delays at once.
const MAX_TIMER_DELAY = 2 ** 31 - 1;

const NORMAL = 1000;
const ABNORMAL = 1006;
const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;
// Bad request, forbidden, not authenticated in time: the next attempt would fail in the same way.
const FINAL_CODES = new Set([4400, FORBIDDEN, 4408]);
const MAX_REFUSALS = 2;

// A rider who looks for cars far from the place before waits up to 20 s.
const MOVE_RETRY = 5 * SECOND;
// The message of the error `trip_ended`. The other one is "the trip is complete".
const TRIP_CANCELED = "the trip was canceled";

const SHARE_INTERVAL = 5 * SECOND;
// The errors that answer a location.
const FIX_ERRORS = ["invalid_message", "invalid_location", "rate_limited", "off_duty"];
// The server's clock may be ahead of this device's, by which fixes are measured.
const DUTY_GRACE_PERIOD = 5 * SECOND;
// The maximum of one `send_batch`.
const MAX_WAITING = 100;
// Below the 15 s after which the server calls a location stale.
const QUIET_AFTER = 10 * SECOND;
const GEOLOCATION_ERRORS = ["", "permission_denied", "position_unavailable", "timeout"];

/** @type {typeof types.watchDriver} */
export function watchDriver({ url, driverId, details = true, onLocation, onStatus, ...options }) {
  /** @type {types.Status | null} */
  let status = null;
  let answers = false;
  const route = `driver/get-tracking?userId=${encodeURIComponent(driverId)}`;
  const connection = new Connection(options, url, route, {
    // A server without details may be an older one, which starts a second stream.
    probeAfter: () => (details ? WATCH_PROBE_AFTER : PROBE_AFTER),
    ...(details && { probeTimeout: WATCH_PROBE_TIMEOUT }),
    sendRequest() {
      connection.send({ command: "start", ...(details && { details }) });
      // Without details, the server does not answer for a driver without a location.
      if (answers) connection.expect(ANSWER_TIMEOUT);
    },
    receive(frame) {
      answers = true;
      const location = parseLocation(frame);
      if (location) call(onLocation, location, frame);
      if (typeof frame.status === "string" && frame.status !== status) {
        status = frame.status;
        call(onStatus, frame.status);
      }
    },
  });
  queueMicrotask(() => connection.start());
  return connection.handle();
}

/** @type {typeof types.watchTrip} */
export function watchTrip({ url, tripId, onTrip, onLocation, onStatus, onEnd, ...options }) {
  /** @type {frames.TripContent | null} */
  let trip = null;
  let known = "";
  /** The status of the driver's location. @type {types.Status | null} */
  let status = null;
  const route = `trip/get-tracking?tripId=${encodeURIComponent(tripId)}`;
  const connection = new Connection(options, url, route, {
    probeAfter: () => WATCH_PROBE_AFTER,
    probeTimeout: WATCH_PROBE_TIMEOUT,
    sendRequest() {
      connection.send({ command: "start" });
      connection.expect(ANSWER_TIMEOUT);
    },
    receive(frame) {
      if (frame.trip && typeof frame.trip === "object") return show(frame.trip);
      // What belongs to no driver, or to a former one, is never shown.
      if (!trip?.driver || String(frame.userId) !== String(trip.driver.userId)) return;
      const location = parseLocation(frame);
      if (location) call(onLocation, location, frame);
      if (typeof frame.status === "string" && frame.status !== status) {
        status = frame.status;
        call(onStatus, frame.status);
      }
    },
    refused({ code, message }) {
      if (code !== "trip_ended") return false;
      // Without a last frame the trip had ended before, and only the message says how.
      const isCanceled = trip?.status === "canceled" || message === TRIP_CANCELED;
      call(onEnd, isCanceled ? "canceled" : "complete");
      connection.finish(FORBIDDEN, message, code);
      return true;
    },
  });

  /** @param {frames.TripContent} next */
  function show(next) {
    // A probe of the connection, a renewed token and a reconnect repeat the trip.
    const text = JSON.stringify(next);
    if (text === known) return;
    known = text;
    if (trip?.driver?.userId !== next.driver?.userId) status = null;
    trip = next;
    call(onTrip, next);
  }

  queueMicrotask(() => connection.start());
  return connection.handle();
}

/** @type {typeof types.watchNearby} */
export function watchNearby({ url, lat, lon, onCars, ...options }) {
  let place = { lat, lon };
  /** @type {any} */
  let timer;
  const connection = new Connection(options, url, "nearby/get-tracking", {
    probeAfter: () => WATCH_PROBE_AFTER,
    probeTimeout: WATCH_PROBE_TIMEOUT,
    sendRequest() {
      connection.send({ command: "start", ...place });
      connection.expect(ANSWER_TIMEOUT);
    },
    receive({ cars }) {
      if (Array.isArray(cars)) call(onCars, cars.map(parseCar).filter((car) => car !== null));
    },
    refused({ code }) {
      // A place far from the one before has to wait.
      if (code !== "rate_limited") return;
      connection.environment.clearTimeout(timer);
      timer = connection.environment.setTimeout(() => connection.sendRequest(), MOVE_RETRY);
    },
    lost() {
      connection.environment.clearTimeout(timer);
    },
  });
  queueMicrotask(() => connection.start());
  return Object.assign(connection.handle(), {
    /** @param {number} latitude @param {number} longitude */
    setPlace(latitude, longitude) {
      place = { lat: latitude, lon: longitude };
      connection.sendRequest();
    },
  });
}

/** @type {typeof types.watchFleet} */
export function watchFleet({
  url,
  bbox,
  onSnapshot,
  onSnapshotEnd,
  onUpdate,
  onRemove,
  onCounts,
  ...options
}) {
  let total = 0;
  let isPartial = false;
  const connection = new Connection(options, url, "fleet/get-tracking", {
    probeAfter: () => Math.min(PROBE_AFTER, WATCH_PROBE_AFTER + total * PROBE_AFTER_PER_DRIVER),
    probeTimeout: WATCH_PROBE_TIMEOUT,
    sendRequest() {
      connection.send({ command: "start", ...(bbox && { bbox }) });
      connection.expect(ANSWER_TIMEOUT);
    },
    receive({ snapshot, update, remove, counts, more }) {
      if (counts) {
        total = Number(counts.live) + Number(counts.stale) + Number(counts.offline) || 0;
        call(onCounts, counts);
      }
      if (Array.isArray(snapshot)) {
        isPartial = true;
        call(onSnapshot, parseLocations(snapshot));
      }
      if (Array.isArray(update)) call(onUpdate, parseLocations(update));
      if (Array.isArray(remove)) call(onRemove, remove);
      if (isPartial && !more) {
        isPartial = false;
        call(onSnapshotEnd);
      }
    },
    lost() {
      isPartial = false;
    },
  });
  queueMicrotask(() => connection.start());
  return Object.assign(connection.handle(), {
    /** @param {types.Bbox | null} next */
    setBbox(next) {
      bbox = next;
      connection.sendRequest();
    },
  });
}

/** @type {typeof types.shareLocation} */
export function shareLocation({
  url,
  driverId,
  source,
  interval = SHARE_INTERVAL,
  batch = true,
  pending = [],
  onSent,
  onAcknowledged,
  onDriverState,
  ...options
}) {
  /** @type {types.Fix[]} */
  let waiting = [...pending];
  /** The fixes of each sent message, in order. Each gets one answer. @type {types.Fix[][]} */
  let unanswered = [];
  /** The codes of refusals whose messages are not known yet. @type {string[]} */
  let refusals = [];
  /** @type {types.Fix | null} */
  let newest = null;
  let sampledAt = -Infinity;
  /** The state that the page wants, until the server confirms it. @type {types.Duty | null} */
  let wanted = null;
  /** The last state that the server showed, if any. @type {types.Duty | null} */
  let duty = null;
  let onDutySince = -Infinity;
  /** @type {any} */
  let timer;
  let ended = false;

  const route = `driver/set-tracking?userId=${encodeURIComponent(driverId)}`;
  const connection = new Connection(options, url, route, {
    sendRequest() {
      // Without a new fix, send the newest one again: the server recognizes it by `recorded_at`.
      // Off duty its answer shows whether the driver is on duty again.
      if (isOffDuty() && newest && !wanted) transmit([newest]);
      else if (newest && !waiting.length && !unanswered.length) waiting = [newest];
      else if (!newest && !waiting.length) wanted ??= duty;
      flush();
      if (unanswered.length || wanted) connection.expect(ACKNOWLEDGE_TIMEOUT);
    },
    receive(frame) {
      if (frame.state === "available" || frame.state === "non_operational") {
        if (frame.state === wanted) wanted = null;
        return setDuty(frame.state);
      }
      const location = parseLocation(frame);
      if (!location) return;
      // Acknowledgements keep the order of the sends, and one may include those before it.
      const index = Math.max(0, unanswered.findIndex((sent) => sent.some(isEchoedBy(location))));
      const before = unanswered.splice(0, index);
      const sent = unanswered.shift();
      const acknowledged = before.splice(0, before.length - refusals.length);
      settle(before);
      if (unanswered.length) connection.expect(ACKNOWLEDGE_TIMEOUT);
      if (!sent) return;
      const fixes = [...acknowledged, sent].flat();
      call(onAcknowledged, { ...location, fixes, waiting: countWaiting() });
      if (isOffDuty()) setDuty("available");
    },
    refused({ code }) {
      if (code === "state_conflict") {
        // The driver has a trip, and thus is on duty.
        const isWanted = wanted !== "non_operational";
        wanted = null;
        if (isWanted) setDuty("available");
        return isWanted;
      }
      if (!FIX_ERRORS.includes(code)) return;
      // A refusal does not name its message, and may overtake acknowledgements. Those that follow
      // show which message it was.
      if (unanswered.length) refusals.push(code);
      settle([]);
      if (unanswered.length) connection.expect(ACKNOWLEDGE_TIMEOUT);
    },
    lost() {
      const fixes = unanswered.flat();
      unanswered = [];
      refusals = [];
      keep(fixes);
    },
    ended() {
      ended = true;
      connection.environment.clearTimeout(timer);
      unsubscribe();
    },
  });

  /** Handle the refusals whose messages are known. @param {types.Fix[][]} refused found so far */
  function settle(refused) {
    // If there are as many refusals as messages left, all of them were refused.
    if (refusals.length >= refused.length + unanswered.length) {
      refused = [...refused, ...unanswered];
      unanswered = [];
    }
    const codes = refusals.splice(0, refused.length);
    const offDuty = refused.filter((_, i) => codes[i] === "off_duty").flat();
    // A fix from before the driver went on duty says nothing about now.
    if (offDuty.some((fix) => fix.recordedAt >= onDutySince)) setDuty("non_operational");
    keep(refused.filter((fixes, i) => isToBeRepeated(codes[i], fixes)).flat());
    if (refused.some((fixes, i) => codes[i] === "invalid_message" && fixes.length > 1)) {
      batch = false; // A server without `send_batch`.
      flush();
    }
  }

  /** @param {string} code @param {types.Fix[]} fixes */
  function isToBeRepeated(code, fixes) {
    return code === "rate_limited" || (code === "invalid_message" && fixes.length > 1);
  }

  /** @param {types.Fix[]} fixes older than the waiting ones */
  function keep(fixes) {
    waiting = thin([...fixes, ...waiting], connection.environment.now());
  }

  function countWaiting() {
    return waiting.length + unanswered.flat().length;
  }

  function isOffDuty() {
    return duty === "non_operational";
  }

  /** @param {types.Duty} state as the server showed it */
  function setDuty(state) {
    if (state === "available") listen();
    if (state === duty) return;
    duty = state;
    const now = connection.environment.now();
    if (state === "available") onDutySince = now + DUTY_GRACE_PERIOD;
    call(onDriverState, state);
    flush();
  }

  function sendState() {
    if (wanted) connection.send({ command: "state", state: wanted });
  }

  function flush() {
    if (connection.state !== "open") return;
    // A shift begins before its first location, and ends after its last one.
    if (wanted === "available") sendState();
    if (waiting.length && !isOffDuty()) {
      const fixes = batch ? waiting : waiting.slice(-1);
      waiting = [];
      transmit(fixes);
    }
    if (wanted === "non_operational") sendState();
  }

  /** @param {types.Fix[]} fixes */
  function transmit(fixes) {
    const payloads = fixes.map(toPayload);
    // By the clock of `recorded_at`, so that the server can correct that clock's error.
    const sent_at = new Date(connection.environment.now()).toISOString();
    if (payloads.length > 1) connection.send({ command: "send_batch", sent_at, fixes: payloads });
    else connection.send({ command: "send", sent_at, ...payloads[0] });
    unanswered.push(fixes);
    call(onSent, fixes);
    connection.expect(ACKNOWLEDGE_TIMEOUT);
  }

  function sample() {
    timer = undefined;
    if (!newest || isOffDuty()) return;
    sampledAt = connection.environment.now();
    waiting = thin([...waiting, newest], sampledAt);
    // Not before: the server closes a connection without a message as unauthenticated.
    connection.start();
    flush();
  }

  /** @param {types.SourceFix} fix */
  function take(fix) {
    if (ended || isOffDuty()) return;
    const now = connection.environment.now();
    if (!isOnEarth(fix?.latitude, fix?.longitude)) {
      connection.report("invalid_location", "the source gave no valid latitude and longitude");
      return;
    }
    const recordedAt = Number(fix.recordedAt);
    newest = { ...fix, recordedAt: recordedAt > 0 && recordedAt <= now ? recordedAt : now };
    // The elapsed time is negative after the device's clock was set back.
    const elapsed = Math.max(0, now - sampledAt);
    if (elapsed >= interval) sample();
    else timer ??= connection.environment.setTimeout(sample, interval - elapsed);
  }

  /** @param {any} cause */
  function fail(cause) {
    if (ended) return;
    const code = typeof cause?.code === "string" ? cause.code : "source_failed";
    connection.report(code, String(cause?.message ?? cause), cause);
  }

  let unsubscribe = () => {};
  let listens = false;
  const subscribe = typeof source === "function" ? source : fromIterable(source);

  /** Subscribe to the source, once. */
  function listen() {
    if (ended || listens) return;
    listens = true;
    unsubscribe = subscribe(take, fail) ?? unsubscribe;
    if (ended) unsubscribe();
  }

  queueMicrotask(() => {
    if (ended) return;
    if (waiting.length) connection.start();
    // A fix from before the shift would be refused.
    if (wanted === null) listen();
  });
  return {
    get state() {
      return connection.state;
    },
    get waiting() {
      return countWaiting();
    },
    get pending() {
      return [...unanswered.flat(), ...waiting];
    },
    setState(state) {
      wanted = state;
      connection.start();
      if (connection.state !== "open") return;
      flush();
      connection.expect(ACKNOWLEDGE_TIMEOUT);
    },
    close: connection.close,
  };
}

/** @type {typeof types.geolocationSource} */
export function geolocationSource(
  geolocation,
  { quietAfter = QUIET_AFTER, environment, ...options } = {},
) {
  const { setTimeout, clearTimeout } = { ...browser(), ...environment };
  const watchOptions = { enableHighAccuracy: true, maximumAge: 0, ...options };
  const askOptions = { ...watchOptions, timeout: quietAfter };
  return (take, fail) => {
    /** @type {any} */
    let timer;
    /** @type {any} */
    let watch;
    let stopped = false;
    let isAsking = false;
    /** @type {types.SourceFix | null} */
    let last = null;
    // A phone that does not move may report nothing, and its driver would look offline. So request
    // a position. Some watches never report again, and some phones do not answer the request
    // either: then restart the watch, and repeat the last position to show that the phone is
    // online.
    const askLater = () => {
      if (stopped) return;
      clearTimeout(timer);
      timer = setTimeout(() => {
        askLater();
        geolocation.clearWatch(watch);
        watch = geolocation.watchPosition(receive, report, watchOptions);
        if (!isAsking) ask();
        if (last) take(last);
      }, quietAfter);
    };
    const ask = () => {
      isAsking = true;
      /** @param {GeolocationPosition} position */
      const answered = (position) => {
        isAsking = false;
        receive(position);
      };
      // The watch reports errors, too.
      geolocation.getCurrentPosition(answered, () => (isAsking = false), askOptions);
    };
    /** @param {GeolocationPosition} position */
    const receive = ({ coords, timestamp }) => {
      askLater();
      const { latitude, longitude, heading, speed, accuracy } = coords;
      last = { latitude, longitude, heading, speed, accuracy, recordedAt: timestamp };
      take(last);
    };
    /** @param {GeolocationPositionError} error */
    const report = ({ code, message }) => {
      if (code === 1) stop();
      fail({ code: GEOLOCATION_ERRORS[code], message });
    };
    watch = geolocation.watchPosition(receive, report, watchOptions);
    const stop = () => {
      stopped = true;
      geolocation.clearWatch(watch);
      clearTimeout(timer);
    };
    askLater();
    return stop;
  };
}

/** One WebSocket after another, until the page or the server ends it. */
class Connection {
  /** @type {types.State} */
  state = "connecting";

  #active = false;
  #disposed = false;
  // Events of earlier attempts are ignored by comparing their number with this one.
  #attempt = 0;
  #failures = 0;
  #heardAt = 0;
  #deadline = Infinity;
  /** @type {WebSocket | null} */
  #socket = null;
  /** The last frame if an error: why, if the socket closes. @type {types.TrackingError | null} */
  #error = null;
  /** @type {Map<string, any>} */
  #timers = new Map();
  #listeners = new AbortController();

  /**
   * @param {types.ConnectionOptions} options
   * @param {string | URL | undefined} url the server's root, by default of this page
   * @param {string} route
   * @param {Session} session
   */
  constructor({ getToken, onState, onError, environment }, url = "/", route, session) {
    this.environment = { ...browser(), ...environment };
    this.onState = onState;
    this.onError = onError;
    this.url = resolve(url, route, this.environment.base);
    this.session = session;
    this.tokens = new Tokens(getToken, this.environment, (cause) => {
      if (this.#active) this.report("token_unavailable", `getToken failed: ${cause}`, cause);
    });
  }

  /** Connect now, even during a delay, unless connected or closed permanently. */
  start = () => {
    if (this.#disposed) return;
    if (this.#active) {
      if (!this.#timers.has("retry")) return;
      this.#connect();
      this.#setState("connecting");
      return;
    }
    this.#active = true;
    const { target, document } = this.environment;
    this.#listeners = new AbortController();
    const { signal } = this.#listeners;
    target.addEventListener?.("online", this.#wake, { signal });
    target.addEventListener?.("offline", this.#offline, { signal });
    target.addEventListener?.("pageshow", this.#wake, { signal });
    document?.addEventListener("visibilitychange", this.#wake, { signal });
    this.#setState("connecting");
    if (this.#active) this.#connect();
  };

  pause = () => {
    if (this.#active) this.#end(NORMAL, "paused");
  };

  close = () => this.finish(NORMAL, "closed by the page");

  /**
   * Close permanently, for this reason.
   * @param {number} code @param {string} message @param {string | null} [error]
   */
  finish(code, message, error) {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#end(code, message, error);
  }

  /** Return the page's handle, which exposes only the public methods. */
  handle() {
    const connection = this;
    return {
      get state() {
        return connection.state;
      },
      close: this.close,
      pause: this.pause,
      resume: this.start,
    };
  }

  /** @param {object} payload sent together with the token, which every server accepts */
  send(payload) {
    const message = { type: "authenticate", payload: { token: this.tokens.value, ...payload } };
    this.#socket?.send(JSON.stringify(message));
  }

  /** Reconnect unless a frame comes in time. @param {number} milliseconds */
  expect(milliseconds) {
    const deadline = this.environment.now() + milliseconds;
    if (deadline >= this.#deadline) return;
    this.#deadline = deadline;
    this.#after("answer", milliseconds, () => this.#lost(ABNORMAL, "the server went silent"));
  }

  /**
   * Send the session's message with a token that is valid for a while.
   * @param {number} [timeout] how long to wait for the answer, in ms
   */
  async sendRequest(timeout) {
    if (this.state !== "open") return;
    const attempt = this.#attempt;
    const token = await this.tokens.obtain();
    if (attempt !== this.#attempt) return;
    if (token === null) return this.#end(UNAUTHORIZED, "getToken gave none");
    // If getToken failed, use the held token a little longer.
    this.session.sendRequest();
    if (timeout && this.#deadline < Infinity) this.expect(timeout);
    const renewal = Math.max(RENEW_RETRY, this.tokens.renewAt - this.environment.now());
    if (renewal < Infinity) this.#after("renew", renewal, () => this.sendRequest());
  }

  /** @param {string} code @param {string} message @param {unknown} [cause] */
  report(code, message, cause) {
    call(this.onError, { code, message, cause });
  }

  async #connect() {
    const attempt = this.#abandon();
    const token = await this.tokens.obtain();
    if (attempt !== this.#attempt) return;
    if (token === undefined) return this.#lost(ABNORMAL, "getToken failed");
    if (token === null) return this.#end(UNAUTHORIZED, "getToken gave none");
    let socket;
    try {
      socket = new this.environment.WebSocket(this.url);
    } catch (cause) {
      // Mixed content: a page served by https may not use ws.
      return this.#end(ABNORMAL, String(cause));
    }
    this.#socket = socket;
    socket.onopen = () => attempt === this.#attempt && this.#opened();
    socket.onmessage = ({ data }) => attempt === this.#attempt && this.#received(data);
    socket.onclose = ({ code, reason }) => attempt === this.#attempt && this.#lost(code, reason);
    // A close event follows. Some implementations throw errors that have no listener.
    socket.onerror = () => {};
    this.#after("answer", CONNECT_TIMEOUT, () => this.#lost(ABNORMAL, "connecting took too long"));
  }

  #opened() {
    this.#heard();
    this.#after("stable", STABLE_AFTER, () => {
      this.#failures = 0;
      this.tokens.accepted();
    });
    this.#setState("open");
    this.sendRequest();
  }

  #heard() {
    this.#heardAt = this.environment.now();
    this.#deadline = Infinity;
    this.#cancel("answer");
    const { session, environment } = this;
    const isSeen = environment.document?.visibilityState !== "hidden";
    const delay = (isSeen && session.probeAfter?.()) || PROBE_AFTER;
    this.#after("probe", delay, () => this.sendRequest(session.probeTimeout));
  }

  /** @param {unknown} data */
  #received(data) {
    this.#heard();
    const frame = parseObject(data);
    if (!frame) return this.report("invalid_frame", "the server sent no JSON object");
    if ("error" in frame) {
      const error = { code: String(frame.error?.code), message: String(frame.error?.message) };
      this.#error = error;
      // The session, or the page in its callback, may close the connection.
      if (this.session.refused?.(error)) return;
      return this.report(error.code, error.message);
    }
    this.#error = null;
    this.tokens.accepted();
    if ("token_expires_in" in frame) {
      this.tokens.expire();
      return void this.sendRequest();
    }
    this.session.receive(frame);
  }

  /** @param {number} code @param {string} message */
  #lost(code, message) {
    const error = this.#error?.code ?? (this.environment.isOnline() ? null : "offline");
    message = this.#error?.message || message;
    const isRefused = code === UNAUTHORIZED && this.tokens.refused() >= MAX_REFUSALS;
    if (isRefused || FINAL_CODES.has(code)) return this.#end(code, message, error);
    this.#abandon();
    this.session.lost?.();
    // Full jitter, so that clients do not all reconnect to a restarted server in the same instant.
    const ceiling = Math.min(RETRY_CEILING, 4 * RETRY_FLOOR * 2 ** this.#failures);
    const delay = RETRY_FLOOR + this.environment.random() * (ceiling - RETRY_FLOOR);
    const atOnce = code === UNAUTHORIZED && this.#failures === 0;
    this.#failures += 1;
    this.#after("retry", atOnce ? 0 : delay, () => this.#connect());
    this.#setState("reconnecting", { code, error, message, retry: true });
  }

  /** Drop the socket and all timers; return the number of the next attempt. */
  #abandon() {
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    this.#deadline = Infinity;
    this.#error = null;
    this.#socket?.close();
    this.#socket = null;
    this.#attempt += 1;
    return this.#attempt;
  }

  /** @param {number} code @param {string} message @param {string | null} [error] */
  #end(code, message, error = null) {
    this.#abandon();
    this.#listeners.abort();
    this.#active = false;
    this.#failures = 0;
    this.session.lost?.();
    this.session.ended?.();
    this.#setState("closed", { code, error, message, retry: false });
  }

  /** Report a lost network at once, although the socket may still seem open. */
  #offline = () => {
    const message = "the device is offline";
    if (!this.#timers.has("retry")) {
      this.#error = { code: "offline", message };
      return this.#lost(ABNORMAL, message);
    }
    this.#setState("reconnecting", { code: ABNORMAL, error: "offline", message, retry: true });
  };

  /** @param {Event} event */
  #wake = ({ type }) => {
    const { document, now } = this.environment;
    if (type === "visibilitychange" && document?.visibilityState === "hidden") return;
    if (this.#timers.has("retry")) this.#connect();
    // Frames from before the network changed do not show that the connection still works.
    else if (type === "online" || now() - this.#heardAt >= WAKE_ANSWER_TIMEOUT) {
      this.sendRequest(WAKE_ANSWER_TIMEOUT);
    }
  };

  /** @param {types.State} state @param {types.Reason | null} [reason] */
  #setState(state, reason = null) {
    this.state = state;
    call(this.onState, state, reason);
  }

  /** @param {string} name @param {number} milliseconds @param {() => void} action */
  #after(name, milliseconds, action) {
    this.#cancel(name);
    const fire = () => {
      this.#timers.delete(name);
      action();
    };
    const delay = Math.min(milliseconds, MAX_TIMER_DELAY);
    this.#timers.set(name, this.environment.setTimeout(fire, delay));
  }

  /** @param {string} name */
  #cancel(name) {
    this.environment.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

/** Holds the access token, and requests a new one only if it has none that is valid long enough. */
class Tokens {
  /** @type {string | null} */
  value = null;
  /** When to get the next one, in milliseconds of this device's clock. */
  renewAt = -Infinity;

  #isFresh = false;
  #refusals = 0;
  /** @type {Promise<string | null | void> | null} */
  #pending = null;
  // The number of calls of getToken, and the number of the call whose token is held.
  #asked = 0;
  #answered = 0;

  /**
   * @param {types.GetToken} getToken @param {types.Environment} environment
   * @param {(cause: unknown) => void} onFailure
   */
  constructor(getToken, environment, onFailure) {
    this.getToken = getToken;
    this.environment = environment;
    this.now = environment.now;
    this.onFailure = onFailure;
  }

  /** Return the held token or a new one; null if getToken gave none, undefined if it failed. */
  async obtain() {
    if (this.value && this.now() < this.renewAt) return this.value;
    this.#pending ??= this.#request()
      .catch(this.onFailure)
      .finally(() => (this.#pending = null));
    return this.#pending;
  }

  async #request() {
    const refresh = Boolean(this.value);
    await this.#ask(refresh);
    if (this.value && !refresh && this.now() >= this.renewAt) await this.#ask(true);
    return this.value;
  }

  /** Call getToken; reject if it rejects or does not answer in time. @param {boolean} refresh */
  async #ask(refresh) {
    const number = (this.#asked += 1);
    const { setTimeout, clearTimeout } = this.environment;
    let isLate = false;
    const answer = Promise.resolve(this.getToken({ refresh })).then((token) => {
      // A late token is kept for the next attempt, unless a later call was answered.
      if (number < this.#answered || (isLate && !token)) return;
      this.#answered = number;
      this.#take(token, refresh);
    });
    /** @type {any} */
    let timer;
    const timeout = new Promise((_, reject) => {
      timer = setTimeout(() => {
        isLate = true;
        reject(new Error("no answer within 10 s"));
      }, TOKEN_TIMEOUT);
    });
    await Promise.race([answer, timeout]).finally(() => clearTimeout(timer));
  }

  /** @param {string | null | undefined} token @param {boolean} isFresh issued just now */
  #take(token, isFresh) {
    const { iat, exp } = claims(token);
    const lifetime = exp - iat;
    // A fresh token's age is known, whatever this device's clock says.
    const expiresAt = isFresh && lifetime > 0 ? this.now() + lifetime : exp;
    this.renewAt = expiresAt - Math.min(RENEW_BEFORE, lifetime / 4 || RENEW_BEFORE);
    this.value = token || null;
    this.#isFresh = isFresh;
  }

  /** Discard the held token. */
  expire() {
    this.renewAt = -Infinity;
  }

  /** The server accepted the token: reset the count of refusals in a row. */
  accepted() {
    this.#refusals = 0;
  }

  /** The server refused the token: return how many fresh ones it refused in a row. */
  refused() {
    if (this.#isFresh) this.#refusals += 1;
    this.expire();
    return this.#refusals;
  }
}

/** @returns {types.Environment} */
function browser() {
  return {
    WebSocket: globalThis.WebSocket,
    now: () => Date.now(),
    random: () => Math.random(),
    isOnline: () => globalThis.navigator?.onLine !== false,
    setTimeout: (action, milliseconds) => setTimeout(action, milliseconds),
    clearTimeout: (timer) => clearTimeout(timer),
    base: globalThis.location?.href,
    target: globalThis,
    document: globalThis.document,
  };
}

/**
 * @param {string | URL} root @param {string} route @param {string | undefined} base
 * @returns {string} the route's address below the root, with ws or wss for http or https
 */
function resolve(root, route, base) {
  const url = new URL(root, base);
  url.protocol = url.protocol.replace("http", "ws");
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return new URL(route, url).href;
}

/** @param {Function | undefined} callback the page's @param {unknown[]} values */
function call(callback, ...values) {
  try {
    callback?.(...values);
  } catch (error) {
    // An error in the page's callback is reported as such, and does not stop the stream.
    (globalThis.reportError ?? console.error)(error);
  }
}

/** Return when a JWT was issued and expires, in ms. @param {unknown} token */
function claims(token) {
  let payload;
  try {
    const part = String(token).split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    payload = JSON.parse(atob(part));
  } catch {
    // Not a JWT, so it is renewed when the server refuses it.
  }
  const [iat, exp] = [Number(payload?.iat), Number(payload?.exp)];
  return { iat: iat * SECOND, exp: exp > 0 ? exp * SECOND : Infinity };
}

/** @param {unknown} data @returns {Record<string, any> | null} */
function parseObject(data) {
  try {
    const value = JSON.parse(String(data));
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** @param {Partial<frames.FleetItem> | null} frame @returns {types.Location | null} */
function parseLocation(frame) {
  const latitude = toNumber(frame?.location_lat);
  const longitude = toNumber(frame?.location_lon);
  if (!frame || !isOnEarth(latitude, longitude)) return null;
  return {
    latitude,
    longitude,
    userId: frame.userId ?? null,
    name: frame.name ?? null,
    recordedAt: toTime(frame.recorded_at),
    receivedAt: toTime(frame.received_at),
    // An older server does not send this: the phone was last heard when the fix was received.
    heardAt: toTime(frame.heard_at) ?? toTime(frame.received_at),
    clockOffset: frame.clock_offset ?? null,
    heading: frame.heading ?? null,
    speed: frame.speed ?? null,
    accuracy: frame.accuracy ?? null,
    status: frame.status ?? null,
    state: frame.state ?? null,
    trip: frame.trip ?? null,
  };
}

/** @param {(Partial<frames.FleetItem> | null)[]} items */
function parseLocations(items) {
  return items.map(parseLocation).filter((location) => location !== null);
}

/** @param {Partial<frames.NearbyCar> | null} item @returns {types.Car | null} */
function parseCar(item) {
  const location = parseLocation(item);
  if (!location || typeof item?.id !== "string") return null;
  return { id: item.id, latitude: location.latitude, longitude: location.longitude };
}

/** @param {unknown} degrees @returns {number} NaN unless a number or a decimal string */
function toNumber(degrees) {
  return typeof degrees === "number" ? degrees : parseFloat(String(degrees));
}

/** @param {unknown} timestamp RFC 3339 @returns {number | null} milliseconds since 1970 */
function toTime(timestamp) {
  return Date.parse(String(timestamp)) || null;
}

/** @param {unknown} latitude @param {unknown} longitude */
function isOnEarth(latitude, longitude) {
  /** @param {unknown} value @param {number} limit */
  const isWithin = (value, limit) => typeof value === "number" && Math.abs(value) <= limit;
  return isWithin(latitude, 90) && isWithin(longitude, 180);
}

/** @param {types.Location} location @returns {(fix: types.Fix) => boolean} */
function isEchoedBy({ latitude, longitude }) {
  /** @param {number} sent @param {number} echoed */
  const isSame = (sent, echoed) => Number(sent.toFixed(7)) === echoed;
  return (fix) => isSame(fix.latitude, latitude) && isSame(fix.longitude, longitude);
}

/** @param {types.Fix} fix @returns {object} its members in a `send` */
function toPayload({ latitude, longitude, recordedAt, heading, speed, accuracy }) {
  return {
    lat: latitude.toFixed(7),
    lon: longitude.toFixed(7),
    recorded_at: new Date(recordedAt).toISOString(),
    // Unknown values are null or NaN in browsers, and -1 on some phones.
    heading: isMeasured(heading) ? round(heading) % 360 : undefined,
    speed: isMeasured(speed) ? round(speed) : undefined,
    accuracy: isMeasured(accuracy) ? round(accuracy) || undefined : undefined,
  };
}

/** @param {number | null | undefined} value @returns {value is number} */
function isMeasured(value) {
  return typeof value === "number" && value >= 0 && value < Infinity;
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 100) / 100;
}

/**
 * Keep every fix of the last minute, one per 10 s of the last five minutes, and one per minute
 * before that: more than an hour fits into one message.
 * @param {types.Fix[]} fixes oldest first @param {number} now
 */
function thin(fixes, now) {
  /** @type {types.Fix[]} */
  const kept = [];
  // Start with the oldest, so that a fix that was kept once is kept again as it ages.
  for (const fix of fixes) {
    const age = now - fix.recordedAt;
    const spacing = age < MINUTE ? 0 : age < 5 * MINUTE ? 10 * SECOND : MINUTE;
    const previous = kept[kept.length - 1]?.recordedAt ?? -Infinity;
    if (fix === fixes[fixes.length - 1] || fix.recordedAt - previous >= spacing) kept.push(fix);
  }
  return kept.slice(-MAX_WAITING);
}

/**
 * @param {AsyncIterable<types.SourceFix>} iterable
 * @returns {types.Subscribe}
 */
function fromIterable(iterable) {
  return (take, fail) => {
    const iterator = iterable[Symbol.asyncIterator]();
    const pull = async () => {
      for (let step = await iterator.next(); !step.done; step = await iterator.next()) {
        take(step.value);
      }
    };
    pull().catch(fail);
    return () => void iterator.return?.();
  };
}
