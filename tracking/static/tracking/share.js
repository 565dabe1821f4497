/** The driver's widget: the shift, what is sent of this phone's location, and the trip. */

const TEMPORARY_ERRORS = ["timeout", "token_unavailable"];
const HIDDEN_TIME = 20_000; // ms without sending after which the driver is told
const HIDDEN_NOTE_TIME = 60_000; // ms
const LOCATING_TIME = 8_000; // ms until the driver is told what helps
const MINUTE = 60_000;

/** @param {HTMLElement} element @param {any} modules */
export function start(element, modules) {
  const { client, session, tab, words: { Words, speaker } } = modules;
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
  // True while the server has not confirmed the end of the shift.
  let isEnding = false;
  let isSetElsewhere = false;
  let share = null;
  let beganAt = 0;
  let releaseTab = null;
  let isInOtherTab = false;
  let lock = null;
  // "" while not known; "on" while the screen stays on; "off" if the browser does not see to it.
  let screen = "";
  let permission = "";
  let problem = "";
  let state = "";
  let sent = null;
  let acknowledged = null;
  // When the newest confirmed fix was measured. Riders see nothing newer.
  let confirmedAt = null;
  let hiddenNote = "";
  let hiddenNoteUntil = 0;

  /** Tell whether riders may no longer see this driver as live. */
  function isStale() {
    return Boolean(share) && confirmedAt !== null && Date.now() - confirmedAt >= staleAfter;
  }

  function headline(stale) {
    if (problem) return words.say("not_sharing_properly");
    if (!share) return words.say(isOffDuty ? "off_duty" : "stopped");
    if (isEnding) return words.say("going_off_duty");
    if (state === "reconnecting") return words.say("offline_keeps");
    if (state !== "open") return words.say("locating");
    if (stale) return words.say("last_position", { ago: words.ago(Date.now() - confirmedAt) });
    if (!acknowledged) return words.say("starting");
    return words.say(hasStates ? "on_duty" : "sharing");
  }

  /** Return what the headline does not say, and what helps. */
  function advice(stale) {
    if (problem) return "";
    if (!share && isOffDuty) {
      return words.say(isSetElsewhere ? "off_duty_elsewhere" : "off_duty_hint");
    }
    if (!share) return "";
    if (isEnding) return state === "open" ? "" : words.say("off_duty_later");
    if (state === "reconnecting") return "";
    if (!acknowledged && permission === "prompt" && !sent) return words.say("allow_hint");
    if (!sent && Date.now() - beganAt > LOCATING_TIME) return words.say("locating_hint");
    if (stale) return words.say("stale_hint");
    return acknowledged && hasStates ? words.say("sharing") : "";
  }

  function buttonText() {
    if (!hasStates) return words.say(share ? "stop" : "start");
    if (!share) return words.say("go_on_duty");
    if (isEnding) return words.say(state === "open" ? "going_off_duty" : "stay_on_duty");
    return words.say("go_off_duty");
  }

  function sendingText() {
    const count = share?.waiting ?? 0;
    if (state !== "open" && count > 0) {
      return words.say("waiting_offline", { count: words.number(count) });
    }
    if (!acknowledged) return words.say("nothing_sent");
    return words.say("sent_ago", { ago: words.ago(Date.now() - acknowledged.at) });
  }

  function show() {
    const stale = isStale() && state === "open";
    const text = headline(stale);
    element.dataset.sharing = share ? "on" : "off";
    element.dataset.connection = share ? state : "";
    element.toggleAttribute("data-problem", Boolean(problem));
    element.toggleAttribute("data-stale", stale);
    element.toggleAttribute("data-confirmed", Boolean(acknowledged));
    setText("toggle", buttonText());
    button.disabled = isEnding && state === "open";
    button.setAttribute("aria-pressed", String(Boolean(share)));
    setText("status", text);
    setText("hint", advice(stale));
    setText("problem", problem);
    toggle("problem-box", !problem);
    toggle("use-tab", !isInOtherTab);
    toggle("before", Boolean(share));
    toggle("sending", !share);
    setText("sending-summary", sendingText());
    const isNoted = Boolean(share) && Date.now() < hiddenNoteUntil;
    setText("was-hidden", isNoted ? hiddenNote : "");
    toggle("was-hidden", !isNoted);
    const mayTurnOff = Boolean(share) && screen === "off";
    setText("screen", mayTurnOff ? words.say("screen_may_sleep") : "");
    toggle("screen", !mayTurnOff);
    setText("waiting", String(share?.waiting ?? 0));
    part("sent")?.replaceChildren(...describe(sent));
    part("acknowledged")?.replaceChildren(...describe(acknowledged));
    alarm(problem || (stale ? words.say("position_is_old") : ""));
    if (!problem && !stale) announce(text);
    remember();
  }

  // A host's own template may omit parts.
  function setText(name, text) {
    const target = part(name);
    if (target && target.textContent !== text) target.textContent = text;
  }

  function toggle(name, isHidden) {
    part(name)?.toggleAttribute("hidden", isHidden);
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
    if (code === "state_conflict") isEnding = false;
    problem = words.say(`error_${code}`) || words.say("error");
    if (code === "permission_denied") stop();
    show();
  }

  function onDriverState(driverState) {
    hasStates = true;
    isOffDuty = driverState === "non_operational";
    if (isOffDuty) {
      problem = "";
      isSetElsewhere = !isEnding;
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
      screen = lock ? "on" : "off";
      // The browser takes it back on a low battery, and while the page is hidden.
      lock?.addEventListener?.("release", () => {
        if (share && document.visibilityState !== "hidden") screen = "off";
        show();
      });
      // Sharing was stopped during the request.
      if (!share) release();
    } catch {
      // The battery is low, or the browser forbids it: the driver keeps the screen on.
      screen = "off";
    }
    show();
  }

  function release() {
    lock?.release();
    lock = null;
    screen = "";
  }

  /** Ask how the browser will answer, as far as it says so (Safari from 16 on). */
  async function askPermission() {
    try {
      const status = await navigator.permissions?.query({ name: "geolocation" });
      if (!status) return;
      permission = status.state;
      status.onchange = () => {
        permission = status.state;
        if (permission === "granted" && !share) problem = "";
        show();
      };
      if (permission === "denied" && !share) problem = words.say("error_permission_denied");
      show();
    } catch {
      // This browser does not say.
    }
  }

  /** Return why this page cannot share at all, or "". */
  function obstacle() {
    // Such a page is refused like one without permission, but allowing it would not help.
    if (!isSecureContext) return words.say("error_insecure_origin");
    return navigator.geolocation ? "" : words.say("error_no_geolocation");
  }

  function begin(pending = [], steal = false) {
    problem = "";
    state = "";
    sent = acknowledged = confirmedAt = null;
    isEnding = isSetElsewhere = isInOtherTab = false;
    offerLogIn(false);
    problem = obstacle();
    if (problem) return show();
    releaseTab?.();
    releaseTab = tab.holdTab(memory, {
      steal,
      begin: () => connect(pending),
      refuse: () => otherTab("other_tab"),
      lose: () => otherTab("moved_to_other_tab"),
    });
  }

  function otherTab(text) {
    stop();
    problem = words.say(text);
    isInOtherTab = true;
    show();
  }

  function connect(pending) {
    const watch = client.geolocationSource(navigator.geolocation);
    beganAt = Date.now();
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
        card.locate(newest);
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
    card.setActive(true);
    show();
  }

  function stop() {
    const handle = share;
    share = null;
    isEnding = false;
    handle?.close();
    release();
    releaseTab?.();
    releaseTab = null;
    card.setActive(false);
  }

  button.addEventListener("click", () => {
    if (!share) return begin();
    problem = "";
    if (!hasStates) stop();
    else {
      // The server is told first, and answers when all before it is stored.
      isEnding = !isEnding;
      share.setState(isEnding ? "non_operational" : "available");
    }
    show();
  });
  part("use-tab")?.addEventListener("click", () => begin([], true));

  let hiddenAt = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") return void (hiddenAt = Date.now());
    stayAwake();
    const since = acknowledged?.at ?? hiddenAt;
    const silence = Date.now() - Math.max(since, hiddenAt);
    if (share && hiddenAt && silence >= HIDDEN_TIME) {
      hiddenNote = words.say("was_hidden", { time: duration(silence) });
      hiddenNoteUntil = Date.now() + HIDDEN_NOTE_TIME;
    }
    show();
  });

  function duration(milliseconds) {
    const [name, unit] =
      milliseconds < MINUTE
        ? ["seconds", 1000]
        : milliseconds < 60 * MINUTE
          ? ["minutes", MINUTE]
          : ["hours", 60 * MINUTE];
    return words.say(name, { count: words.number(Math.floor(milliseconds / unit)) });
  }

  addEventListener("beforeunload", (event) => {
    // The link to the phone's navigation leaves this page where it is.
    if (!share || card.isLeaving()) return;
    event.preventDefault();
    event.returnValue = ""; // browsers show a text of their own
  });
  addEventListener("pagehide", remember);
  let shownAt = 0;
  setInterval(() => {
    card.tick();
    if (!share) return;
    setText("waiting", String(share.waiting));
    const isAged = Date.now() - shownAt >= 1000;
    if (isAged || isStale() || element.hasAttribute("data-stale")) {
      shownAt = Date.now();
      show();
    }
  }, 500);
  part("log-in")?.setAttribute("href", session.logInUrl(data));
  const card = modules.card.createCard(element, modules, {
    words,
    part,
    getToken,
    say: announce,
    onChange: () => element.toggleAttribute("data-trip", !part("trip").hidden),
  });
  button.disabled = false;
  const pending = remembered();
  if (pending) begin(pending);
  else {
    problem = obstacle();
    show();
  }
  if (!obstacle()) askPermission();
}
