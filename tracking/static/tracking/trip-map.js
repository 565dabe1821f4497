/** The rider's widget: a trip on a map, with whoever drives it, until it ends. */

const NEVER_SEEN_DELAY = 2_500; // ms after the driver is known
const NOTICE_TIME = 20_000; // ms; long enough to read who comes now
const MINUTE = 60_000;
const ORDER = ["pickup", "stop", "dropoff"];
const AROUND = 0.009; // degrees around the pickup, about 1 km: there cars are shown

/** Return a `getToken` that asks once, whoever else asks meanwhile. */
function together(getToken) {
  const asked = {};
  return ({ refresh }) =>
    (asked[refresh] ??= getToken({ refresh }).finally(() => delete asked[refresh]));
}

/** @param {HTMLElement} element @param {any} modules */
export function start(element, modules) {
  const widget = modules.mapWidget.createMapWidget(element, modules);
  const { data, part, words, announce, map } = widget;
  const { describeTrip, isRiding, nextKind, todoOf } = modules.tripWords;
  const isShared = "shared" in data;
  const panel = element.querySelector(".tracking-panel");
  const view = modules.tripView.createView(modules.leaflet, map, element, panel, widget);
  const places = modules.tripPlaces.createPlaces(modules.leaflet, map, words, part("places"));
  const eta = new modules.tripEta.Eta();
  const { polyline, routeLine } = modules;
  // What this device shows without a connection; null where the page is no app.
  const keeper = modules.memory?.keeper() ?? null;
  const route = modules.tripRoute.createRoute(modules.leaflet, map, polyline, routeLine);
  const lateness = new modules.tripLateness.Lateness();
  const card = modules.tripDriver.createDriverCard(part, words);
  const { sessionToken, abortAfter } = modules.session;
  const getToken = together(sessionToken(data));
  // The page of a link has neither.
  const share = modules.tripShare?.createShareDialog(widget, getToken, abortAfter);
  const getJSON = modules.tripSummary?.restReader(getToken, abortAfter);
  const summary = modules.tripSummary?.createSummary(modules.leaflet, map, widget, getJSON);
  const sheet = modules.tripSheet.createSheet(element, part, {
    isSmooth: () => widget.smooth,
    onSettled: view.frame,
  });

  let trip = null;
  // The car of the trip's present driver, once it has a location, and its freshness.
  let car = null;
  let freshness = null;
  let assignedAt = 0;
  let isConnected = false;
  let announced = "";
  let announcedNotice = "";
  let changedAt = -Infinity;
  let hereSince = null;
  // The cars nearby, and the handle of their stream.
  let nearbyCars = null;
  let nearby = null;
  let areCarsInView = false;

  modules.map.onReducedMotion(() => car?.setSmooth(widget.smooth));

  function addCar() {
    const { name } = trip.driver;
    car = modules.car.createCar(modules.leaflet, map, modules.motion, {
      smooth: widget.smooth,
      title: name ? words.say("car_of", { name }) : words.say("car"),
      describedBy: ["status", "detail"].map(widget.identify).join(" "),
      pick: () => setFollowing(true),
      follow(at) {
        view.follow(at);
        route.pass(at);
      },
    });
    element.dataset.car = "";
  }

  function removeCar() {
    car?.remove();
    car = null;
    freshness = new modules.freshness.Freshness(data);
    assignedAt = Date.now();
    delete element.dataset.car;
    view.locate(null);
    route.pass(null);
  }

  function setFollowing(value) {
    part("follow").setAttribute("aria-pressed", String(value));
    view.following = value;
  }

  function onTrip(next) {
    const isOther = trip?.driver && trip.driver.userId !== next.driver?.userId;
    if (isOther && !isOver(next.status)) changedAt = Date.now();
    if (!trip || trip.driver?.userId !== next.driver?.userId) removeCar();
    noteArrival(trip, next);
    trip = next;
    keeper?.remember(next);
    element.dataset.located = "";
    element.dataset.phase = phase();
    element.toggleAttribute("data-here", trip.status === "arrived_at_pickup");
    if (isOver(trip.status)) removeCar();
    eta.set(isUnderway() ? trip.eta : null, Date.now());
    lateness.push(legOf(trip), eta.arrivesAt, eta.isSure);
    route.show(isUnderway() ? trip.route : null);
    element.toggleAttribute("data-route", route.isShown);
    const kind = nextKind(trip.status);
    places.show(trip.waypoints, (of) => {
      if (of === kind && trip.driver) return "next";
      return ORDER.indexOf(of) < ORDER.indexOf(kind) ? "done" : "";
    });
    view.aim(aims(kind));
    share?.setOpen(!isOver(trip.status));
    card.show(isDriven() ? trip.driver : null);
    lookAround();
    show();
    if (phase() === "complete" && trip.waypoints.length) {
      // A ride may begin, or end, away from the place that was agreed on.
      summary?.show(trip, (line) => view.aim([...line, ...aims("")]));
    }
  }

  function isOver(status) {
    return status === "complete" || status === "canceled";
  }

  /** Return a name of the way to the next place, which has one promise of an arrival. */
  function legOf({ driver, status }) {
    return `${driver?.userId} ${nextKind(status) === "pickup" ? "pickup" : status}`;
  }

  /** Note since when the driver waits at the pickup, if that is known. */
  function noteArrival(before, { status }) {
    if (status !== "arrived_at_pickup") hereSince = null;
    else if (before && before.status !== status) hereSince = Date.now();
    else if (!before && data.waiting) hereSince = Date.now() - Number(data.waiting) * 1000;
  }

  /** Show the free cars around the pickup, as long as there is no driver. */
  function lookAround() {
    const pickup = trip.waypoints.find(({ kind }) => kind === "pickup");
    const isWanted = phase() === "looking" && pickup && data.rider && !isShared;
    if (isWanted && !nearby) {
      nearbyCars ??= modules.tripCars.createCars(modules.leaflet, map, () => widget.smooth);
      const { lat, lon } = pickup;
      nearby = modules.client.watchNearby({ url: data.url, lat, lon, getToken, onCars });
    } else if (!isWanted && nearby) {
      nearby.close();
      nearby = null;
      nearbyCars.show([]);
      areCarsInView = false;
    }
  }

  async function showEnded(last) {
    const detail = data.detailUrl ? await getJSON(data.detailUrl) : null;
    if (detail) onTrip({ ...detail, ...last });
  }

  function onCars(cars) {
    if (!nearby) return;
    nearbyCars.show(cars);
    if (!cars.length || areCarsInView) return;
    areCarsInView = true;
    // Nearer, as on a map of the whole way the cars would lie on each other.
    view.aim(aims("pickup"));
  }

  /** Return the trip's phase, by which the style sheet colours the panel. */
  function phase() {
    if (["complete", "canceled"].includes(trip.status)) return trip.status;
    if (!trip.driver) return "looking";
    return isRiding(trip.status) ? "riding" : "coming";
  }

  function isDriven() {
    return ["coming", "riding"].includes(phase());
  }

  /** Return whether the car drives to the next place, and does not wait there. */
  function isUnderway() {
    return isDriven() && !trip.status.startsWith("arrived_");
  }

  /** Return the places in view: the next one, or all of them before and after the drive. */
  function aims(kind) {
    const all = trip.waypoints;
    const pickup = all.find((waypoint) => waypoint.kind === "pickup");
    if (phase() === "looking" && areCarsInView && pickup) {
      const east = AROUND / Math.max(0.1, Math.cos((pickup.lat * Math.PI) / 180));
      return [-1, 1].map((side) => [pickup.lat + side * AROUND, pickup.lon + side * east]);
    }
    const next = trip.driver ? all.filter((waypoint) => waypoint.kind === kind) : [];
    return (next.length ? next : all).map(({ lat, lon }) => [lat, lon]);
  }

  function onLocation(location) {
    if (!car) addCar();
    if (freshness.push(location)) {
      car.push(location);
      keeper?.locate(location);
      view.locate(car.at);
    }
    show();
  }

  /** Return the text about the driver's location, if there is something to say. */
  function hint(status) {
    const { age, isPhoneHeard } = freshness;
    const ago = age === null ? "" : words.ago(age);
    if (status === "stale" && isPhoneHeard) return words.say("phone_online", { ago });
    if (status === "stale" || status === "unconnected") return words.say("last_seen", { ago });
    if (status === "offline") return words.say("offline", { ago });
    const waits = isConnected && Date.now() - assignedAt > NEVER_SEEN_DELAY;
    return status === "unknown" && waits ? words.say("will_appear") : "";
  }

  function show() {
    if (!trip) return;
    const text = describeTrip(words, trip);
    const known = freshness.status;
    // Without a connection, only the driver's last location is known.
    const status = known === "unknown" || isConnected ? known : "unconnected";
    element.dataset.status = isDriven() ? status : "";
    const arrival = arrivalText(status);
    const notice = noticeOf(arrival);
    setText("eta", arrival);
    setText("status", text.headline);
    setText("todo", isShared && trip.driver ? "" : todoOf(words, trip));
    // The card has them, or the host's own template does without a card.
    if (!part("driver")) setText("car", text.car);
    setText("detail", isDriven() ? hint(status) : "");
    showNotice(notice);
    if (status !== "unknown") car?.setStatus(status);
    // Not every change of an age, nor of the minutes.
    const news = [text.headline, text.car].filter(Boolean);
    const reason = JSON.stringify([...news, arrival && eta.milestone(Date.now())]);
    // A notice is said once, and its end is no news.
    const isNotice = ["changed", "late"].includes(notice.kind) && notice.kind !== announcedNotice;
    if (reason !== announced || isNotice) {
      announce([isNotice && notice.text, arrival, ...news].filter(Boolean).join(". "));
    }
    announced = reason;
    announcedNotice = notice.kind;
  }

  /** Return what is unusual, or the time that a driver has waited. */
  function noticeOf(arrival) {
    const now = Date.now();
    if (now - changedAt < NOTICE_TIME && !isOver(trip.status)) {
      const name = trip.driver ? "driver_changed" : "looking_again";
      return { kind: "changed", text: words.say(name) };
    }
    if (arrival && lateness.isLate(eta.arrivesAt, now)) {
      return { kind: "late", text: words.say("late", { time: words.minute(eta.arrivesAt) }) };
    }
    const waited = hereSince === null ? 0 : Math.floor((now - hereSince) / MINUTE);
    if (waited < 1) return { kind: "", text: "" };
    return { kind: "waiting", text: words.say("waiting", { count: words.number(waited) }) };
  }

  function showNotice({ kind, text }) {
    const element = part("notice");
    if (!element) return;
    element.hidden = !text;
    element.dataset.kind = kind;
    setText("notice", text);
  }

  /** Return when the car arrives, "" if it is there or nobody knows. */
  function arrivalText(status) {
    if (!isUnderway() || status === "offline") return "";
    return eta.text(words, { isRiding: phase() === "riding", now: Date.now() });
  }

  function setText(name, text) {
    // A host's own template may have no part for the arrival.
    const element = part(name);
    if (element && element.textContent !== text) element.textContent = text;
  }

  const watch = modules.client.watchTrip({
    url: data.url,
    httpUrl: data.httpUrl || null,
    tripId: data.tripId,
    getToken,
    onTrip,
    onLocation,
    onStatus(status) {
      if (status === "unknown") removeCar();
      freshness.setStatus(status);
      show();
    },
    onEnd(end) {
      const last = { driver: null, status: end, eta: null, route: null };
      const isNew = !trip;
      onTrip({ waypoints: [], ...trip, ...last });
      // A page that was opened after the end knows nothing else of the trip.
      if (isNew) showEnded(last);
    },
    onState(state, reason) {
      isConnected = state === "open";
      if (state === "closed" && reason?.error !== "trip_ended") keeper?.forget();
      // The end of a trip is no problem of the connection.
      if (reason?.error !== "trip_ended") widget.showConnection(state, reason);
      if (data.shared && state === "closed") reloadOnceEnded();
      show();
    },
  });
  part("retry").addEventListener("click", () => watch.resume());
  part("follow").addEventListener("click", () => setFollowing(!view.following));
  map.on("dragstart", () => setFollowing(false));
  part("map").addEventListener("keydown", ({ key }) => {
    if (key.startsWith("Arrow")) setFollowing(false);
  });
  const frame = () => sheet.isMoving || view.frame();
  new ResizeObserver(frame).observe(element);
  new ResizeObserver(frame).observe(panel);
  new ResizeObserver(frame).observe(part("banner"));
  if (data.trip) onTrip(JSON.parse(data.trip).trip);
  setInterval(show, 1000);
}

/** Load the page of a share link again if it says by now that the link has ended. */
async function reloadOnceEnded() {
  const page = await fetch(location.href, { method: "HEAD", cache: "no-store" }).catch(() => null);
  if (page && [404, 410].includes(page.status)) location.reload();
}
