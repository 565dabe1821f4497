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
      follow: view.follow,
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
  }

  function setFollowing(value) {
    part("follow").setAttribute("aria-pressed", String(value));
    view.following = value;
  }

  function onTrip(next) {
    if (!trip || trip.driver?.userId !== next.driver?.userId) removeCar();
    trip = next;
    element.dataset.located = "";
    element.dataset.phase = phase();
    if (phase() === "complete" || phase() === "canceled") removeCar();
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
    const isDriven = ["coming", "riding"].includes(phase());
    const known = freshness.status;
    // Without a connection, only the driver's last location is known.
    const status = known === "unknown" || isConnected ? known : "unconnected";
    element.dataset.status = isDriven ? status : "";
    setText("status", text.headline);
    setText("car", text.car);
    setText("detail", isDriven ? hint(status) : "");
    if (status !== "unknown") car?.setStatus(status);
    // Not every change of an age.
    const news = [text.headline, text.car].filter(Boolean).join(". ");
    if (news !== announced) announce(news);
    announced = news;
  }

  function setText(name, text) {
    if (part(name).textContent !== text) part(name).textContent = text;
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
      onTrip({ waypoints: [], ...trip, driver: null, status: end });
    },
    onState(state, reason) {
      isConnected = state === "open";
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
