/** The console's panel over the map: a driver, a trip, or the nearest free cars. */

const REFRESH = 10_000; // ms
const NEAREST = 8; // cars
const BESIDE = 960; // px of the widget, from which lists, map and panel stand beside each other

/** Return an element. @param {string} tag @param {string} className @param {string} [text] */
export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Return a button. */
export function button(className, text, work) {
  const element = make("button", className, text);
  element.type = "button";
  element.addEventListener("click", work);
  return element;
}

/** Replace an element's children if what they show has changed. The focus stays on its control. */
export function redraw(element, key, children) {
  const now = JSON.stringify(key);
  if (element.shows === now) return;
  element.shows = now;
  const controls = () => [...element.querySelectorAll("button, a")];
  const { activeElement } = document;
  const focused = controls().indexOf(activeElement);
  const name = activeElement?.getAttribute("aria-label") ?? activeElement?.textContent;
  element.replaceChildren(...children());
  if (focused < 0) return;
  const named = (control) => (control.getAttribute("aria-label") ?? control.textContent) === name;
  const next = controls().find(named) ?? controls()[focused] ?? element;
  next.focus({ preventScroll: true });
}

/**
 * @param {any} modules the page's
 * @param {object} desk the console: see `console.js`
 */
export function createPanel(modules, desk) {
  const { words, part, data, api, announce, alarm } = desk;
  const phrases = modules.consoleWords;
  const { below } = modules.consoleApi;
  const panel = part("panel");
  // Narrower, the map would have no room beside the lists and the panel.
  new ResizeObserver(() => {
    desk.element.toggleAttribute("data-tight", desk.element.clientWidth < BESIDE);
    markPanel();
  }).observe(desk.element);
  const body = part("panel-body");
  const title = part("panel-title");
  let view = null; // { kind, … }
  let previous = null; // the view that "back" leads to
  let opener = null; // where the focus goes when the panel closes
  let asked = 0;

  part("panel-close").addEventListener("click", close);
  part("panel-back").addEventListener("click", () => previous && open(previous));
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
  for (const name of ["pointerdown", "keydown"]) {
    const note = () => desk.element.toggleAttribute("data-pointing", name === "pointerdown");
    desk.element.addEventListener(name, note, { capture: true });
  }
  modules.consoleApi.whileVisible(() => view && refresh(), REFRESH);

  /** Show a view, and move the focus to its title. */
  function open(next, { from } = {}) {
    if (!view) opener = from ?? document.activeElement;
    previous = next.back ?? null;
    view = next;
    panel.hidden = false;
    markPanel();
    part("panel-back").hidden = !previous;
    note("");
    body.shows = undefined;
    body.replaceChildren(make("p", "console-quiet", words.say("loading")));
    title.textContent = next.title;
    if (next.kind !== "nearest") desk.pins.clear();
    desk.showSelection(next);
    title.focus({ preventScroll: true });
    refresh();
  }

  function close() {
    if (!view) return;
    view = null;
    panel.hidden = true;
    markPanel();
    desk.pins.clear();
    desk.showSelection(null);
    const target = opener?.isConnected && opener !== document.body ? opener : part("map");
    target.focus({ preventScroll: true });
  }

  /** Say in `data-panel` where the panel is, for the map's controls. */
  function markPanel() {
    const { element } = desk;
    const covers = element.hasAttribute("data-narrow") || element.hasAttribute("data-tight");
    if (view) element.dataset.panel = covers ? "over" : "beside";
    else delete element.dataset.panel;
  }

  /** Show a problem or news above the content. */
  function note(text, kind = "problem") {
    part("panel-note").textContent = text;
    part("panel-note").hidden = !text;
    part("panel-note").dataset.kind = kind;
  }

  async function refresh() {
    const number = (asked += 1);
    const current = view;
    try {
      const draw = await { driver: loadDriver, trip: loadTrip, nearest: loadNearest }[current.kind](
        current,
      );
      if (number === asked && view === current) draw();
    } catch (error) {
      if (number !== asked || view !== current) return;
      note(desk.problemText(error));
    }
  }

  /** Fit the map to the places of a view once. Later the dispatcher moves it. */
  function show(current, places) {
    if (current.isFitted || !places.length) return;
    current.isFitted = true;
    desk.fit(places);
  }

  // A driver

  async function loadDriver({ id }) {
    const query = { time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone };
    const driver = await api.get(below(data.driversUrl, id), query);
    return () => {
      view.row = driver;
      title.textContent = phrases.nameOf(words, driver);
      drawDriver();
    };
  }

  function drawDriver() {
    const driver = view.row;
    const now = Date.now();
    const facts = [
      [words.say("status"), words.say(`status_${driver.status ?? "unknown"}`)],
      driver.recorded_at && [words.say("seen"), seenText(driver, now)],
      driver.vehicle_type && [words.say("vehicle_type"), driver.vehicle_type],
      driver.battery !== null && driver.battery !== undefined && [
        words.say("battery"),
        batteryText(driver),
      ],
      driver.zones?.length && [words.say("zones"), driver.zones.map(({ name }) => name).join(", ")],
    ].filter(Boolean);
    const minute = Math.floor(now / 10_000);
    redraw(body, [driver, minute], () => [
      stateChip(driver, now),
      factList(facts),
      actions(
        driver.trip &&
          data.tripsUrl &&
          button("console-action console-main", words.say("show_trip", { trip: phrases.titleOf(words, driver.trip) }), () =>
            openTrip(driver.trip, { back: view }),
          ),
        link(driver.page, words.say("open_page")),
        data.replayUrl && link(data.replayUrl.replace(data.replayId, driver.userId), words.say("replay")),
      ),
      section("trips_today", (driver.trips ?? []).map(tripLine), "no_trips_today"),
      section("timeline", (driver.timeline ?? []).map(timelineLine), "no_timeline"),
      fixTable(driver.fixes ?? []),
    ].filter(Boolean));
  }

  function seenText({ userId, recorded_at: at, status }, now) {
    const ago = words.ago(now - Date.parse(at));
    // The location is stale, but the phone has sent something since.
    const heardAt = desk.stage.locationOf(userId)?.heardAt;
    const isHeard = status === "stale" && heardAt - Date.parse(at) >= desk.stage.staleAfter;
    return isHeard ? words.say("phone_online", { ago }) : ago;
  }

  function stateChip(driver, now) {
    const chip = make("p", "console-state");
    chip.dataset.state = driver.state ?? "none";
    chip.textContent = phrases.stateSince(words, driver, now);
    return chip;
  }

  function batteryText({ battery, charging }) {
    return words.say(charging ? "charging" : "percent", { count: words.number(battery) });
  }

  function tripLine(trip) {
    const item = make("li", "console-line");
    const from = words.minute(Date.parse(trip.started));
    const until = trip.ended ? words.minute(Date.parse(trip.ended)) : "";
    item.append(
      make("span", "console-when", until ? words.say("from_until", { from, until }) : from),
      make("bdi", "console-what", phrases.titleOf(words, trip)),
      make("span", "console-quiet", phrases.progress(words, trip, true)),
    );
    return item;
  }

  function timelineLine(entry) {
    const item = make("li", "console-line");
    const what = make("bdi", "console-what", phrases.happened(words, entry));
    const trip = entry.trip ? phrases.titleOf(words, entry.trip) : "";
    item.append(
      make("time", "console-when", words.minute(Date.parse(entry.at))),
      what,
      make("bdi", "console-quiet", trip),
    );
    return item;
  }

  function fixTable(fixes) {
    const found = make("section", "console-section");
    found.append(make("h3", "", words.say("fixes")));
    if (!fixes.length) {
      found.append(make("p", "console-quiet", words.say("no_fixes")));
      return found;
    }
    const table = make("table", "console-fixes");
    const head = make("tr");
    for (const name of ["fix_time", "fix_speed", "fix_accuracy"]) {
      const cell = make("th", "", words.say(name));
      cell.scope = "col";
      head.append(cell);
    }
    const top = make("thead");
    top.append(head);
    const rows = make("tbody");
    for (const { recorded_at: at, speed, accuracy } of fixes) {
      const row = make("tr");
      const known = (value, text) => (value === null || value === undefined ? "–" : text(value));
      row.append(
        make("td", "", words.time(Date.parse(at))),
        make("td", "", known(speed, (value) => words.speed(value))),
        make("td", "", known(accuracy, (value) => words.say("about_metres", { count: Math.round(value) }))),
      );
      rows.append(row);
    }
    table.append(top, rows);
    found.append(table);
    return found;
  }

  // A trip

  async function loadTrip(current) {
    const { id } = current;
    const trip = await api.get(below(data.tripsUrl, id));
    return () => {
      view.trip = trip;
      title.textContent = phrases.titleOf(words, trip);
      drawTrip();
      desk.pins.showTrip(trip);
      const places = (trip.waypoints ?? []).map(({ lat, lon }) => ({ latitude: lat, longitude: lon }));
      const car = trip.driver && desk.stage.locationOf(trip.driver.userId);
      show(current, car ? [...places, car] : places);
    };
  }

  function isOver({ status }) {
    return status === "complete" || status === "canceled";
  }

  function drawTrip() {
    const { trip } = view;
    const now = Date.now();
    const facts = [
      [words.say("driver_label"), trip.driver ? phrases.nameOf(words, trip.driver) : words.say("nobody")],
      trip.driver?.vehicle && [words.say("vehicle"), trip.driver.vehicle],
      trip.eta && [words.say("arrives_in"), phrases.arrival(words, trip.eta)],
      [words.say("created"), words.ago(now - Date.parse(trip.created_at))],
      trip.assigned_at && [words.say("assigned_at"), words.ago(now - Date.parse(trip.assigned_at))],
    ].filter(Boolean);
    const place = phrases.pickupOf(trip);
    const mayAssign = data.mayAssign && !isOver(trip) && place && data.nearbyUrl;
    redraw(body, [trip, Math.floor(now / 10_000)], () => [
      tripChip(trip),
      factList(facts),
      actions(
        mayAssign &&
          button(
            "console-action console-main",
            words.say(trip.driver ? "reassign" : "assign"),
            () => openNearest(place, { trip, back: view }),
          ),
        trip.driver &&
          data.driversUrl &&
          button("console-action", words.say("show_driver", { name: phrases.nameOf(words, trip.driver) }), () =>
            openDriver(trip.driver, { back: view }),
          ),
      ),
      section("places", (trip.waypoints ?? []).map(placeLine), "no_places"),
    ].filter(Boolean));
  }

  function tripChip(trip) {
    const chip = make("p", "console-state", phrases.progress(words, trip, Boolean(trip.driver)));
    chip.dataset.state = trip.driver ? "reserved" : "waiting";
    return chip;
  }

  function placeLine({ kind, name, lat, lon }) {
    const item = make("li", "console-line");
    item.append(
      make("span", "console-when", words.say(`place_${kind}`)),
      make("span", "console-what", name || `${Number(lat).toFixed(5)}, ${Number(lon).toFixed(5)}`),
    );
    return item;
  }

  // The nearest free cars

  async function loadNearest(current) {
    const { place } = current;
    const query = { lat: place.latitude, lon: place.longitude, count: NEAREST, order_by: "eta" };
    const { results } = await api.get(data.nearbyUrl, query);
    return () => {
      // The buttons stay while a question is open.
      if (view.asking) return;
      view.cars = results.map((car) => ({ ...car, name: desk.nameFor(car.userId) }));
      drawNearest();
      desk.pins.showNearest(place, view.cars);
      show(current, [place, ...view.cars.map(phrases.placeOf).filter(Boolean)]);
      if (!view.said) {
        view.said = true;
        announce(words.say(results.length ? "cars_found" : "no_cars", { count: results.length }));
      }
    };
  }

  function drawNearest() {
    const { cars, trip, place } = view;
    // The order and the minutes are what people read; metres change all the time.
    const key = [trip?.version, cars.map((car) => [car.userId, car.name, etaText(car), metres(car)])];
    redraw(body, key, () => {
      if (!cars.length) return [lead(trip, place), make("p", "console-quiet", words.say("no_cars"))];
      const list = make("ol", "console-cars");
      list.append(...cars.map((car, number) => carLine(car, number + 1)));
      return [lead(trip, place), list];
    });
  }

  function lead(trip, place) {
    const text = trip
      ? words.say("for_trip", { trip: phrases.titleOf(words, trip) })
      : words.say("nearest_hint");
    const found = make("p", "console-quiet", text);
    if (place.name) found.prepend(make("strong", "console-place", place.name));
    return found;
  }

  const etaText = ({ eta }) => (eta ? phrases.arrival(words, eta) : "");
  const metres = (car) => words.distance(car.eta?.distance ?? car.distance);

  function carLine(car, number) {
    const item = make("li", "console-car");
    item.dataset.car = car.userId;
    const name = phrases.nameOf(words, car);
    const show = button("console-car-name", "", () => openDriver(car, { back: view }));
    const called = make("bdi", "", name);
    show.append(make("span", "console-number", words.number(number)), called);
    if (!data.driversUrl) show.disabled = true;
    const away = make("span", "console-quiet", [etaText(car), metres(car)].filter(Boolean).join(" · "));
    item.append(show, away);
    if (view.trip && data.mayAssign) {
      const { trip } = view;
      const hasIt = trip.driver?.userId === car.userId;
      const text = words.say("assign_car");
      // The first to arrive is what a dispatcher takes in most cases.
      const look = number === 1 ? "console-action console-main" : "console-action";
      const assign = button(look, text, () => choose(trip, car, item));
      assign.setAttribute("aria-label", words.say("assign_name", { name }));
      assign.disabled = hasIt;
      item.append(assign);
    }
    return item;
  }

  /** Assign a car at once to a trip without a driver; ask before it loses the one it has. */
  async function choose(trip, car, item) {
    note("");
    let newest = trip;
    try {
      newest = await api.get(below(data.tripsUrl, trip.id));
    } catch (error) {
      return fail(desk.problemText(error));
    }
    if (view?.kind !== "nearest" || view.trip.id !== trip.id) return;
    view.trip = newest;
    if (isOver(newest)) return fail(words.say("trip_is_over"));
    const has = newest.driver?.userId;
    if (has === undefined) return assign(newest, car, item);
    if (has === car.userId) return done(newest);
    // Another dispatcher was quicker.
    const isNews = has !== trip.driver?.userId;
    ask(newest, car, item, isNews);
  }

  function ask(trip, car, item, isNews) {
    // The list may have been drawn again.
    if (!item.isConnected) item = body.querySelector(`[data-car="${CSS.escape(car.userId)}"]`) ?? body;
    body.querySelector(".console-ask")?.remove();
    view.asking = true;
    const box = make("div", "console-ask");
    box.setAttribute("role", "alertdialog");
    const values = {
      trip: phrases.titleOf(words, trip),
      driver: phrases.nameOf(words, trip.driver),
      name: phrases.nameOf(words, car),
    };
    const question = words.say(isNews ? "ask_taken" : "ask_reassign", values);
    const text = make("p", "", question);
    text.id = "tracking-console-question";
    box.setAttribute("aria-labelledby", text.id);
    const end = () => {
      view.asking = false;
      box.remove();
      item.querySelector(".console-action")?.focus();
    };
    const keep = button("console-action", words.say("keep", values), end);
    const yes = button("console-action console-main", words.say("reassign_yes"), () => {
      end();
      assign(trip, car, item);
    });
    box.append(text, actions(yes, keep));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      end();
    });
    item.append(box);
    box.scrollIntoView?.({ block: "nearest" });
    keep.focus();
  }

  async function assign(trip, car, item) {
    if (view.busy) return;
    view.busy = true;
    const current = view;
    try {
      const wanted = { driver: car.userId, version: trip.version };
      const answer = await api.post(below(data.tripsUrl, trip.id, "assign"), wanted);
      desk.refreshTrips();
      done(answer);
    } catch (error) {
      const { status, problem = {} } = error;
      const name = phrases.nameOf(words, car);
      if (status === 409 && problem.code === "trip_changed") {
        // Another dispatcher was quicker by less than a second: look again, and ask.
        current.busy = false;
        return void (view === current && choose(trip, car, item));
      }
      if (status === 409 && problem.code === "driver_taken") {
        const other = phrases.titleOf(words, { id: problem.trip, reference: problem.reference });
        fail(words.say("driver_taken", { name, trip: other }));
      } else if (status === 409 && problem.code === "driver_unavailable") {
        fail(words.say("driver_unavailable", { name }));
      } else fail(desk.problemText(error));
      if (view === current) refresh();
    } finally {
      current.busy = false;
    }
  }

  function fail(text) {
    note(text);
    alarm(text);
  }

  function done(trip) {
    const name = trip.driver ? phrases.nameOf(words, trip.driver) : "";
    const text = words.say("assigned", { name, trip: phrases.titleOf(words, trip) });
    openTrip(trip);
    note(text, "news");
    alarm("");
    announce(text);
  }

  // Openers

  function openDriver(row, options = {}) {
    open(
      { kind: "driver", id: row.userId, title: phrases.nameOf(words, row), back: options.back },
      options,
    );
  }

  function openTrip(trip, options = {}) {
    open({ kind: "trip", id: trip.id, title: phrases.titleOf(words, trip), back: options.back }, options);
  }

  function openNearest(place, options = {}) {
    const title = words.say("nearest");
    open({ kind: "nearest", place, trip: options.trip, title, back: options.back }, options);
  }

  // Parts

  function factList(facts) {
    const list = make("dl", "console-facts");
    for (const [name, value] of facts) {
      const pair = make("div");
      const text = make("dd", "", value);
      text.dir = "auto";
      pair.append(make("dt", "", name), text);
      list.append(pair);
    }
    return list;
  }

  function actions(...found) {
    const row = make("div", "console-actions");
    row.append(...found.filter(Boolean));
    return row.childElementCount ? row : "";
  }

  function link(href, text) {
    if (!href) return null;
    const element = make("a", "console-action", text);
    element.href = href;
    return element;
  }

  function section(name, lines, none) {
    const found = make("section", `console-section console-${name}`);
    found.append(make("h3", "", words.say(name)));
    if (!lines.length) {
      found.append(make("p", "console-quiet", words.say(none)));
      return found;
    }
    const list = make("ul", "console-lines");
    list.append(...lines);
    found.append(list);
    return found;
  }

  return {
    openDriver,
    openTrip,
    openNearest,
    close,
    /** The subject that is shown, or null. */
    get view() {
      return view;
    },
    /** Show the newest state of the driver in the panel. @param {any} location of the stream */
    patch(location) {
      if (view?.kind !== "driver" || !view.row || view.id !== location.userId) return;
      if (phrases.patch(view.row, location, new Date().toISOString())) drawDriver();
    },
  };
}
