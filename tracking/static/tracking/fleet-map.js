/** The dispatcher's widget: all drivers on one map. */

const TYPED_AFTER = 200; // ms without a key
const SEARCH_TIMEOUT = 10_000; // ms

/** @param {HTMLElement} element @param {any} modules */
export function start(element, modules) {
  const L = modules.leaflet;
  const widget = modules.mapWidget.createMapWidget(element, modules);
  const { data, part, words, announce, alarm, map } = widget;
  const details = modules.fleetDetails.createDetails(words, data, Number(data.staleAfter) * 1000);
  const popup = L.popup({
    className: "tracking-popup",
    autoPan: false,
    minWidth: 200,
    maxWidth: 240,
    offset: [0, -8],
  });
  popup.setContent(details.element);
  popup.on("add", () => {
    // Leaflet's own label is in English only.
    const close = popup.getElement().querySelector(".leaflet-popup-close-button");
    close?.setAttribute("aria-label", words.say("close"));
  });
  let selected = null;

  const stage = modules.fleetStage.createFleetStage(element, widget, modules, {
    getToken: modules.session.sessionToken(data),
    padding: besidePanel,
    onChange: changed,
    onExpire: () => selected && details.show(stage.shown(selected)),
  });
  const { fleet, layer } = stage;

  function changed() {
    // The first snapshot is of all drivers. Until it is complete, the panel shows "loading".
    if (stage.located) {
      part("empty").hidden = fleet.size > 0;
      part("empty").textContent = words.say(stage.total ? "nobody_here" : "nobody_yet");
      part("steps")?.toggleAttribute("hidden", fleet.size === 0);
    }
    part("busy")?.toggleAttribute("hidden", !fleet.hasBusy());
    showDetails();
  }

  /** Return the padding that keeps the map's content clear of the panel. */
  function besidePanel() {
    const panel = element.querySelector(".tracking-panel")?.getBoundingClientRect();
    if (!panel?.width) return {};
    const whole = element.getBoundingClientRect();
    if (panel.width > whole.width / 2) {
      return { paddingBottomRight: [0, Math.max(0, whole.bottom - panel.top)] };
    }
    return panel.left - whole.left < whole.right - panel.right
      ? { paddingTopLeft: [panel.right - whole.left, 0] }
      : { paddingBottomRight: [whole.right - panel.left, 0] };
  }

  map.on("click", ({ containerPoint }) => {
    select(layer.driverAt(containerPoint));
    bringIntoView();
  });
  popup.on("remove", () => {
    selected = null;
    layer.select(null);
    // Otherwise the focus is lost with the popup's close button.
    const { activeElement } = document;
    if (activeElement === document.body || popup.getElement()?.contains(activeElement)) focusMap();
  });

  /** @param {any} location from the client or from a search result */
  function select(location) {
    if (!location) return void popup.remove();
    selected = location;
    details.show(stage.shown(location));
    popup.setLatLng(stage.drawnAt(location)).openOn(map);
    layer.select(location.userId);
  }

  /** Pan the map once so that the popup is visible. Later moves of the car do not pan the map. */
  function bringIntoView() {
    const box = popup.isOpen() && popup.getElement()?.getBoundingClientRect();
    if (!box) return;
    const whole = map.getContainer().getBoundingClientRect();
    const { paddingTopLeft = [0, 0], paddingBottomRight = [0, 0] } = besidePanel();
    const banner = part("banner").getBoundingClientRect();
    const top = Math.max(whole.top, banner.height && banner.bottom);
    const x = beyond(
      [box.left, box.right],
      [whole.left + paddingTopLeft[0], whole.right - paddingBottomRight[0]],
    );
    const y = beyond([box.top, box.bottom], [top, whole.bottom - paddingBottomRight[1]]);
    if (x || y) map.panBy([x, y], { animate: widget.smooth });
  }

  part("previous")?.addEventListener("click", () => step(-1));
  part("next")?.addEventListener("click", () => step(1));

  /** Select the next driver to the east or west: a click on the map, for keyboards. */
  function step(direction) {
    const now = performance.now();
    const rows = Array.from({ length: fleet.size }, (_, row) => [layer.nearest(fleet.at(row, now)[0]), row]);
    rows.sort(([x, row], [otherX, other]) => direction * (x - otherX || row - other));
    const current = selected && fleet.row(selected.userId);
    const after = rows.findIndex(([, row]) => row === current) + 1;
    if (after === rows.length) return announce(words.say("nobody_further"));
    select(fleet.locations[rows[after][1]]);
    bringIntoView();
    announceSelected();
  }

  function announceSelected() {
    const status = words.say(stage.shown(selected).status ?? "live");
    const state = modules.fleetDetails.stateText(words, selected);
    announce(`${selected.name ?? selected.userId}: ${[status, state].filter(Boolean).join(", ")}`);
  }

  function showDetails() {
    const row = selected && fleet.row(selected.userId);
    if (row === null || row === undefined) return;
    if (fleet.locations[row] === selected) return;
    selected = { ...selected, ...fleet.locations[row] };
    details.show(stage.shown(selected));
    announceSelected();
  }

  layer.on("drawn", ({ now }) => {
    const row = selected && fleet.row(selected.userId);
    if (row === null || row === undefined || !map.hasLayer(popup)) return;
    popup.setLatLng(stage.drawnRow(row, now));
  });

  setInterval(() => {
    stage.expire();
    if (selected) details.show(stage.shown(selected));
  }, 1000);

  let typing;
  let asked = 0;
  part("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(search, TYPED_AFTER);
  });
  part("search-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    clearTimeout(typing);
    await search();
    part("results").querySelector("button")?.click();
  });

  async function search() {
    const query = part("search").value.trim();
    const number = (asked += 1);
    if (!query) return showFound([], "");
    const { drivers = [], total = 0, problem } = await find(query);
    // The query has changed meanwhile.
    if (number !== asked) return;
    const count = total > drivers.length ? "found_more" : "found";
    const found = words.say(drivers.length ? count : "found_nobody", {
      count: words.number(total),
      shown: drivers.length,
    });
    // Say how many there are only if not all of them are listed.
    showFound(drivers, problem ?? (total > drivers.length || !total ? found : ""));
    alarm(problem ?? "");
    if (!problem) announce(found);
  }

  /** Return the server's results, or the text of a `problem`. */
  async function find(query) {
    const url = new URL(data.searchUrl, location.href);
    url.searchParams.set("q", query);
    try {
      const response = await fetch(url, {
        headers: { Accept: "application/json" },
        signal: modules.session.abortAfter(SEARCH_TIMEOUT),
      });
      const isJSON = response.headers.get("Content-Type")?.startsWith("application/json");
      // The server redirects logged-out users to the log-in page.
      if (response.redirected || [401, 403].includes(response.status)) {
        return { problem: words.say("search_logged_out") };
      }
      if (!response.ok || !isJSON) return { problem: words.say("search_failed") };
      return await response.json();
    } catch {
      return { problem: words.say("search_unreachable") };
    }
  }

  function showFound(drivers, note) {
    part("results").replaceChildren(...drivers.map(result));
    part("search-note").textContent = note;
    part("search-note").hidden = !note;
  }

  function result(driver) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = `tracking-result tracking-result-${driver.status}`;
    const name = document.createElement("strong");
    name.textContent = driver.name;
    name.dir = "auto";
    name.title = driver.name;
    const email = document.createElement("span");
    email.textContent = driver.email;
    const status = document.createElement("span");
    status.className = "tracking-result-status";
    status.textContent = words.say(driver.status);
    button.append(name, status, email);
    button.addEventListener("click", () => flyTo(driver));
    item.append(button);
    return item;
  }

  function flyTo({ userId, email, ...found }) {
    showFound([], "");
    const row = fleet.row(userId);
    const newest = row === undefined ? found : fleet.locations[row];
    const at = stage.drawnAt(newest);
    select({ ...found, ...newest, userId, email });
    map.once("moveend", bringIntoView);
    if (widget.smooth) map.flyTo(at, modules.fleetStage.CLOSE, { duration: 1.2 });
    else map.setView(at, modules.fleetStage.CLOSE, { animate: false });
    announceSelected();
    // The focused result was removed. From the map, Tab moves into the popup, and Escape closes it.
    focusMap();
  }

  function focusMap() {
    map.getContainer().focus({ preventScroll: true });
  }
}

const MARGIN = 10; // px

/** Return how far to move a span into another. Of a longer one, only the start is moved inside. */
function beyond([from, to], [low, high]) {
  if (from < low + MARGIN) return from - low - MARGIN;
  return Math.max(0, Math.min(to - high + MARGIN, from - low - MARGIN));
}
