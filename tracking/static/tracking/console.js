/** The dispatcher's console: all drivers on a map, lists beside it, and what is done from there. */

const CLOSE = 15; // zoom

/** @param {HTMLElement} element @param {any} modules */
export function start(element, modules) {
  const widget = modules.mapWidget.createMapWidget(element, modules);
  const { data, part, words, announce, alarm, map } = widget;
  const getToken = shared(modules.session.sessionToken(data));
  const api = modules.consoleApi.createApi(getToken, modules.session.abortAfter);
  const phrases = modules.consoleWords;
  let panel, drivers, trips;
  const problems = {};

  const stage = modules.fleetStage.createFleetStage(element, widget, modules, {
    getToken,
    padding: besidePanel,
    onChange() {
      part("empty").hidden = !stage.located || stage.fleet.size > 0;
      part("empty").textContent = words.say(stage.total ? "nobody_here" : "nobody_yet");
    },
    onExpire: () => drivers?.refresh(),
    onUpdate(locations) {
      drivers?.patch(locations);
      if (panel?.view) for (const location of locations) panel.patch(location);
    },
  });
  setInterval(() => stage.expire(), 1000);

  const desk = {
    element,
    data,
    part,
    words,
    announce,
    alarm,
    api,
    stage,
    tab: "drivers",
    pins: modules.consolePins.createPins(modules, map, stage, words),
    openDriver: (row, options) => panel.openDriver(row, options),
    openTrip: (trip, options) => panel.openTrip(trip, options),
    refreshTrips: () => trips?.load(),

    /** Return a driver's name, if the stream or the list has it. */
    nameFor: (id) => stage.locationOf(id)?.name ?? drivers?.row(id)?.name ?? null,

    /** Show the number of things to do on a tab. */
    badge(name, count, text) {
      const badge = part(`badge-${name}`);
      badge.hidden = count === 0;
      badge.firstElementChild.textContent = words.number(count);
      badge.lastElementChild.textContent = words.say(text, { count: words.number(count) });
    },

    /** Return the text of a failed request. */
    problemText({ status }) {
      const name = { 0: "unreachable", 401: "logged_out", 403: "not_allowed", 404: "missing", 429: "too_many" }[status];
      return words.say(`problem_${name ?? "other"}`);
    },

    /** Show above the list that its request failed. It is repeated by itself. */
    problem(name, error) {
      const text = desk.problemText(error);
      if (problems[name] !== text) alarm(text);
      problems[name] = text;
      showProblem();
    },

    clearProblem(name) {
      delete problems[name];
      showProblem();
    },

    /** Mark on the map and in the lists what the panel shows. */
    showSelection(view) {
      const driverId = view?.kind === "driver" ? view.id : null;
      stage.layer.select(driverId);
      drivers?.select(driverId);
      trips?.select(view?.kind === "trip" ? view.id : (view?.trip?.id ?? null));
      if (driverId !== null) goTo(stage.locationOf(driverId) ?? drivers?.row(driverId));
    },

    /** Move the map so that all these places are in the part that the panel leaves free. */
    fit(places) {
      const bounds = modules.leaflet.latLngBounds(places.map((place) => stage.drawnAt(place)));
      const { paddingTopLeft = [0, 0], paddingBottomRight = [0, 0] } = besidePanel();
      const { x, y } = map.getSize();
      const free = x - paddingTopLeft[0] - paddingBottomRight[0];
      // Room for the pins, the controls and the button below.
      const edge = free > 300 && y > 400 ? 70 : 24;
      map.fitBounds(bounds, {
        animate: widget.smooth,
        maxZoom: CLOSE,
        paddingTopLeft: [paddingTopLeft[0] + edge, edge],
        paddingBottomRight: [paddingBottomRight[0] + edge, paddingBottomRight[1] + edge + 20],
      });
    },
  };

  function showProblem() {
    const text = Object.values(problems)[0] ?? "";
    part("problem").textContent = text;
    part("problem").hidden = !text;
  }

  /** Move the map so that a place is in the part that the panel leaves free. */
  function goTo(row, zoom = Math.max(map.getZoom(), CLOSE)) {
    const place = row && phrases.placeOf(row);
    if (!place) return;
    const at = modules.leaflet.latLng(stage.drawnAt(place));
    const { paddingTopLeft = [0, 0], paddingBottomRight = [0, 0] } = besidePanel();
    const { x, y } = map.getSize();
    const point = map.latLngToContainerPoint(at);
    const isClear =
      zoom === map.getZoom() &&
      point.x > paddingTopLeft[0] + 60 &&
      point.x < x - paddingBottomRight[0] - 60 &&
      point.y > 40 &&
      point.y < y - paddingBottomRight[1] - 40;
    if (isClear) return;
    const aside = [(paddingBottomRight[0] - paddingTopLeft[0]) / 2, paddingBottomRight[1] / 2];
    const target = map.unproject(map.project(at, zoom).add(aside), zoom);
    map.setView(target, zoom, { animate: widget.smooth });
  }

  /** Return the padding that keeps the map's content clear of the panel. */
  function besidePanel() {
    const box = part("panel").getBoundingClientRect();
    const whole = part("map").getBoundingClientRect();
    if (!box.width) return {};
    // On a phone, the panel lies below the map, and covers its edge.
    if (element.hasAttribute("data-narrow")) {
      return { paddingBottomRight: [0, Math.max(0, whole.bottom - box.top)] };
    }
    return box.left - whole.left < whole.right - box.right
      ? { paddingTopLeft: [Math.max(0, box.right - whole.left), 0] }
      : { paddingBottomRight: [Math.max(0, whole.right - box.left), 0] };
  }

  panel = modules.consolePanel.createPanel(modules, desk);
  const tabs = modules.consoleTabs.createTabs(element, (name) => {
    desk.tab = name;
    pages[name]?.show();
    // The filters are in this tab: elsewhere nobody would know why cars are faint.
    if (name !== "drivers") stage.filter(null);
  });
  const pages = {};
  if (data.driversUrl) pages.drivers = drivers = modules.consoleDrivers.createDrivers(modules, desk);
  if (data.tripsUrl) pages.trips = trips = modules.consoleTrips.createTrips(modules, desk);
  if (data.alertsUrl) pages.alerts = modules.consoleAlerts.createAlerts(modules, desk);
  if (tabs.names.length) tabs.show(tabs.names[0]);

  // The map: a car, or the nearest free cars to a place.

  map.on("click", ({ containerPoint, latlng }) => {
    const location = stage.layer.driverAt(containerPoint);
    if (location && data.driversUrl) panel.openDriver(location, { from: part("map") });
    else searchAt(latlng);
  });
  // A right click or a long press, also where there is a car.
  map.on("contextmenu", ({ latlng }) => searchAt(latlng));
  part("here").addEventListener("click", () => {
    const { paddingTopLeft = [0, 0], paddingBottomRight = [0, 0] } = besidePanel();
    const { x, y } = map.getSize();
    const middle = [(x + paddingTopLeft[0] - paddingBottomRight[0]) / 2, y / 2];
    searchAt(map.containerPointToLatLng(middle), part("here"));
  });
  part("here").hidden = !data.nearbyUrl;

  function searchAt({ lat, lng }, from = part("map")) {
    if (!data.nearbyUrl) return;
    const { view } = panel;
    // A trip that waits for a driver stays in mind.
    const trip = view?.kind === "trip" ? view.trip : view?.trip;
    const place = { latitude: lat, longitude: modules.leaflet.Util.wrapNum(lng, [-180, 180], true) };
    const back = view?.kind === "trip" ? view : view?.back;
    panel.openNearest(place, { trip, from, back: trip ? back : undefined });
  }

  // From the map, "/" goes to the search, as in other consoles.
  element.addEventListener("keydown", (event) => {
    if (event.key !== "/" || !data.driversUrl) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    event.preventDefault();
    tabs.show("drivers");
    part("search").focus();
  });
}

/** Return a `getToken` that asks once for all who need the token at the same time. */
function shared(getToken) {
  const asked = new Map();
  return (how) => {
    if (!asked.has(how.refresh)) {
      const answer = getToken(how).finally(() => asked.delete(how.refresh));
      asked.set(how.refresh, answer);
    }
    return asked.get(how.refresh);
  };
}
