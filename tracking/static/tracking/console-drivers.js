/** The console's list of drivers: filters, search, order, and rows that follow the stream. */

const REFRESH = 10_000; // ms
const TYPED_AFTER = 250; // ms without a key
const PAGE = 100;
const LOW = 15; // percent of a battery
// The list is refreshed from its beginning up to the rows in view. Further down its order is old,
// while the rows themselves follow the stream.
const MAX_REFRESHED = 500; // as many as the server returns at once

/** @param {any} modules the page's @param {any} desk the console */
export function createDrivers(modules, desk) {
  const { words, part, data, api, announce, alarm } = desk;
  const { make } = modules.consolePanel;
  const phrases = modules.consoleWords;
  const byId = new Map();
  let rows = [];
  let total = 0;
  let cursor = null; // of the next page
  let number = 0; // of the newest request
  let loading = false;
  let loaded = false;
  let wantedIds = null; // those of the filters that the stream does not know; null without such
  const query = { search: "", state: "", status: "", vehicle_type: "", zone: "", sort: "state" };

  const list = modules.consoleList.createList(part("drivers"), {
    id: "tracking-console-driver",
    createRow,
    onOpen: (row) => desk.openDriver(row, { from: part("drivers") }),
    onNearEnd: loadMore,
  });

  function createRow() {
    const element = make("div", "console-row");
    const dot = make("span", "console-dot");
    const name = make("strong", "console-name");
    name.dir = "auto";
    const state = make("span", "console-chip");
    const facts = make("span", "console-facts-line");
    const side = make("span", "console-side-facts");
    const waiting = make("span", "");
    const battery = make("span", "console-battery");
    side.append(waiting, battery);
    const unseen = make("span", "tracking-unseen");
    const [first, second] = [make("span", "console-row-line"), make("span", "console-row-line")];
    first.append(name, state);
    second.append(facts, side);
    element.append(dot, first, second, unseen);
    return {
      element,
      fill(row) {
        const now = Date.now();
        const location = desk.stage.shown(row);
        const status = words.say(`status_${location.status}`);
        const trip = row.trip && phrases.titleOf(words, row.trip);
        const power = row.battery;
        const has = power !== null && power !== undefined;
        const charge = has
          ? words.say(row.charging ? "charging" : "percent", { count: words.number(power) })
          : "";
        const isLow = has && power <= LOW && !row.charging;
        set(dot, "", location.status);
        set(name, phrases.nameOf(words, row));
        set(state, words.say(`state_${row.state ?? "none"}`), row.state ?? "none");
        const known = [trip, row.vehicle_type].filter(Boolean).map((text) => words.isolate(text));
        set(facts, [...known, location.status === "live" ? "" : status].filter(Boolean).join(" · "));
        set(waiting, row.since ? phrases.duration(words, now - Date.parse(row.since)) : "");
        set(battery, charge, isLow ? "low" : "");
        // The dot says it to the eye; `facts` has any other status.
        set(unseen, location.status === "live" ? status : "");
      },
    };
  }

  function set(element, text, kind) {
    if (element.textContent !== text) element.textContent = text;
    if (kind !== undefined && element.dataset.kind !== kind) element.dataset.kind = kind;
  }

  /** Load the rows from the beginning. @param {number} count */
  async function load(count = PAGE) {
    const asked = (number += 1);
    loading = true;
    try {
      const limit = Math.min(Math.ceil(count / PAGE) * PAGE, MAX_REFRESHED);
      const answer = await api.get(data.driversUrl, { ...query, limit });
      if (asked !== number) return;
      take(answer.results, answer.next, answer.total);
      desk.clearProblem("drivers");
      filterMap();
    } catch (error) {
      if (asked === number) desk.problem("drivers", error);
    } finally {
      if (asked === number) loading = false;
    }
  }

  function take(found, next, all) {
    // A refresh of the beginning keeps what was loaded below it.
    if (next && rows.length > MAX_REFRESHED) {
      const known = new Set(found.map(({ userId }) => userId));
      found = found.concat(rows.slice(found.length).filter(({ userId }) => !known.has(userId)));
    } else cursor = next;
    rows = found;
    total = all;
    loaded = true;
    byId.clear();
    for (const row of rows) byId.set(row.userId, row);
    list.set(rows, total);
    showTotal();
  }

  async function loadMore() {
    if (loading || !cursor) return;
    const asked = (number += 1);
    loading = true;
    try {
      const answer = await api.get(data.driversUrl, { ...query, limit: PAGE, after: cursor });
      if (asked !== number) return;
      cursor = answer.next;
      total = answer.total;
      for (const row of answer.results) {
        if (byId.has(row.userId)) continue;
        byId.set(row.userId, row);
        rows.push(row);
      }
      list.set(rows, total);
    } catch (error) {
      if (asked === number) desk.problem("drivers", error);
    } finally {
      if (asked === number) loading = false;
    }
  }

  const isFiltered = () => Object.entries(query).some(([name, value]) => name !== "sort" && value);

  /** Draw the cars faint that the filters leave out. The stream says their state and status. */
  async function filterMap() {
    const { search: text, vehicle_type: type, zone } = query;
    const asked = number;
    let ids = null;
    if (data.matchesUrl && (text || type || zone)) {
      try {
        const answer = await api.get(data.matchesUrl, { search: text, vehicle_type: type, zone });
        ids = new Set(answer.ids);
      } catch {
        ids = wantedIds; // the list says that the server can't be reached
      }
    }
    if (asked !== number || desk.tab !== "drivers") return;
    wantedIds = ids;
    desk.stage.filter(isFiltered() ? isWanted : null);
  }

  function isWanted({ userId, state, status }) {
    if (query.state && state !== query.state) return false;
    if (query.status && status !== query.status) return false;
    return wantedIds === null || wantedIds.has(userId);
  }

  function showTotal() {
    const some = isFiltered();
    part("drivers-empty").hidden = total > 0;
    part("drivers-empty").textContent = words.say(some ? "no_match" : "no_drivers");
    const text = words.say("drivers_found", { count: words.number(total) });
    part("drivers-total").textContent = text;
    part("clear-filters").hidden = !some;
    return some ? (total ? text : words.say("no_match")) : text;
  }

  async function filter() {
    list.toTop();
    rows = [];
    cursor = null;
    await load();
    if (loaded) announce(showTotal());
    alarm("");
  }

  let typing;
  part("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(search, TYPED_AFTER);
  });
  part("search-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    clearTimeout(typing);
    await search();
    if (rows.length) desk.openDriver(rows[0], { from: part("search") });
  });
  part("search").addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" || !rows.length) return;
    event.preventDefault();
    part("drivers").focus();
  });

  async function search() {
    const text = part("search").value.trim();
    if (text === query.search) return;
    query.search = text;
    await filter();
  }

  const fields = { state: "state", vehicle: "vehicle_type", zone: "zone", sort: "sort" };
  for (const [name, field] of Object.entries(fields)) {
    part(`filter-${name}`)?.addEventListener("change", ({ target }) => {
      query[field] = target.value;
      target.toggleAttribute("data-set", field !== "sort" && Boolean(target.value));
      filter();
    });
  }
  const statuses = ["live", "stale", "offline"];
  for (const status of statuses) {
    part(`filter-${status}`).addEventListener("click", () => {
      query.status = query.status === status ? "" : status;
      showStatus();
      filter();
    });
  }

  function showStatus() {
    for (const status of statuses) {
      part(`filter-${status}`).setAttribute("aria-pressed", String(query.status === status));
    }
  }

  part("clear-filters").addEventListener("click", () => {
    for (const name of Object.keys(query)) if (name !== "sort") query[name] = "";
    part("search").value = "";
    for (const name of ["state", "vehicle", "zone"]) {
      const field = part(`filter-${name}`);
      if (!field) continue;
      field.value = "";
      field.removeAttribute("data-set");
    }
    showStatus();
    part("search").focus();
    filter();
  });

  // On a phone, the filters are shown on request.
  part("more").addEventListener("click", () => {
    const isShown = desk.element.toggleAttribute("data-filtering");
    part("more").setAttribute("aria-expanded", String(isShown));
  });

  async function loadFilters() {
    if (!data.filtersUrl) return;
    try {
      const { vehicle_types: types = [], zones = [] } = await api.get(data.filtersUrl);
      offer("vehicle", types.map((type) => [type, type]));
      offer("zone", zones.map(({ id, name }) => [id, name]));
    } catch {
      // The list works without these two filters.
    }
  }

  function offer(name, options) {
    const field = part(`filter-${name}`);
    for (const [value, text] of options) field.append(new Option(text, String(value)));
    field.hidden = !options.length;
  }

  loadFilters();
  const run = modules.consoleApi.whileVisible(() => {
    if (!loading && desk.tab === "drivers") load(Math.max(PAGE, list.reached));
    else list.refresh();
  }, REFRESH);

  return {
    show: () => {
      run();
      list.refresh();
    },
    refresh: list.refresh,
    select: (id) => list.select(id),
    /** Return the row of a driver that is loaded. */
    row: (id) => byId.get(id),
    /** Follow the stream. @param {any[]} locations */
    patch(locations) {
      const now = new Date().toISOString();
      let changed = false;
      for (const location of locations) {
        const row = byId.get(location.userId);
        if (row && phrases.patch(row, location, now)) changed = true;
      }
      if (changed) list.refresh();
    },
  };
}
