/** The rider's widget: a trip on a map, with whoever drives it, until it ends. */

const NEVER_SEEN_DELAY = 2_500; // ms after the driver is known

/** @param {HTMLElement} element @param {any} modules */
export function start(element, modules) {
  const widget = modules.mapWidget.createMapWidget(element, modules);
  const { data, part, words, announce, map } = widget;
  const { describeTrip, isRiding, nextKind } = modules.tripWords;
  const panel = element.querySelector(".tracking-panel");
  const view = modules.tripView.createView(modules.leaflet, map, element, panel, widget);
  const places = modules.tripPlaces.createPlaces(modules.leaflet, map, words, part("places"));
  const eta = new modules.tripEta.Eta();
  const { polyline, routeLine } = modules;
  // What this device shows without a connection; null where the page is no app.
  const keeper = modules.memory?.keeper() ?? null;
  const route = modules.tripRoute.createRoute(modules.leaflet, map, polyline, routeLine);

  let trip = null;
  // The car of the trip's present driver, once it has a location, and its freshness.
  let car = null;
  let freshness = null;
  let assignedAt = 0;
  let isConnected = false;
  let announced = "";

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
    if (!trip || trip.driver?.userId !== next.driver?.userId) removeCar();
    trip = next;
    keeper?.remember(next);
    element.dataset.located = "";
    element.dataset.phase = phase();
    element.toggleAttribute("data-here", trip.status === "arrived_at_pickup");
    if (phase() === "complete" || phase() === "canceled") removeCar();
    eta.set(isUnderway() ? trip.eta : null, Date.now());
    route.show(isUnderway() ? trip.route : null);
    element.toggleAttribute("data-route", route.isShown);
    const kind = nextKind(trip.status);
    places.show(trip.waypoints, (of) => {
      if (of === kind && trip.driver) return "next";
      return of === "pickup" && kind !== "pickup" ? "done" : "";
    });
    view.aim(aims(kind));
    show();
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
    setText("eta", arrival);
    setText("status", text.headline);
    setText("car", text.car);
    setText("detail", isDriven() ? hint(status) : "");
    if (status !== "unknown") car?.setStatus(status);
    // Not every change of an age, nor of the minutes.
    const news = [text.headline, text.car].filter(Boolean);
    const reason = JSON.stringify([...news, arrival && eta.milestone(Date.now())]);
    if (reason !== announced) announce([arrival, ...news].filter(Boolean).join(". "));
    announced = reason;
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
    tripId: data.tripId,
    getToken: modules.session.sessionToken(data),
    onTrip,
    onLocation,
    onStatus(status) {
      if (status === "unknown") removeCar();
      freshness.setStatus(status);
      show();
    },
    onEnd(end) {
      onTrip({ waypoints: [], ...trip, driver: null, status: end, eta: null, route: null });
    },
    onState(state, reason) {
      isConnected = state === "open";
      if (state === "closed" && reason?.error !== "trip_ended") keeper?.forget();
      // The end of a trip is no problem of the connection.
      if (reason?.error !== "trip_ended") widget.showConnection(state, reason);
      show();
    },
  });
  part("retry").addEventListener("click", () => watch.resume());
  part("follow").addEventListener("click", () => setFollowing(!view.following));
  map.on("dragstart", () => setFollowing(false));
  part("map").addEventListener("keydown", ({ key }) => {
    if (key.startsWith("Arrow")) setFollowing(false);
  });
  new ResizeObserver(view.frame).observe(element);
  new ResizeObserver(view.frame).observe(panel);
  if (data.trip) onTrip(JSON.parse(data.trip).trip);
  setInterval(show, 1000);
}
