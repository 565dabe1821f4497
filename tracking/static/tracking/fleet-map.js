/** The dispatcher's widget: everybody on one map. */

const SETTLED_AFTER = 250; // ms without a move
const TYPED_AFTER = 200; // ms without a key
const CLOSE = 16; // zoom

/** @param {HTMLElement} element @param {any} modules */
export function start(element, modules) {
  const L = modules.leaflet;
  const data = element.dataset;
  const part = (name) => element.querySelector(`[data-part="${name}"]`);
  const words = new modules.words.Words(JSON.parse(data.texts));
  const announce = modules.words.announcer(part("announcement"));
  const smooth = !modules.map.prefersReducedMotion();
  const map = modules.map.createMap(part("map"), modules, data, words);
  const fleet = new modules.fleet.Fleet({ ...modules.mercator, smooth });
  const layer = modules.fleetLayer.createFleetLayer(modules, fleet).addTo(map);
  const popup = L.popup({ className: "tracking-popup", autoPan: false, offset: [0, -8] });
  let selected = null;
  let located = false;

  const counts = ["live", "stale", "offline"].map((status) => [status, part(`count-${status}`)]);
  function showCounts() {
    for (const [status, output] of counts) {
      output.textContent = fleet.counts[status].toLocaleString(document.documentElement.lang);
    }
    part("empty").hidden = fleet.size > 0 || !located;
  }

  const watch = modules.client.watchFleet({
    url: data.url,
    getToken: modules.session.sessionToken(data),
    onSnapshot(locations) {
      fleet.replace(locations, performance.now());
      if (!located) showEverybody(locations);
      located = true;
      element.dataset.located = "";
      changed();
    },
    onUpdate(locations) {
      fleet.update(locations, performance.now());
      changed();
    },
    onRemove(userIds) {
      fleet.remove(userIds);
      changed();
    },
    onState(state, reason) {
      element.dataset.connection = state;
      const banner = {
        connecting: words.say("connecting"),
        open: "",
        reconnecting: words.say("reconnecting"),
        closed: words.reason(reason),
      }[state];
      part("connection").textContent = banner;
      part("banner").hidden = !banner;
      part("retry").hidden = state !== "closed";
      if (banner && state !== "connecting") announce(banner);
    },
  });
  part("retry").addEventListener("click", () => watch.resume());

  function changed() {
    showCounts();
    showDetails();
    layer.refresh();
  }

  function showEverybody(locations) {
    if (!locations.length) return;
    const bounds = L.latLngBounds(locations.map(({ latitude, longitude }) => [latitude, longitude]));
    map.fitBounds(bounds.pad(0.05), { animate: false, maxZoom: CLOSE });
  }

  // Only what can be seen is streamed, and a little around it.
  let settling;
  map.on("moveend", () => {
    clearTimeout(settling);
    settling = setTimeout(() => located && watch.setBbox(visible()), SETTLED_AFTER);
  });
  function visible() {
    const bounds = map.getBounds().pad(0.1);
    const limit = (value, most) => Math.max(-most, Math.min(most, value));
    return [
      limit(bounds.getWest(), 180),
      limit(bounds.getSouth(), 90),
      limit(bounds.getEast(), 180),
      limit(bounds.getNorth(), 90),
    ];
  }

  map.on("click", ({ containerPoint }) => select(layer.whoIsAt(containerPoint)));
  map.on("mousemove", ({ containerPoint }) => {
    map.getContainer().classList.toggle("tracking-pointing", layer.whoIsAt(containerPoint) !== null);
  });
  popup.on("remove", () => {
    selected = null;
    layer.select(null);
  });

  /** @param {any} location the client's, or what the search found */
  function select(location) {
    if (!location) return void popup.remove();
    selected = location;
    popup.setContent(details(location)).setLatLng([location.latitude, location.longitude]);
    popup.openOn(map);
    layer.select(location.userId);
  }

  function showDetails() {
    const row = selected && fleet.row(selected.userId);
    if (row === null || row === undefined) return;
    if (fleet.locations[row] === selected) return;
    selected = { ...selected, ...fleet.locations[row] };
    popup.setContent(details(selected));
    announce(`${selected.name ?? selected.userId}: ${words.say(selected.status ?? "live")}`);
  }

  layer.on("drawn", ({ now }) => {
    const row = selected && fleet.row(selected.userId);
    if (row === null || row === undefined || !map.hasLayer(popup)) return;
    const [x, y] = fleet.at(row, now);
    popup.setLatLng(L.CRS.EPSG3857.pointToLatLng(L.point(x, y).multiplyBy(256), 0));
  });

  function details({ userId, name, email, status, recordedAt, speed }) {
    const box = document.createElement("div");
    const line = (tag, className, text) => {
      if (!text) return;
      const node = document.createElement(tag);
      node.className = className;
      node.textContent = text;
      box.append(node);
    };
    line("strong", "tracking-popup-name", name || words.say("driver", { id: userId }));
    line("span", "tracking-popup-contact", email);
    line("span", `tracking-chip tracking-chip-${status ?? "live"}`, words.say(status ?? "live"));
    const seen = recordedAt === null ? "" : words.ago(Date.now() - recordedAt);
    const pace = speed === null || speed === undefined ? "" : words.say("kmh", { count: Math.round(speed * 3.6) });
    line("span", "tracking-popup-facts", [seen, pace].filter(Boolean).join(" · "));
    if (data.rowUrl) {
      const link = document.createElement("a");
      link.href = data.rowUrl.replace("/0/", `/${userId}/`);
      link.textContent = words.say("open_row");
      box.append(link);
    }
    return box;
  }

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
    if (!query) return void part("results").replaceChildren();
    const url = new URL(data.searchUrl, location.href);
    url.searchParams.set("q", query);
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    // Somebody typed on.
    if (number !== asked) return;
    const { drivers } = response.ok ? await response.json() : { drivers: [] };
    part("results").replaceChildren(...drivers.map(result));
    part("no-results").hidden = drivers.length > 0;
    announce(words.say("found", { count: drivers.length }));
  }

  function result(driver) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = `tracking-result tracking-result-${driver.status}`;
    const name = document.createElement("strong");
    name.textContent = driver.name;
    const email = document.createElement("span");
    email.textContent = driver.email;
    button.append(name, email);
    button.addEventListener("click", () => flyTo(driver));
    item.append(button);
    return item;
  }

  function flyTo({ userId, email, ...found }) {
    part("results").replaceChildren();
    const row = fleet.row(userId);
    const newest = row === undefined ? found : fleet.locations[row];
    const at = [newest.latitude, newest.longitude];
    if (smooth) map.flyTo(at, CLOSE, { duration: 1.2 });
    else map.setView(at, CLOSE, { animate: false });
    select({ speed: null, ...found, ...newest, userId, email, recordedAt: newest.recordedAt ?? null });
  }

  showCounts();
}
