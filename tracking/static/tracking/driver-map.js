/** The rider's widget: one driver on a map, with a text for the status. */

const NEVER_SEEN_DELAY = 2_500; // ms after connecting
const CLOSE_ZOOM = 16;

/** @param {HTMLElement} element @param {any} modules */
export function start(element, modules) {
  const widget = modules.mapWidget.createMapWidget(element, modules);
  const { data, part, words, announce, map } = widget;
  const freshness = new modules.freshness.Freshness(data);

  let following = true;
  let isConnected = false;
  let openedAt = null;
  let announced = "";

  let car = createCar();
  modules.map.onReducedMotion(() => car.setSmooth(widget.smooth));

  function createCar() {
    return modules.car.createCar(modules.leaflet, map, modules.motion, {
      smooth: widget.smooth,
      title: data.title,
      describedBy: ["status", "detail"].map(widget.identify).join(" "),
      pick: () => setFollowing(true),
      follow: (at) => following && keepInView(at),
    });
  }

  /** Take the car off the map, because the driver is off duty. */
  function forgetLocation() {
    car.remove();
    car = createCar();
    delete element.dataset.located;
    setFact("speed", "");
    setFact("accuracy", "");
  }

  /** Pan the map when the car leaves the middle of it. */
  function keepInView(at) {
    const point = map.latLngToContainerPoint(at);
    const size = map.getSize();
    const off = Math.max(
      Math.abs(point.x - size.x / 2) / size.x,
      Math.abs(point.y - size.y / 2) / size.y,
    );
    if (off > 0.6) map.setView(at, map.getZoom(), { animate: false });
    else if (off > 0.22 && !map._panAnim?._inProgress) {
      map.panTo(at, { animate: widget.smooth, duration: 1, easeLinearity: 0.5 });
    }
  }

  function setFollowing(value) {
    following = value;
    part("follow").setAttribute("aria-pressed", String(value));
    if (!value || !car.at) return;
    map.setView(car.at, Math.max(map.getZoom(), CLOSE_ZOOM - 2), { animate: widget.smooth });
  }

  function onLocation(location) {
    const first = freshness.age === null;
    // Not a repeated one: the car's speed depends on the time between two fixes.
    if (freshness.push(location)) car.push(location);
    if (first) {
      map.setView([location.latitude, location.longitude], CLOSE_ZOOM, { animate: false });
    }
    element.dataset.located = "";
    const { speed, accuracy } = location;
    setFact("speed", speed === null ? "" : words.speed(speed));
    setFact("accuracy", accuracy === null ? "" : words.say("metres", { count: words.number(Math.round(accuracy)) }));
    showStatus();
  }

  function setFact(name, text) {
    part(name).textContent = text;
    part(name).closest("[data-fact]").hidden = !text;
  }

  function showStatus() {
    const known = freshness.status;
    // Without a connection, only the driver's last location is known.
    const status = known === "unknown" || isConnected ? known : "unconnected";
    const { age, isPhoneHeard } = freshness;
    const ago = age === null ? "" : words.ago(age);
    const waits = openedAt !== null && Date.now() - openedAt > NEVER_SEEN_DELAY;
    const text = {
      live: words.say("live"),
      stale: words.say(isPhoneHeard ? "phone_online" : "last_seen", { ago }),
      unconnected: words.say("last_seen", { ago }),
      offline: words.say("offline"),
      unknown: words.say(waits ? "never_seen" : "loading"),
    }[status];
    const detail = {
      live: words.say("updated", { ago }),
      stale: isPhoneHeard ? "" : words.say("weak_signal"),
      unconnected: words.say("not_connected"),
      offline: words.say("last_seen", { ago }),
      unknown: waits ? words.say("will_appear") : "",
    }[status];
    element.dataset.status = status;
    part("status").textContent = text;
    part("detail").textContent = detail;
    if (status !== "unknown") car.setStatus(status);
    // Announce only a new status, not every change of the age.
    const kind = status === "unknown" && waits ? "never seen" : status;
    // Don't announce a lost connection, or the unknown status that follows: the announcement of the
    // connection says more.
    if (kind === "unconnected" || kind === announced || (kind === "unknown" && announced)) return;
    announce(`${data.title}: ${text}`);
    announced = kind;
  }

  function onState(state, reason) {
    widget.showConnection(state, reason);
    isConnected = state === "open";
    openedAt = state === "open" ? (openedAt ?? Date.now()) : null;
    showStatus();
  }

  const watch = modules.client.watchDriver({
    url: data.url,
    httpUrl: data.httpUrl || null,
    driverId: data.driverId,
    getToken: modules.session.sessionToken(data),
    onLocation,
    onStatus(status) {
      if (status === "unknown" && freshness.age !== null) forgetLocation();
      freshness.setStatus(status);
      showStatus();
    },
    onState,
  });
  part("retry").addEventListener("click", () => watch.resume());
  part("follow").addEventListener("click", () => setFollowing(!following));
  map.on("dragstart", () => setFollowing(false));
  part("map").addEventListener("keydown", ({ key }) => {
    if (key.startsWith("Arrow")) setFollowing(false);
  });
  setInterval(showStatus, 1000);
  showStatus();
}
