/** The stream of all drivers on a map: what the fleet map and the dispatcher's console share. */

const SETTLED_AFTER = 250; // ms without a move
export const CLOSE = 16; // zoom

/**
 * @param {HTMLElement} element the widget's
 * @param {any} widget from `createMapWidget`
 * @param {any} modules the page's
 * @param {object} options
 * @param {Function} options.getToken
 * @param {() => object} options.padding Leaflet's padding that keeps clear of panels on the map
 * @param {() => void} options.onChange the drivers have changed
 * @param {() => void} options.onExpire the statuses that may be shown have changed
 * @param {(locations: any[]) => void} [options.onUpdate] these have new locations, statuses or states
 */
export function createFleetStage(element, widget, modules, options) {
  const L = modules.leaflet;
  const { data, part, words, map } = widget;
  const fleet = new modules.fleet.Fleet({ ...modules.mercator, smooth: widget.smooth });
  modules.map.onReducedMotion(() => (fleet.smooth = widget.smooth));
  const layer = modules.fleetLayer.createFleetLayer(modules, fleet).addTo(map);
  const staleAfter = Number(data.staleAfter) * 1000;
  let isConnected = false;
  let heardAt = -Infinity; // when the server last sent something, by `performance.now()`
  let bbox = null;

  const stage = {
    fleet,
    layer,
    staleAfter,
    /** The number of all drivers. */
    total: 0,
    /** True once the first snapshot is complete. */
    located: false,

    /** Return a location with the status that may be shown now. */
    shown(location) {
      if (!isConnected) return { ...location, status: "unconnected" };
      const known = modules.fleet.STATUSES.indexOf(location.status ?? "live");
      return { ...location, status: modules.fleet.STATUSES[Math.min(known, fleet.bestStatus)] };
    },

    /** Return the driver's newest location of the stream, or undefined. */
    locationOf(id) {
      const row = fleet.row(id);
      return row === undefined ? undefined : fleet.locations[row];
    },

    /** Return a place in the copy of the world that is nearest to the middle of the map. */
    drawnAt({ latitude, longitude }) {
      return [latitude, (layer.nearest(longitude / 360 + 0.5) - 0.5) * 360];
    },

    /** Return where a row of the fleet is drawn now, in degrees. */
    drawnRow(row, now) {
      const [x, y] = fleet.at(row, now);
      return L.CRS.EPSG3857.pointToLatLng(L.point(layer.nearest(x), y).multiplyBy(256), 0);
    },

    /** Draw the drivers faint that a filter does not want; with null, none. */
    filter(wanted) {
      fleet.filter(wanted);
      layer.refresh();
    },

    /** Limit the shown statuses by the time since the server's last frame. */
    expire() {
      const isQuiet = performance.now() - heardAt >= staleAfter;
      const best = !isConnected ? 0 : isQuiet ? 1 : 2;
      if (best === fleet.bestStatus) return;
      fleet.bestStatus = best;
      element.toggleAttribute("data-frozen", best === 0);
      options.onExpire();
      layer.refresh();
    },
  };

  const watch = modules.client.watchFleet({
    url: data.url,
    httpUrl: data.httpUrl || null,
    getToken: options.getToken,
    onSnapshot(locations) {
      heardAt = performance.now();
      fleet.replace(locations, performance.now(), (place) => modules.fleet.isInside(bbox, place));
      options.onUpdate?.(locations);
      changed();
    },
    onSnapshotEnd() {
      fleet.settle();
      if (!stage.located) showEverybody();
      changed();
    },
    onUpdate(locations) {
      heardAt = performance.now();
      fleet.update(locations, performance.now());
      options.onUpdate?.(locations);
      changed();
    },
    onRemove(userIds) {
      heardAt = performance.now();
      fleet.remove(userIds);
      changed();
    },
    onCounts(counts) {
      heardAt = performance.now();
      stage.total = 0;
      for (const [status, count] of Object.entries(counts)) {
        stage.total += count;
        const output = part(`count-${status}`);
        if (output) output.textContent = words.number(count);
      }
    },
    onState(state, reason) {
      widget.showConnection(state, reason);
      isConnected = state === "open";
      stage.expire();
    },
  });
  part("retry").addEventListener("click", () => watch.resume());

  function changed() {
    stage.expire();
    options.onChange();
    layer.refresh();
  }

  function showEverybody() {
    stage.located = true;
    element.dataset.located = "";
    if (fleet.size) {
      const places = fleet.locations.map(({ latitude, longitude }) => [latitude, longitude]);
      const bounds = L.latLngBounds(places);
      map.fitBounds(bounds.pad(0.05), { animate: false, maxZoom: CLOSE, ...options.padding() });
    }
    // The first snapshot is of all drivers, so request the view only when it changes.
    map.on("moveend", askForView);
  }

  // Stream only the drivers in view, and in a margin around it.
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
    // Across the antimeridian, east is less than west.
    const wrap = (longitude) => L.Util.wrapNum(longitude, [-180, 180], true);
    return [wrap(bounds.getWest()), south, wrap(bounds.getEast()), north];
  }

  map.on("mousemove", ({ containerPoint }) => {
    map.getContainer().classList.toggle("tracking-pointing", layer.driverAt(containerPoint) !== null);
  });

  return stage;
}
