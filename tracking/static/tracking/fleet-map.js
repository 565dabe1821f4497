/** The dispatcher's widget: everybody on one map. */

const SETTLED_AFTER = 250; // ms without a move
const TYPED_AFTER = 200; // ms without a key
const CLOSE = 16; // zoom
// Without another word after a snapshot, there is nothing more of it. A slow line takes some
// seconds for each part.
const THROUGH_AFTER = 5_000; // ms

/** @param {HTMLElement} element @param {any} modules */
export function start(element, modules) {
  const L = modules.leaflet;
  const widget = modules.mapWidget.createMapWidget(element, modules);
  const { data, part, words, announce, map } = widget;
  const fleet = new modules.fleet.Fleet({ ...modules.mercator, smooth: widget.smooth });
  modules.map.onReducedMotion(() => (fleet.smooth = widget.smooth));
  const layer = modules.fleetLayer.createFleetLayer(modules, fleet).addTo(map);
  const details = modules.fleetDetails.createDetails(words, data.rowUrl);
  const popup = L.popup({
    className: "tracking-popup",
    autoPan: false,
    minWidth: 200,
    offset: [0, -8],
  });
  popup.setContent(details.element);
  let selected = null;
  let everybody = 0;
  let located = false;
  let bbox = null;
  let partSize = 0;
  let through;

  const watch = modules.client.watchFleet({
    url: data.url,
    getToken: modules.session.sessionToken(data),
    onSnapshot(locations) {
      fleet.replace(locations, performance.now(), (place) => modules.fleet.isInside(bbox, place));
      partSize = locations.length;
      if (partSize) settleLater();
      else settle();
      changed();
    },
    onUpdate(locations) {
      fleet.update(locations, performance.now());
      // A large snapshot goes on in updates of the same size; a smaller one is its end, or after it.
      if (locations.length < partSize) settle();
      else if (partSize) settleLater();
      changed();
    },
    onRemove(userIds) {
      fleet.remove(userIds);
      changed();
    },
    onCounts(counts) {
      everybody = 0;
      for (const [status, count] of Object.entries(counts)) {
        everybody += count;
        const output = part(`count-${status}`);
        if (output) output.textContent = count.toLocaleString(document.documentElement.lang || undefined);
      }
    },
    onState: widget.showConnection,
  });
  part("retry").addEventListener("click", () => watch.resume());

  function settle() {
    clearTimeout(through);
    partSize = 0;
    fleet.settle();
  }

  function settleLater() {
    clearTimeout(through);
    through = setTimeout(() => {
      settle();
      changed();
    }, THROUGH_AFTER);
  }

  function changed() {
    // The first snapshot is of everybody, and may come in parts.
    if (!located && fleet.size >= everybody) showEverybody();
    part("empty").hidden = fleet.size > 0 || !located;
    part("empty").textContent = words.say(everybody ? "nobody_here" : "nobody_yet");
    showDetails();
    layer.refresh();
  }

  function showEverybody() {
    located = true;
    element.dataset.located = "";
    if (fleet.size) {
      const places = fleet.locations.map(({ latitude, longitude }) => [latitude, longitude]);
      const bounds = L.latLngBounds(places);
      map.fitBounds(bounds.pad(0.05), { animate: false, maxZoom: CLOSE });
    }
    // Everybody is there already, so the view has to be asked for only when it changes.
    map.on("moveend", askForView);
  }

  // Only what can be seen is streamed, and a little around it.
  let settling;
  function askForView() {
    clearTimeout(settling);
    settling = setTimeout(() => {
      bbox = visible();
      watch.setBbox(bbox);
    }, SETTLED_AFTER);
  }

  function visible() {
    const bounds = map.getBounds().pad(0.1);
    const south = Math.max(-90, bounds.getSouth());
    const north = Math.min(90, bounds.getNorth());
    if (bounds.getEast() - bounds.getWest() >= 360) return [-180, south, 180, north];
    // Over the antimeridian, the east is less than the west.
    const wrap = (longitude) => L.Util.wrapNum(longitude, [-180, 180], true);
    return [wrap(bounds.getWest()), south, wrap(bounds.getEast()), north];
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
    details.show(location);
    popup.setLatLng(drawnAt(location)).openOn(map);
    layer.select(location.userId);
  }

  /** In the copy of the world that is nearest to the middle of the map. */
  function drawnAt({ latitude, longitude }) {
    return [latitude, (layer.nearest(longitude / 360 + 0.5) - 0.5) * 360];
  }

  function showDetails() {
    const row = selected && fleet.row(selected.userId);
    if (row === null || row === undefined) return;
    if (fleet.locations[row] === selected) return;
    selected = { ...selected, ...fleet.locations[row] };
    details.show(selected);
    announce(`${selected.name ?? selected.userId}: ${words.say(selected.status ?? "live")}`);
  }

  layer.on("drawn", ({ now }) => {
    const row = selected && fleet.row(selected.userId);
    if (row === null || row === undefined || !map.hasLayer(popup)) return;
    const [x, y] = fleet.at(row, now);
    popup.setLatLng(L.CRS.EPSG3857.pointToLatLng(L.point(layer.nearest(x), y).multiplyBy(256), 0));
  });

  setInterval(() => selected && details.show(selected), 1000);

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
    if (!query) {
      part("results").replaceChildren();
      part("no-results").hidden = true;
      return;
    }
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
    const at = drawnAt(newest);
    if (widget.smooth) map.flyTo(at, CLOSE, { duration: 1.2 });
    else map.setView(at, CLOSE, { animate: false });
    select({ ...found, ...newest, userId, email });
  }
}
