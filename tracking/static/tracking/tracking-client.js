/**
 * Live driver locations over WebSockets, or over HTTP where a proxy blocks them: watch a driver, a trip, the cars nearby or the fleet, and
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
 * @property {boolean} [mayBeSilent] the server may have no answer to `sendRequest`
 */
/**
 * A way to the server. Over HTTP, `send` does nothing for the request that is answered already, unless
 * `isRepeated`. If the kind `isRequested`, the first message opens it.
 * @typedef {object} Transport
 * @property {(message: any, isRepeated: boolean) => void} send
 * @property {() => void} close
 */
/**
 * The callbacks of a transport.
 * @typedef {object} Events
 * @property {() => void} opened
 * @property {() => void} heard a sign of life
 * @property {(frame: unknown) => void} received
 * @property {(code: number, reason: string) => void} lost with a close code of a WebSocket
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
// Without WebSockets: the server sends a comment after 15 s without a frame.
const STREAM_SILENCE = 25 * SECOND;
const POLL_INTERVAL = 5 * SECOND;
// WebSockets in a row that brought nothing before HTTP is tried.
const MAX_MISSES = 2;
// The delay until a WebSocket is tried again beside a stream over HTTP, which doubles.
const BETTER_FLOOR = MINUTE;
const BETTER_CEILING = 10 * MINUTE;
const RENEW_BEFORE = MINUTE;
const RENEW_RETRY = 5 * SECOND;
// Browsers fire timers with longer delays at once.
const MAX_TIMER_DELAY = 2 ** 31 - 1;

const NORMAL = 1000;
const ABNORMAL = 1006;
const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;
const TRY_LATER = 1013;
// From here on, a close code was chosen by the server, and not by something on the way.
const CHOSEN_CODES = 1012;
// The close codes of the refusals over HTTP. Any other status may come from a proxy.
/** @type {Record<number, number>} */
const CODE_OF_STATUS = { 400: 4400, 401: 4401, 403: 4403, 410: 4403, 429: TRY_LATER };
// Bad request, forbidden, not authenticated in time: the next attempt would fail in the same way.
const FINAL_CODES = new Set([4400, FORBIDDEN, 4408]);
const MAX_REFUSALS = 2;

