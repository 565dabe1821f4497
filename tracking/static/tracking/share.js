/** The driver's widget, which shares this phone's location. */

const TEMPORARY_ERRORS = ["timeout", "token_unavailable"];

/** @param {HTMLElement} element @param {any} modules */
export function start(element, { client, session, words: { Words, speaker } }) {
  const data = element.dataset;
  const part = (name) => element.querySelector(`[data-part="${name}"]`);
  const words = new Words(JSON.parse(data.texts));
  const { announce, alarm } = speaker(part);
  const button = part("toggle");
  const getToken = session.sessionToken(data);

  const staleAfter = Number(data.staleAfter) * 1000;
  const memory = `tracking-share-${data.driverId}`;

  // Whether this driver has states: then the button begins and ends the shift.
  let hasStates = Boolean(data.driverState);
  let isOffDuty = data.driverState === "non_operational";
  let share = null;
  let lock = null;
  let problem = "";
  let state = "";
  let sent = null;
  let acknowledged = null;
  // When the newest confirmed fix was measured. Riders see nothing newer.
  let confirmedAt = null;

  /** Tell whether riders may no longer see this driver as live. */
  function isStale() {
    return Boolean(share) && confirmedAt !== null && Date.now() - confirmedAt >= staleAfter;
  }

  function show() {
    const stale = isStale() && state === "open";
    const text = problem
      ? words.say("not_sharing_properly")
      : !share
        ? words.say(isOffDuty ? "off_duty" : "stopped")
        : state === "open"
          ? stale
            ? words.say("last_position", { ago: words.ago(Date.now() - confirmedAt) })
            : words.say(acknowledged ? "sharing" : "starting")
          : state === "reconnecting"
            ? words.say("offline_keeps")
            : words.say("locating");
    element.dataset.sharing = share ? "on" : "off";
    element.dataset.connection = share ? state : "";
    element.toggleAttribute("data-problem", Boolean(problem));
    element.toggleAttribute("data-stale", stale);
    button.textContent = hasStates
      ? words.say(share ? "go_offline" : "go_online")
      : words.say(share ? "stop" : "start");
    button.setAttribute("aria-pressed", String(Boolean(share)));
    part("status").textContent = text;
    part("problem").textContent = problem;
    part("problem-box").hidden = !problem;
    part("waiting").textContent = String(share?.waiting ?? 0);
    part("sent").replaceChildren(...describe(sent));
    part("acknowledged").replaceChildren(...describe(acknowledged));
    alarm(problem || (stale ? words.say("position_is_old") : ""));
    if (!problem && !stale) announce(text);
    remember();
  }

  /** Store the fixes that are not confirmed yet, so that sharing continues after a reload. */
  function remember() {
    try {
      if (share) sessionStorage.setItem(memory, JSON.stringify(share.pending));
      else sessionStorage.removeItem(memory);
    } catch {
      // Storage is full or forbidden, so a reload ends the sharing.
    }
  }

  function remembered() {
    try {
      const pending = JSON.parse(sessionStorage.getItem(memory));
      return Array.isArray(pending) ? pending : null;
    } catch {
      return null;
    }
  }

  function describe(fix) {
    if (!fix) return [words.say("nothing_yet")];
    const place = document.createElement("span");
    place.className = "tracking-degrees";
    place.dir = "ltr"; // a minus sign stands before its number in every language
    place.textContent = `${fix.latitude.toFixed(5)}, ${fix.longitude.toFixed(5)}`;
    return [words.time(fix.at), place];
  }

  function onError({ code }) {
    // A missing signal or connection is temporary, and fixes measured meanwhile are kept.
    if (TEMPORARY_ERRORS.includes(code) || code === "off_duty") return;
    problem = words.say(`error_${code}`) || words.say("error");
    if (code === "permission_denied") stop();
    show();
  }

  function onDriverState(driverState) {
    hasStates = true;
    isOffDuty = driverState === "non_operational";
    if (isOffDuty) {
      problem = "";
      stop();
    }
    show();
  }

  function offerLogIn(isNeeded) {
    part("log-in")?.toggleAttribute("hidden", !isNeeded);
  }

  /** Keep the screen on: a phone that sleeps stops the browser and its location. */
  async function stayAwake() {
    if (!share || document.visibilityState === "hidden") return;
    try {
      lock = await navigator.wakeLock?.request("screen");
      // Sharing was stopped during the request.
      if (!share) release();
    } catch {
      // The battery is low, or the browser has no wake lock: the driver keeps the screen on.
    }
  }

  function release() {
    lock?.release();
    lock = null;
  }

  function begin(pending = []) {
    problem = "";
    state = "";
    sent = acknowledged = confirmedAt = null;
    offerLogIn(false);
    if (!isSecureContext) {
      problem = words.say("error_insecure_origin");
      return show();
    }
    if (!navigator.geolocation) {
      problem = words.say("error_no_geolocation");
      return show();
    }
    const watch = client.geolocationSource(navigator.geolocation);
    share = client.shareLocation({
      url: data.url,
      httpUrl: data.httpUrl || null,
      driverId: data.driverId,
      getToken,
      source: watch,
      pending,
      onSent(fixes) {
        const newest = fixes[fixes.length - 1];
        sent = { ...newest, at: Date.now() };
        show();
      },
      onAcknowledged({ latitude, longitude, fixes }) {
        problem = "";
        const newest = fixes[fixes.length - 1];
        sent ??= { ...newest, at: newest.recordedAt };
        confirmedAt = Math.max(confirmedAt ?? 0, newest.recordedAt);
        acknowledged = { latitude, longitude, at: Date.now() };
        show();
      },
      onError,
      onDriverState,
      onState(next, reason) {
        state = next;
        if (next === "open") problem = "";
        if (next === "closed" && reason?.code !== 1000) {
          problem = words.reason(reason);
          offerLogIn(reason?.code === 4401);
          stop();
        }
        show();
      },
    });
    if (hasStates) share.setState("available");
    stayAwake();
    show();
  }

  function stop() {
    const handle = share;
    share = null;
    handle?.close();
    release();
  }

  button.addEventListener("click", () => {
    if (!share) return begin();
    problem = "";
    // The server is told first, and answers when all before it is stored.
    if (hasStates && state === "open") share.setState("non_operational");
    else stop();
    show();
  });
  document.addEventListener("visibilitychange", stayAwake);
  addEventListener("beforeunload", (event) => {
    if (!share) return;
    event.preventDefault();
    event.returnValue = ""; // browsers show a text of their own
  });
  addEventListener("pagehide", remember);
  setInterval(() => {
    if (!share) return;
    part("waiting").textContent = String(share.waiting);
    if (isStale() || element.hasAttribute("data-stale")) show();
  }, 500);
  part("log-in")?.setAttribute("href", session.logInUrl(data));
  button.disabled = false;
  const pending = remembered();
  if (pending) begin(pending);
  else show();
}
