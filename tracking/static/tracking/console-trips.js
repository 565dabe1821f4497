/** The console's list of open trips: those without a driver first, by waiting time. */

const REFRESH = 10_000; // ms
const PAGE = 500;

/** @param {any} modules the page's @param {any} desk the console */
export function createTrips(modules, desk) {
  const { words, part, data, api, announce } = desk;
  const { make } = modules.consolePanel;
  const phrases = modules.consoleWords;
  let known = null; // ids of the waiting trips that were there before

  const list = modules.consoleList.createList(part("trips"), {
    id: "tracking-console-trip",
    createRow,
    onOpen: (trip) => desk.openTrip(trip, { from: part("trips") }),
  });

  function createRow() {
    const element = make("div", "console-row console-trip");
    const dot = make("span", "console-dot");
    const name = make("strong", "console-name");
    name.dir = "auto";
    const chip = make("span", "console-chip");
    const [first, second] = [make("span", "console-row-line"), make("span", "console-row-line")];
    const facts = make("span", "console-facts-line");
    first.append(name, chip);
    second.append(facts);
    element.append(dot, first, second);
    return {
      element,
      fill(trip) {
        const waiting = phrases.duration(words, Date.now() - Date.parse(trip.created_at));
        const kind = trip.driver ? "reserved" : "waiting";
        dot.dataset.kind = kind;
        name.textContent = phrases.titleOf(words, trip);
        chip.dataset.kind = kind;
        chip.textContent = trip.driver
          ? phrases.progress(words, trip, true)
          : words.say("waiting_for", { duration: waiting });
        const driver = trip.driver ? words.isolate(phrases.nameOf(words, trip.driver)) : "";
        const eta = trip.eta ? words.say("arrives_in_minutes", { minutes: phrases.arrival(words, trip.eta) }) : "";
        const place = words.isolate(phrases.pickupOf(trip)?.name ?? "");
        facts.textContent = [eta, driver, place].filter(Boolean).join(" · ") || words.say("nobody");
      },
    };
  }

  async function load() {
    try {
      const { results } = await api.get(data.tripsUrl, { open: true, page_size: PAGE });
      const trips = phrases.inOrder(results);
      const waiting = trips.filter(({ driver }) => !driver);
      list.set(trips);
      part("trips-empty").hidden = trips.length > 0;
      desk.badge("trips", waiting.length, "trips_waiting");
      const fresh = known && waiting.filter(({ id }) => !known.has(id));
      if (fresh?.length) announce(words.say("new_trips", { count: fresh.length }));
      known = new Set(waiting.map(({ id }) => id));
      desk.clearProblem("trips");
    } catch (error) {
      desk.problem("trips", error);
    }
  }

  const run = modules.consoleApi.whileVisible(load, REFRESH);
  return { show: list.refresh, load: run, select: (id) => list.select(id) };
}
