/** The page without a connection: the last known state of the user's trip, and its age. */

const CHECK_INTERVAL = 10_000; // ms
const CHECK_TIMEOUT = 8_000; // ms

/** @param {HTMLElement} element @param {any} modules */
export function start(element, { memory, trips: { nextKind }, words: { Words } }) {
  const part = (name) => element.querySelector(`[data-part="${name}"]`);
  const words = new Words(JSON.parse(element.dataset.texts));
  const isDriver = element.dataset.role === "driver";
  let kept = null;
  let isChecking = false;

  /** Load the page as soon as the server answers. */
  async function check() {
    if (isChecking || document.visibilityState === "hidden") return;
    isChecking = true;
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), CHECK_TIMEOUT);
    try {
      await fetch(location.href, { method: "HEAD", redirect: "manual", signal: controller.signal });
      location.reload();
    } catch {
      // Not yet.
    } finally {
      clearTimeout(timer);
      isChecking = false;
    }
  }

  function show() {
    part("title").textContent = words.say(navigator.onLine ? "server_unreachable" : "offline");
    part("kept").hidden = !kept;
    const count = isDriver ? waiting() : 0;
    if (count) part("waiting").textContent = words.say("waiting", { count: words.number(count) });
    part("nothing").hidden = Boolean(kept);
    if (!kept) return;
    const { trip, at, location: car } = kept;
    const age = words.ago(Date.now() - at);
    part("age").textContent = words.say("last_updated", { ago: age });
    part("status").textContent = words.say(headline(trip), { name: trip.driver?.name });
    part("car").textContent = isDriver ? "" : carText(trip);
    part("seen").textContent =
      car && !isDriver ? words.say("car_seen", { ago: words.ago(Date.now() - car.recordedAt) }) : "";
    const places = trip.waypoints.map(({ kind, name }) => {
      const item = document.createElement("li");
      const label = document.createElement("span");
      label.className = "tracking-offline-kind";
      label.textContent = words.say(kind);
      const text = document.createElement("strong");
      text.dir = "auto";
      text.textContent = name ?? "";
      item.append(label, text);
      if (nextKind(trip.status) === kind) item.dataset.next = "";
      return item;
    });
    part("places").replaceChildren(...places);
    part("places").hidden = !places.length;
  }

  /** Return the driver, unless the headline has the name, and the car. */
  function carText({ status, driver }) {
    const isNamed = nextKind(status) === "pickup";
    return [isNamed ? "" : driver?.name, driver?.vehicle].filter(Boolean).join(" · ");
  }

  /** Return how many locations this tab still has to send. */
  function waiting() {
    let count = 0;
    try {
      for (const key of Object.keys(sessionStorage)) {
        if (key.startsWith("tracking-share-")) count += JSON.parse(sessionStorage[key]).length;
      }
    } catch {
      // Storage is forbidden, or not this page's.
    }
    return count;
  }

  function headline({ status, driver }) {
    if (isDriver) return `driver_${status}`;
    if (!driver && nextKind(status)) return "looking";
    if (["new", "enroute_to_pickup", "arrived_at_pickup"].includes(status) && !driver.name) {
      return `${status}_unnamed`;
    }
    return status;
  }

  async function refresh() {
    kept = await memory.recall();
    // A trip's page shows that trip only; the app's first page, the newest one.
    const asked = /\/(\d+)\/(map\/)?$/.exec(location.pathname);
    if (asked && kept && String(kept.trip.id) !== asked[1]) kept = null;
    show();
  }

  part("retry").addEventListener("click", check);
  addEventListener("online", () => {
    show();
    check();
  });
  addEventListener("offline", show);
  document.addEventListener("visibilitychange", check);
  setInterval(check, CHECK_INTERVAL);
  setInterval(show, 1000);
  refresh();
}