const NEARBY_ROUTES = { socket: "nearby/get-tracking", http: "driver/nearby/stream/" };
const FLEET_ROUTES = { socket: "fleet/get-tracking", http: "fleet/stream/" };

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
  const id = encodeURIComponent(driverId);
  const routes = { socket: `driver/get-tracking?userId=${id}`, http: `driver/${id}/location/stream/` };
  const connection = new Connection(options, url, routes, {
    mayBeSilent: !details,
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
  const id = encodeURIComponent(tripId);
  const routes = { socket: `trip/get-tracking?tripId=${id}`, http: `trips/${id}/stream/` };
  const connection = new Connection(options, url, routes, {
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
  const connection = new Connection(options, url, NEARBY_ROUTES, {
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
  const connection = new Connection(options, url, FLEET_ROUTES, {
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

  const id = encodeURIComponent(driverId);
  const routes = { socket: `driver/set-tracking?userId=${id}`, http: `driver/${id}/`, sends: true };
  const connection = new Connection(options, url, routes, {
    mayBeSilent: true,
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
    get transport() {
      return connection.transport;
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

/**
 * One transport after another, until the page or the server ends it. WebSockets come first. After
 * two that brought nothing, each further attempt tries the others in turn; while one of these works,
 * a better one is tried beside it from time to time.
 */
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
  /** @type {Transport | null} */
  #transport = null;
  /** The number of its kind. */
  #level = 0;
  // WebSockets in a row that brought nothing; whether this attempt did, and when it opened.
  #misses = 0;
  #isMute = true;
  #openedAt = Infinity;
  /** A better transport that is tried. @type {Transport | null} */
  #candidate = null;
  #betterDelay = BETTER_FLOOR;
  #betterAt = 0;
  /** The receiver of messages, if not the transport in use. @type {Transport | null} */
  #target = null;
  #isRepeated = false;
  /** The last frame if an error: why, if the transport closes. @type {types.TrackingError | null} */
  #error = null;
  /** @type {Map<string, any>} */
  #timers = new Map();
  #listeners = new AbortController();

  /**
   * @param {types.ConnectionOptions} options
   * @param {string | URL | undefined} url the server's root, by default of this page
   * @param {{ socket: string, http: string, sends?: boolean }} routes
   * @param {Session} session
   */
  constructor({ getToken, onState, onError, environment, httpUrl }, url = "/", routes, session) {
    this.environment = { ...browser(), ...environment };
    this.onState = onState;
    this.onError = onError;
    this.session = session;
    const { base, fetch } = this.environment;
    this.url = resolve(url, routes.socket, base, "ws");
    this.httpUrl = httpUrl ? new URL(httpUrl, base).href : resolve(url, routes.http, base, "http");
    /** @type {any[]} */
    this.kinds = [SocketTransport];
    if (fetch && httpUrl !== null) {
      this.kinds.push(...(routes.sends ? [PostTransport] : [StreamTransport, PollTransport]));
    }
    this.tokens = new Tokens(getToken, this.environment, (cause) => {
      if (this.#active) this.report("token_unavailable", `getToken failed: ${cause}`, cause);
    });
  }

  /** The name of the transport in use, or of the one that is tried next. @type {types.Transport} */
  get transport() {
    return this.kinds[this.#level].transport;
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
      get transport() {
        return connection.transport;
      },
      close: this.close,
      pause: this.pause,
      resume: this.start,
    };
  }

  /** @param {object} payload sent together with the token, which every server accepts */
  send(payload) {
    const message = { type: "authenticate", payload: { token: this.tokens.value, ...payload } };
    (this.#target ?? this.#transport)?.send(message, this.#isRepeated);
  }

  /** Reconnect unless a frame comes in time. @param {number} milliseconds */
  expect(milliseconds) {
    if (this.#target) return;
    const deadline = this.environment.now() + milliseconds;
    if (deadline >= this.#deadline) return;
    this.#deadline = deadline;
    this.#after("answer", milliseconds, () => this.#silent());
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
    this.#isRepeated = Boolean(timeout);
    this.session.sendRequest();
    this.#isRepeated = false;
    if (timeout && this.#deadline < Infinity) this.expect(timeout);
    this.#renewInTime();
  }

  #renewInTime() {
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
    this.#isMute = true;
    this.#openedAt = Infinity;
    try {
      this.#transport = this.#open(this.#level, this.#eventsOf(attempt));
    } catch (cause) {
      // Mixed content: a page served by https may not use ws.
      return this.#end(ABNORMAL, String(cause));
    }
    if (this.#isRequested) this.session.sendRequest();
    const tooLong = () => this.#lost(ABNORMAL, "connecting took too long", MAX_MISSES);
    this.#after("answer", CONNECT_TIMEOUT, tooLong);
  }

  /** @param {number} level @param {Events} events @returns {Transport} */
  #open(level, events) {
    return new this.kinds[level](this, events);
  }

  /** True if the transport's first message opens it, and its first frame shows that it works. */
  get #isRequested() {
    return Boolean(this.kinds[this.#level].isRequested);
  }

  /** @param {number} attempt @returns {Events} */
  #eventsOf(attempt) {
    const isCurrent = () => attempt === this.#attempt;
    return {
      opened: () => isCurrent() && this.#opened(),
      heard: () => isCurrent() && this.#heard(),
      received: (frame) => isCurrent() && this.#received(frame),
      lost: (code, reason) => isCurrent() && this.#lost(code, reason),
    };
  }

  /** @param {boolean} [isAsked] the session's message was sent already */
  #opened(isAsked = false) {
    this.#openedAt = this.environment.now();
    this.#heard();
    this.#after("stable", STABLE_AFTER, () => {
      this.#failures = 0;
      this.tokens.accepted();
    });
    if (this.#level) {
      this.#betterAt ||= this.#openedAt + this.#betterDelay;
      this.#after("better", this.#betterAt - this.#openedAt, () => this.#tryBetter());
    }
    this.#setState("open");
    if (isAsked) this.#renewInTime();
    else this.sendRequest();
  }

  #heard() {
    this.#heardAt = this.environment.now();
    this.#deadline = Infinity;
    this.#cancel("answer");
    const { session, environment } = this;
    if (this.#isRequested) {
      const { silence } = this.kinds[this.#level];
      if (silence) this.#after("answer", silence, () => this.#silent());
      return;
    }
    const isSeen = environment.document?.visibilityState !== "hidden";
    const delay = (isSeen && session.probeAfter?.()) || PROBE_AFTER;
    this.#after("probe", delay, () => this.sendRequest(session.probeTimeout));
  }

  /** @param {unknown} data */
  #received(data) {
    this.#heard();
    this.#isMute = false;
    if (!this.#level) this.#misses = 0;
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
    if (this.state !== "open") {
      const attempt = this.#attempt;
      this.#opened(true);
      if (attempt !== this.#attempt) return;
    }
    if ("token_expires_in" in frame) {
      this.tokens.expire();
      return void this.sendRequest();
    }
    this.session.receive(frame);
  }

  #silent() {
    this.#lost(ABNORMAL, "the server went silent", this.#isMute ? 1 : 0);
  }

  /**
   * @param {number} code @param {string} message
   * @param {number} [misses] by how much it counts against this transport
   */
  #lost(code, message, misses) {
    const isShort = this.#openedAt > this.environment.now() - CONNECT_TIMEOUT;
    misses ??= this.#isMute && isShort && code < CHOSEN_CODES ? 1 : 0;
    const error = this.#error?.code ?? (this.environment.isOnline() ? null : "offline");
    message = this.#error?.message || message;
    const isRefused = code === UNAUTHORIZED && this.tokens.refused() >= MAX_REFUSALS;
    if (isRefused || FINAL_CODES.has(code)) return this.#end(code, message, error);
    this.#abandon();
    this.session.lost?.();
    // Full jitter, so that clients do not all reconnect to a restarted server in the same instant.
    const ceiling = Math.min(RETRY_CEILING, 4 * RETRY_FLOOR * 2 ** this.#failures);
    const delay = RETRY_FLOOR + this.environment.random() * (ceiling - RETRY_FLOOR);
    const isNext = misses > 0 && error !== "offline" && this.#chooseNext(misses);
    const atOnce = isNext || (code === UNAUTHORIZED && this.#failures === 0);
    if (!isNext) this.#failures += 1;
    this.#after("retry", atOnce ? 0 : delay, () => this.#connect());
    this.#setState("reconnecting", { code, error, message, retry: true });
  }

  /**
   * Choose the transport of the next attempt after one that brought nothing; return true if it is
   * to be tried at once.
   * @param {number} misses
   */
  #chooseNext(misses) {
    if (this.#level) {
      // If none of them works, the server is unavailable: begin again with WebSockets.
      this.#level = (this.#level + 1) % this.kinds.length;
      return this.#level > 0;
    }
    this.#misses += misses;
    if (this.#misses < MAX_MISSES || this.kinds.length === 1) return false;
    this.#level = 1;
    this.#betterAt = 0;
    return true;
  }

  /** Try a better transport beside the one in use; take it with its first frame. */
  #tryBetter(level = 0) {
    if (this.#candidate || level >= this.#level || this.state !== "open") return;
    /** @type {Transport} */
    let candidate;
    const isCurrent = () => candidate && candidate === this.#candidate;
    const failed = () => {
      if (!isCurrent()) return;
      this.#dropCandidate();
      if (level + 1 < this.#level) return this.#tryBetter(level + 1);
      this.#betterDelay = Math.min(2 * this.#betterDelay, BETTER_CEILING);
      this.#betterAt = this.environment.now() + this.#betterDelay;
      this.#after("better", this.#betterDelay, () => this.#tryBetter());
    };
    /** @param {unknown} [frame] */
    const take = (frame) => {
      this.#candidate = null;
      const attempt = this.#abandon();
      this.session.lost?.();
      this.#transport = candidate;
      this.#level = level;
      this.#isMute = frame === undefined;
      this.#betterDelay = BETTER_FLOOR;
      this.#betterAt = 0;
      Object.assign(events, this.#eventsOf(attempt));
      this.#opened(!this.#isMute);
      if (!this.#isMute) events.received(frame);
    };
    const ask = async () => {
      const token = await this.tokens.obtain();
      if (!isCurrent()) return;
      if (!token) return failed();
      this.#target = candidate;
      this.session.sendRequest();
      this.#target = null;
    };
    const { mayBeSilent } = this.session;
    /** @type {Events} */
    const events = {
      opened: () => isCurrent() && (mayBeSilent ? take() : ask()),
      heard() {},
      received: (frame) => {
        if (isCurrent()) parseObject(frame)?.error ? failed() : take(frame);
      },
      lost: failed,
    };
    try {
      candidate = this.#candidate = this.#open(level, events);
    } catch {
      return; // A page served by https may not use ws.
    }
    this.#after("candidate", CONNECT_TIMEOUT, failed);
    if (this.kinds[level].isRequested) ask();
  }

  #dropCandidate() {
    const candidate = this.#candidate;
    this.#candidate = null;
    this.#cancel("candidate");
    candidate?.close();
  }

  /** Drop the transports and all timers; return the number of the next attempt. */
  #abandon() {
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    this.#deadline = Infinity;
    this.#error = null;
    this.#attempt += 1;
    this.#dropCandidate();
    this.#transport?.close();
    this.#transport = null;
    return this.#attempt;
  }

  /** @param {number} code @param {string} message @param {string | null} [error] */
  #end(code, message, error = null) {
    this.#abandon();
    this.#listeners.abort();
    this.#active = false;
    this.#failures = 0;
    this.#level = 0;
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
    this.#tryBetter();
  };

  /** @param {types.State} state @param {types.Reason | null} [reason] */
  #setState(state, reason = null) {
    this.state = state;
    call(this.onState, state, reason, this.transport);
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

class SocketTransport {
  static transport = "websocket";
  #socket;

  /** @param {Connection} connection @param {Events} events */
  constructor({ environment, url }, events) {
    const socket = (this.#socket = new environment.WebSocket(url));
    socket.onopen = () => events.opened();
    socket.onmessage = ({ data }) => events.received(data);
    socket.onclose = ({ code, reason }) => events.lost(code, reason);
    // A close event follows. Some implementations throw errors that have no listener.
    socket.onerror = () => {};
  }

  /** @param {any} message */
  send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  close() {
    this.#socket.close();
  }
}

/** The common base of the transports over HTTP. */
class HttpTransport {
  static isRequested = true;
  /** The newest request, and the one before it, which may still stream. */
  #controllers = [new AbortController(), new AbortController()];
  #asked = "";

  /** @param {Connection} connection @param {Events} events */
  constructor({ environment, httpUrl }, events) {
    this.environment = environment;
    this.fetch = /** @type {NonNullable<types.Environment["fetch"]>} */ (environment.fetch);
    this.url = httpUrl;
    this.events = events;
  }

  close() {
    for (const controller of this.#controllers) controller.abort();
  }

  /** @param {any} message @param {boolean} isRepeated */
  send({ payload: { token, command, details, ...parameters } }, isRepeated) {
    const url = new URL(this.url);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, `${value}`);
    const asked = `${token} ${url}`;
    if (asked === this.#asked && !isRepeated) return;
    this.#asked = asked;
    this.ask(url.href, token);
  }

  /** @type {(url: string, token: string) => void} */
  ask = () => {};

  /**
   * Pass the response to `read`, or the refusal to `refused`. A newer request replaces this one once
   * it is answered.
   * @param {string} url @param {string} token @param {RequestInit} init
   * @param {(response: Response, signal: AbortSignal) => any} read
   */
  async request(url, token, { headers, ...init }, read) {
    const controller = new AbortController();
    const { signal } = controller;
    const former = this.#controllers[0];
    this.#controllers = [controller, former];
    try {
      const response = await this.fetch(url, {
        ...init,
        headers: { Authorization: `Bearer ${token}`, ...headers },
        cache: "no-store",
        signal,
      });
      former.abort();
      if (signal.aborted) return;
      if (response.ok || response.status === 304) await read(response, signal);
      else await this.#refuse(response);
    } catch (cause) {
      if (!signal.aborted && controller === this.#controllers[0]) {
        this.events.lost(ABNORMAL, String(cause));
      }
    }
  }

  /** @param {Response} response */
  async #refuse(response) {
    const isOurs = response.headers.get("Content-Type")?.includes("problem+json");
    const problem = isOurs ? await response.json() : {};
    this.refused(response.status, String(problem.code), String(problem.detail), isOurs);
  }

  /**
   * @param {number} status @param {string} code @param {string} message
   * @param {boolean | undefined} isOurs false if a proxy may have sent it
   */
  refused(status, code, message, isOurs) {
    const closeCode = CODE_OF_STATUS[status];
    if (!closeCode || !isOurs) return this.events.lost(ABNORMAL, `HTTP ${status}`);
    this.fail(code, message);
    this.events.lost(closeCode, message);
  }

  /** @param {string} code @param {string} message */
  fail(code, message) {
    this.receive({ error: { code, message } });
  }

  /** @param {object} frame */
  receive(frame) {
    this.events.received(JSON.stringify(frame));
  }
}

/** Server-sent events, by `fetch`: an EventSource cannot send a token. */
class StreamTransport extends HttpTransport {
  static transport = "event-stream";
  static silence = STREAM_SILENCE;

  /** @override @param {string} url @param {string} token */
  ask = (url, token) => {
    const headers = { Accept: "text/event-stream" };
    this.request(url, token, { headers }, async ({ body }, signal) => {
      const reader = /** @type {ReadableStream<Uint8Array>} */ (body).getReader();
      const decoder = new TextDecoder();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (signal.aborted) return;
        if (done) throw new Error("the stream ended");
        const events = (text + decoder.decode(value, { stream: true })).split("\n\n");
        text = /** @type {string} */ (events.pop());
        for (const event of events) if (!signal.aborted) this.#take(event);
      }
    });
  };

  /** @param {string} event */
  #take(event) {
    const data = /^data: (.*)$/m.exec(event)?.[1];
    if (data === undefined) return this.events.heard();
    if (!event.startsWith("event: close")) return this.events.received(data);
    const { code, reason } = JSON.parse(data);
    this.events.lost(code, reason);
  }
}

/** Polling of what is to be seen now. */
class PollTransport extends HttpTransport {
  static transport = "polling";
  /** @type {any} */
  #timer;
  #etag = "";

  /** @override @param {string} url @param {string} token */
  ask = (url, token) => {
    const { setTimeout, clearTimeout } = this.environment;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      super.close();
      this.events.lost(ABNORMAL, "no answer in time");
    }, CONNECT_TIMEOUT);
    /** @type {HeadersInit} */
    const headers = { Accept: "application/json" };
    // Of the former address too: it would be the same only for the same answer.
    if (this.#etag) headers["If-None-Match"] = this.#etag;
    this.request(url, token, { headers }, async (response, signal) => {
      const frames = response.status === 304 ? [] : await response.json();
      if (signal.aborted) return;
      this.#etag = response.headers.get("ETag") ?? "";
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.ask(url, token), POLL_INTERVAL);
      this.events.heard();
      for (const frame of frames) this.receive(frame);
    });
  };

  /** @override */
  close() {
    this.environment.clearTimeout(this.#timer);
    super.close();
  }
}

/** A driver's messages as requests, one after another. */
class PostTransport extends HttpTransport {
  static transport = "polling";
  static isRequested = false;
  #isClosed = false;
  /** @type {Promise<void>} */
  #last = Promise.resolve();

  /** @param {Connection} connection @param {Events} events */
  constructor(connection, events) {
    super(connection, events);
    queueMicrotask(() => events.opened());
  }

  /** @override @param {any} message */
  send({ payload: { token, command, state, fixes, sent_at, ...fix } }) {
    const [path, method, body] = state
      ? ["state/", "PUT", { state }]
      : ["locations/", "POST", { fixes: fixes ?? [fix], sent_at }];
    const headers = { "Content-Type": "application/json" };
    const init = { method, headers, body: JSON.stringify(body) };
    this.#last = this.#last.then(() => {
      if (this.#isClosed) return;
      return this.request(this.url + path, token, init, async (response) => {
        // 201 and 204 may have no body.
        if (state) return this.receive({ state });
        /** @type {{ index: number, code: string, message: string }[]} */
        const rejected = parseObject(await response.text())?.rejected ?? [];
        const indexes = rejected.map(({ index }) => index);
        for (let i = body.fixes.length - 1; i >= 0; i -= 1) {
          const { lat, lon } = body.fixes[i];
          if (!indexes.includes(i)) return this.receive({ location_lat: lat, location_lon: lon });
        }
        this.fail(rejected[0].code, rejected[0].message);
      });
    });
  }

  /**
   * @override
   * @param {number} status @param {string} code @param {string} message
   * @param {boolean | undefined} isOurs
   */
  refused(status, code, message, isOurs) {
    // Answers to this message, as on a WebSocket.
    if (isOurs && status === 429) return this.fail("rate_limited", message);
    if (isOurs && [400, 409].includes(status)) return this.fail(code, message);
    super.refused(status, code, message, isOurs);
  }

  /** @override */
  close() {
    this.#isClosed = true;
    super.close();
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
    fetch: globalThis.fetch && ((url, init) => fetch(url, init)),
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
 * @param {"ws" | "http"} scheme in place of the root's, secure if that is
 * @returns {string} the route's address below the root
 */
function resolve(root, route, base, scheme) {
  const url = new URL(root, base);
  url.protocol = url.protocol.replace(/^(http|ws)/, scheme);
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
