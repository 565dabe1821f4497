/** A trip that is over: the way it went, how long it took and how far it was. */

const EARTH = 6_371_000; // metres
const TIMEOUT = 10_000; // ms

/** Return the metres between two places `[longitude, latitude]`. */
function distance([lonA, latA], [lonB, latB]) {
  const rad = Math.PI / 180;
  const north = Math.sin(((latB - latA) * rad) / 2) ** 2;
  const east = Math.sin(((lonB - lonA) * rad) / 2) ** 2;
  return 2 * EARTH * Math.asin(Math.sqrt(north + Math.cos(latA * rad) * Math.cos(latB * rad) * east));
}

/**
 * Return the ride in a track: from the fix nearest to the pickup to the end. The track also has the
 * driver's way to the pickup.
 *
 * @param {any} track a GeoJSON Feature of the trip's track
 * @param {any[]} waypoints
 * @returns {{ line: [number, number][], metres: number, since: number, until: number } | null}
 */
export function rideOf(track, waypoints) {
  const coordinates = track?.geometry?.coordinates ?? [];
  const times = track?.properties?.datetimes ?? [];
  if (coordinates.length < 2 || times.length !== coordinates.length) return null;
  const pickup = waypoints.find(({ kind }) => kind === "pickup");
  let first = 0;
  if (pickup) {
    const gaps = coordinates.map((at) => distance(at, [pickup.lon, pickup.lat]));
    // The last of the fixes there: the car may have waited.
    const near = Math.min(...gaps) + 30;
    first = gaps.reduce((found, gap, index) => (gap <= near ? index : found), 0);
    // A round trip ends where it began.
    if (first > coordinates.length - 2) first = gaps.indexOf(Math.min(...gaps));
  }
  const ride = coordinates.slice(first);
  if (ride.length < 2) return null;
  let metres = 0;
  for (let index = 1; index < ride.length; index += 1) {
    metres += distance(ride[index - 1], ride[index]);
  }
  return {
    line: ride.map(([lon, lat]) => [lat, lon]),
    metres,
    since: Date.parse(times[first]),
    until: Date.parse(times[times.length - 1]),
  };
}

/**
 * @param {any} L Leaflet
 * @param {any} map
 * @param {any} widget
 * @param {() => Promise<string | null>} getJSON `(url) => data`, null if it failed
 */
export function createSummary(L, map, { data, part, words }, getJSON) {
  const layers = ["edge", "line"].map((name) =>
    L.polyline([], { className: `tracking-way tracking-way-${name}`, interactive: false }),
  );
  let isShown = false;

  function setFact(name, text) {
    const element = part(name);
    if (!element) return;
    element.textContent = text;
    element.parentElement.hidden = !text;
    if (text) part("summary").hidden = false;
  }

  function draw(line, className) {
    for (const layer of layers) {
      layer.setLatLngs(line);
      layer.addTo(map).bringToBack();
      layer.getElement().classList.toggle("tracking-way-guess", className === "guess");
    }
    layers[0].bringToBack();
  }

  return {
    /** Show the summary of a complete trip; `onShown` is called when there is more on the map. */
    async show(trip, onShown) {
      if (isShown) return;
      isShown = true;
      const ends = ["pickup", "dropoff"].map((kind) =>
        trip.waypoints.find((waypoint) => waypoint.kind === kind),
      );
      // Dots: nobody knows yet which way it was.
      if (ends[0] && ends[1]) draw(ends.map(({ lat, lon }) => [lat, lon]), "guess");
      const detail = data.detailUrl ? await getJSON(data.detailUrl) : null;
      const endedAt = Date.parse(detail?.ended_at ?? "");
      if (Number.isFinite(endedAt)) setFact("ended", words.minute(endedAt));
      const track = data.trackUrl ? await getJSON(`${data.trackUrl}?max_points=1000`) : null;
      const ride = rideOf(track, trip.waypoints);
      if (!ride) return;
      draw(ride.line, "ride");
      const minutes = Math.max(1, Math.round((ride.until - ride.since) / 60_000));
      setFact("duration", words.say("minutes", { count: words.number(minutes) }));
      setFact("distance", words.distance(ride.metres));
      onShown(ride.line);
    },
  };
}

/** Return a `getJSON` of the REST API. @param {(options: any) => Promise<string | null>} getToken */
export function restReader(getToken, abortAfter) {
  return async (url) => {
    try {
      const token = await getToken({ refresh: false });
      if (!token) return null;
      const headers = { Accept: "application/json", Authorization: `Bearer ${token}` };
      const answer = await fetch(url, { headers, signal: abortAfter(TIMEOUT) });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  };
}
