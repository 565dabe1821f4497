/** The card of the driver's trip: the next place, the way there, and the next step as a button. */

const POLL_INTERVAL = 5_000; // ms, for a new trip
const REQUEST_TIMEOUT = 8_000; // ms
const CONFIRM_DELAY = 700; // ms, longer than a double tap
const NEWS_TIME = 8_000; // ms

/**
 * @param {HTMLElement} element the widget
 * @param {any} modules
 * @param {{ words: any, part: (name: string) => any, getToken: any, say: (text: string) => void,
 *     onChange: () => void }} widget
 */
export function createCard(element, modules, { words, part, getToken, say, onChange }) {
  const { client, session, trips, memory } = modules;
  const data = element.dataset;
  const keeper = memory?.keeper() ?? null;

  let trip = null;
  let watch = null;
  let isActive = false;
  let isAsking = false;
  let askAt = -Infinity;
  let arrivesAt = null;
  let message = "";
  let messageUntil = 0;
  let confirmedFrom = 0;
  // Where this phone is.
  let here = null;

  const steps = new modules.steps.Steps({
    url: data.tripsUrl,
    getToken,
    storage: store(`tracking-steps-${data.driverId}`),
    fetch: (url, options) =>
      fetch(url, { ...options, credentials: "omit", signal: session.abortAfter(REQUEST_TIMEOUT) }),
    setTimeout: (action, milliseconds) => setTimeout(action, milliseconds),
    onChange: () => show(),
    onTrip: (next) => next.id === trip?.id && take(next),
    onRefused(status) {
      tell(words.say(status === 401 ? "error_token_invalid" : "step_refused"));
      ask();
    },
  });

  /** Say something, and unless the card says it, show it for a while. */
  function tell(text, isSeen = true) {
    message = isSeen ? text : "";
    messageUntil = isSeen ? Date.now() + NEWS_TIME : 0;
    say(text);
    show();
  }

  /** Return the trip as it is once all steps are stored. */
  function current() {
    return trip && { ...trip, status: steps.target(trip.id) ?? trip.status };
  }

  function stops() {
    return Number(store(`tracking-stops-${trip.id}`)() ?? 0) || 0;
  }

  /** Ask for the driver's trip. */
  async function ask() {
    if (isAsking) return;
    isAsking = true;
    askAt = Date.now() + POLL_INTERVAL;
    try {
      const token = await getToken({ refresh: false });
      if (!token) return;
      const query = new URLSearchParams({ driver: data.driverId, open: "true" });
      const response = await fetch(`${data.tripsUrl}?${query}`, {
        headers: { Authorization: `Bearer ${token}`, Accept: "application/json" },
        credentials: "omit",
        signal: session.abortAfter(REQUEST_TIMEOUT),
      });
      if (response.status === 401) await getToken({ refresh: true });
      // A busy server says when, in seconds.
      const later = Number(response.headers.get("Retry-After")) * 1000;
      if (later) askAt = Math.max(askAt, Date.now() + later);
      if (!response.ok) return;
      const { results } = await response.json();
      // Another answer may have come meanwhile, over the stream.
      const found = results.find(({ driver }) => String(driver?.userId) === data.driverId);
      if (found) take(found);
      else drop();
    } catch {
      // No connection: asked again soon.
    } finally {
      isAsking = false;
    }
  }

  function take(next) {
    if (!trips.isOpen(next.status)) return drop(next);
    if (String(next.driver?.userId) !== data.driverId) return drop(next);
    const isNew = next.id !== trip?.id;
    trip = next;
    arrivesAt = next.eta ? Date.now() + next.eta.seconds * 1000 : null;
    keeper?.remember(next);
    if (isNew) {
      steps.keepOnly(next.id);
      follow();
      if (next.status === "new") {
        const place = trips.nextPlace(next, 0).waypoint?.name;
        tell(place ? words.say("new_trip_at", { place }) : words.say("new_trip"), false);
        // Chrome complains about a page that vibrates before it was touched.
        if (navigator.userActivation?.hasBeenActive ?? true) navigator.vibrate?.([200, 100, 200]);
      }
    }
    show();
  }

  /** The trip has ended, or another driver has it. */
  function drop(last = null) {
    if (!trip) return;
    watch?.close();
    watch = null;
    const isDone = (last?.status ?? steps.target(trip.id)) === "complete";
    keeper?.forget();
    steps.keepOnly(null);
    trip = null;
    if (!isDone) tell(words.say(last?.status === "canceled" ? "trip_canceled" : "trip_gone"));
    else tell(words.say("trip_complete"));
    show();
  }

  /** Follow the trip, for what dispatch changes and the time of arrival. */
  function follow() {
    watch?.close();
    const { id } = trip;
    watch = client.watchTrip({
      url: data.url,
      tripId: id,
      getToken,
      onTrip: (next) => next.id === trip?.id && take(next),
      onEnd: (end) => id === trip?.id && drop({ ...trip, status: end }),
      // Refused once another driver has it.
      onState: (state) => state === "closed" && id === trip?.id && ask(),
    });
  }

  function way() {
    const { status } = current();
    const { waypoint } = trips.nextPlace(current(), stops());
    if (trips.isWaiting(status)) return words.say("you_are_here");
    const metres = trip.status === status ? trip.eta?.distance : null;
    const found = [];
    if (arrivesAt !== null && trip.status === status) {
      const minutes = Math.max(1, Math.round((arrivesAt - Date.now()) / 60_000));
      found.push(words.say("minutes_left", { count: words.number(minutes) }));
    }
    if (metres != null) found.push(words.distance(metres));
    else if (here && waypoint) {
      found.push(words.say("straight", { distance: words.distance(trips.distance(here, waypoint)) }));
    }
    return found.join(" · ");
  }

  function placeText({ kind, number, count, waypoint }) {
    if (waypoint?.name) return waypoint.name;
    return kind === "stop" && count > 1
      ? words.say("stop_number", { number: words.number(number + 1) })
      : words.say(`unnamed_${kind}`);
  }

  function show() {
    const card = part("trip");
    if (!card) return;
    const isTelling = Date.now() < messageUntil;
    setText("trip-news", isTelling ? message : "");
    part("trip-news").hidden = !isTelling;
    card.hidden = !trip;
    onChange();
    if (!trip) return;
    const now = current();
    const place = trips.nextPlace(now, stops());
    const [next, other] = trips.nextSteps(now, stops());
    card.dataset.status = now.status;
    setText("trip-kind", words.say(`kind_${now.status}`));
    setText("trip-place", placeText(place));
    setText("trip-way", way());
    setText("trip-reference", trip.reference && words.say("reference", { trip: trip.reference }));
    const link = part("navigate");
    link.hidden = !place.waypoint || trips.isWaiting(now.status);
    if (place.waypoint) {
      const url = trips.navigationUrl(place.waypoint, navigator);
      if (link.getAttribute("href") !== url) link.setAttribute("href", url);
    }
    part("navigate-hint").hidden = link.hidden;
    const isSaving = !steps.isEmpty;
    const isConfirming = confirmedFrom > 0 && next?.to === "complete";
    if (!isConfirming) confirmedFrom = 0;
    // While "complete" is not stored, there is nothing left to do.
    part("step").hidden = !next || isConfirming;
    part("confirm").hidden = !isConfirming;
    if (next) setText("step", words.say(next.name));
    part("other-step").hidden = !other;
    if (other) setText("other-step", words.say(other.name));
    const saving = isSaving ? words.say(steps.isDelayed ? "step_delayed" : "step_saving") : "";
    setText("saving", saving);
    part("saving").hidden = !isSaving;
    part("saving").toggleAttribute("data-delayed", steps.isDelayed);
    part("retry-step").hidden = !steps.isDelayed;
  }

  function setText(name, text) {
    const target = part(name);
    if (target && target.textContent !== (text ?? "")) target.textContent = text ?? "";
  }

  let tappedAt = -Infinity;
  function go(step) {
    // The button shows the step after it at once: the second of two taps is not meant for that.
    if (!step || Date.now() - tappedAt < CONFIRM_DELAY) return;
    tappedAt = Date.now();
    messageUntil = 0;
    const { status } = current();
    const done = trips.stopsAfter(status, step.to, stops());
    store(`tracking-stops-${trip.id}`)(String(done));
    steps.take(trip.id, step.to, Date.now());
    say(placeNews());
  }

  /** Return what a screen reader says after a step. */
  function placeNews() {
    if (!trip) return "";
    const now = current();
    return [words.say(`kind_${now.status}`), placeText(trips.nextPlace(now, stops()))]
      .filter(Boolean)
      .join(". ");
  }

  function next() {
    return trip && trips.nextSteps(current(), stops());
  }

  if (!part("trip") || !data.tripsUrl) {
    return { setActive() {}, locate() {}, tick() {}, hasTrip: () => false, isLeaving: () => false };
  }
  part("step").addEventListener("click", () => {
    const [step] = next() ?? [];
    if (step?.to !== "complete") return go(step);
    if (Date.now() - tappedAt < CONFIRM_DELAY) return;
    confirmedFrom = Date.now() + CONFIRM_DELAY;
    show();
    part("confirm-no").focus();
  });
  part("other-step").addEventListener("click", () => go(next()?.[1]));
  part("confirm-no").addEventListener("click", () => {
    confirmedFrom = 0;
    show();
    part("step").focus();
  });
  part("confirm-yes").addEventListener("click", () => {
    if (Date.now() < confirmedFrom) return;
    confirmedFrom = 0;
    go(next()?.[0]);
  });
  part("retry-step").addEventListener("click", steps.retry);
  let leftAt = -Infinity;
  part("navigate").addEventListener("click", () => (leftAt = Date.now()));
  addEventListener("online", steps.retry);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") ask();
  });
  ask();
  show();

  return {
    /** Look for new trips from now on, or not. */
    setActive(value) {
      if (value && !isActive) ask();
      isActive = value;
    },

    /** Note where this phone is. */
    locate(fix) {
      here = { lat: fix.latitude, lon: fix.longitude };
      keeper?.locate(fix);
    },

    tick() {
      const isSeen = document.visibilityState !== "hidden";
      if (isActive && isSeen && !trip && Date.now() >= askAt) ask();
      show();
    },

    hasTrip: () => Boolean(trip),

    /** True while the phone opens its navigation. */
    isLeaving: () => Date.now() - leftAt < 1000,
  };
}

/** Return a function that reads a text of this tab, or with a text writes it. */
function store(key) {
  return (text) => {
    try {
      if (text === undefined) return sessionStorage.getItem(key);
      sessionStorage.setItem(key, text);
    } catch {
      // Storage is full or forbidden.
    }
    return null;
  };
}
