/** The widget of the fleet in the past: a day's slider, and the cars as they were known then. */

const DEBOUNCE = 200; // ms, while the slider moves
const HOUR = 3_600_000;
const MARGIN = 40; // px
const CLOSE_ZOOM = 14;
const LABEL_WIDTH = 90; // px
const KEY_STEP = 60_000; // ms, of the slider's arrow keys
const SHARED_AFTER = 300; // ms

/** @param {HTMLElement} element @param {any} modules */
export function start(element, modules) {
  const L = modules.leaflet;
  const { zone: zones, past: pasts } = modules;
  const { SPEEDS } = modules.player;
  const widget = modules.mapWidget.createMapWidget(element, modules);
  const { data, part, words, announce, map } = widget;
  const zone = zones.knownZone(data.zone);
  const opened = Date.now();
  const asked = Date.parse(data.time);
  const date = data.time ? zones.dateAt(asked, zone) : data.date || zones.dateAt(opened - HOUR, zone);
  const [begin, whole] = zones.dayOf(date, zone);
  const clock = new modules.day.Clock(begin, whole, zones.offsetsOf(begin, whole, zone));
  // The last moment that is past.
  const newest = Math.max(0, Math.min(whole - 1, opened - begin));
  const past = new pasts.Past(data.fleetAtUrl);
  const layer = modules.layer.createPastLayer(L, modules.mercator, modules.canvas).addTo(map);
  const slider = part("slider");
  let moment = clamp(pasts.Past.moment((asked || (date === zones.dateAt(opened - HOUR, zone) ? opened - HOUR : begin + 12 * HOUR)) - begin));
  let shown = []; // the drivers
  let picked = null;
  let speed = 60;
  let isPlaying = false;
  let playing = 0; // counts how often it began
  let isFitted = false;
  let timer;
  let waiting;
  let turn = 0; // an answer that comes after the next question counts for nothing

  function clamp(at) {
    return Math.max(0, Math.min(at, newest));
  }

  /** Show the fleet at a moment, once it is known; return whether it is. */
  async function show(at, { isTold = true } = {}) {
    moment = clamp(at);
    turn += 1;
    const mine = turn;
    drawClock();
    const wanted = pasts.Past.moment(begin + moment);
    if (!past.known(wanted)) element.dataset.state = "loading";
    try {
      const drivers = await past.at(wanted);
      if (mine !== turn) return false;
      delete element.dataset.state;
      part("notice").hidden = true;
      draw(drivers);
      if (isTold) announce(`${clock.text(moment)}: ${part("state").textContent}`);
      return true;
    } catch (error) {
      if (!(error instanceof pasts.PastError)) throw error;
      if (mine !== turn) return false;
      const name = { 403: "load_forbidden", 429: "load_busy", 0: "load_offline" }[error.status];
      stop(false);
      element.dataset.state = "failed";
      part("notice").hidden = false;
      part("notice-text").textContent = words.say(name ?? "load_failed");
      part("again").hidden = error.status === 403;
      return false;
    }
  }

  function draw(drivers) {
    shown = drivers;
    layer.setDrivers(drivers);
    const recent = drivers.filter(({ status }) => status === "live").length;
    const counts = { recent: words.number(recent), older: words.number(drivers.length - recent) };
    part("state").textContent = drivers.length
      ? words.say("drivers", { count: words.number(drivers.length) })
      : words.say("none");
    part("detail").textContent = !drivers.length
      ? ""
      : recent === drivers.length
        ? words.say("all_recent")
        : words.say("recent", counts);
    showPicked();
    if (!isFitted && drivers.length) {
      isFitted = true;
      const places = drivers.map(({ latitude, longitude }) => [latitude, longitude]);
      const panel = part("panel");
      const width = getComputedStyle(panel).position === "absolute" ? panel.offsetWidth : 0;
      const isRtl = getComputedStyle(element).direction === "rtl";
      map.fitBounds(L.latLngBounds(places), {
        paddingTopLeft: [(isRtl ? 0 : width) + MARGIN, MARGIN],
        paddingBottomRight: [(isRtl ? width : 0) + MARGIN, MARGIN],
        ...{ animate: false, maxZoom: CLOSE_ZOOM },
      });
    }
    element.dataset.located = "";
  }

  function showPicked() {
    const driver = shown.find(({ id }) => id === picked);
    part("picked").hidden = !driver;
    layer.pick(driver ? picked : null);
    if (!driver) return;
    part("picked-name").textContent = words.say("driver", { id: driver.id });
    const at = driver.at - begin;
    const isToday = at >= 0 && at < whole;
    const time = isToday ? clock.text(at) : new Date(driver.at).toLocaleString(words.language, { timeZone: zone });
    const age = pasts.Past.moment(begin + moment) - driver.at;
    part("picked-detail").textContent = words.say("measured_ago", { time, ago: words.ago(age) });
    const { speed, accuracy } = driver;
    fact("speed", speed === null ? "" : words.speed(speed));
    fact("accuracy", accuracy === null ? "" : words.say("metres", { count: words.number(Math.round(accuracy)) }));
    const link = part("open");
    link.hidden = !data.replayUrl;
    const query = new URLSearchParams({ date: zones.dateAt(driver.at, zone), tz: zone });
    // The address was made for the id that no user has.
    const path = data.replayUrl.replace(/[^/]+\/replay\/$/, `${driver.id}/replay/`);
    link.href = `${path}?${query}${isToday ? `#${clock.moment(at)}` : ""}`;
  }

  function fact(name, text) {
    part(name).textContent = text;
    part(name).closest("[data-fact]").hidden = !text;
  }

  function drawClock() {
    const text = clock.text(moment);
    const offset = clock.isAmbiguous(moment) ? words.say("utc", { offset: clock.offsetText(moment) }) : "";
    part("clock").textContent = `${text} ${offset}`.trim();
    slider.value = String(moment / 1000);
    if (!isPlaying) slider.setAttribute("aria-valuetext", text);
    clearTimeout(share.timer);
    share.timer = setTimeout(share, SHARED_AFTER);
  }

  /** Keep the moment in the URL, which then leads there in any time zone. */
  function share() {
    const query = new URLSearchParams({ time: new Date(begin + moment).toISOString(), tz: zone });
    history.replaceState(history.state, "", `?${query}`);
  }
  share.timer = undefined;

  // Playing: the next moment, when its turn comes and it is known. Nothing between two is guessed.

  async function step() {
    const mine = playing;
    const length = pasts.stepOf(speed);
    const startedAt = performance.now();
    const next = (Math.floor(moment / length) + 1) * length;
    if (next > newest) return stop(true);
    await show(next, { isTold: false });
    // A failure has stopped it, and so may the viewer have.
    if (!isPlaying || mine !== playing) return;
    if (next + length <= newest) past.at(pasts.Past.moment(begin + next + length)).catch(() => {});
    timer = setTimeout(step, Math.max(0, length / speed - (performance.now() - startedAt)));
  }

  function play() {
    if (moment + pasts.stepOf(speed) > newest) moment = 0;
    clearTimeout(waiting); // of the slider
    isPlaying = true;
    playing += 1;
    drawButton();
    announce(words.say("playing", { speed: times(speed) }));
    step();
  }

  function stop(isEnd) {
    clearTimeout(timer);
    if (!isPlaying) return;
    isPlaying = false;
    drawButton();
    drawClock();
    announce(isEnd ? words.say("end") : words.say("paused", { time: clock.text(moment) }));
  }

  function drawButton() {
    element.toggleAttribute("data-playing", isPlaying);
    const name = words.say(isPlaying ? "pause" : "play");
    part("play").setAttribute("aria-label", name);
    part("play").title = name;
  }

  function times(value) {
    return words.say("times", { count: words.number(value) });
  }

  function setSpeed(value, isAnnounced) {
    speed = value;
    part("speed-choice").value = String(value);
    if (isAnnounced) announce(times(value));
    if (!isPlaying) return;
    playing += 1;
    clearTimeout(timer);
    timer = setTimeout(step, pasts.stepOf(speed) / speed);
  }

  const toggle = () => (isPlaying ? stop(false) : play());
  part("play").addEventListener("click", toggle);
  part("again").addEventListener("click", () => show(moment));
  part("speed-choice").replaceChildren(
    ...SPEEDS.map((value) => {
      const option = document.createElement("option");
      option.value = String(value);
      option.textContent = times(value);
      return option;
    }),
  );
  setSpeed(speed, false);
  drawButton();
  part("speed-choice").addEventListener("change", ({ target }) => setSpeed(Number(target.value), false));

  slider.max = String(whole / 1000);
  slider.step = "any";
  slider.addEventListener("input", () => {
    stop(false);
    moment = clamp(Number(slider.value) * 1000);
    drawClock();
    clearTimeout(waiting);
    waiting = setTimeout(() => show(moment), DEBOUNCE);
  });
  slider.addEventListener("keydown", (event) => {
    const isRtl = getComputedStyle(element).direction === "rtl";
    const forwards = { ArrowRight: isRtl ? -1 : 1, ArrowLeft: isRtl ? 1 : -1, ArrowUp: 1, ArrowDown: -1 };
    const steps = forwards[event.key] ?? { PageUp: 10, PageDown: -10 }[event.key];
    if (!steps) return;
    event.preventDefault();
    stop(false);
    moment = clamp((Math.floor(moment / KEY_STEP) + steps) * KEY_STEP);
    drawClock();
    clearTimeout(waiting);
    waiting = setTimeout(() => show(moment), DEBOUNCE);
  });
  addEventListener("keydown", (event) => {
    const { target, key } = event;
    const isHere = element.contains(target) || target === document.body;
    if (!isHere || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.closest("input:not([type=range]), select, textarea, a, button")) return;
    const isMap = part("map").contains(target);
    if (key === " ") {
      event.preventDefault();
      toggle();
    } else if ((key === "+" || key === "-") && !isMap) {
      const i = SPEEDS.indexOf(speed) + (key === "+" ? 1 : -1);
      setSpeed(SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, i))], true);
    }
  });
  map.on("click", ({ containerPoint }) => {
    picked = layer.driverAt(containerPoint)?.id ?? null;
    showPicked();
    if (picked !== null) announce(`${part("picked-name").textContent}. ${part("picked-detail").textContent}`);
  });

  // The day.
  const address = (day) => `?${new URLSearchParams({ date: day, tz: zone })}`;
  const format = { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
  part("day-name").textContent = new Date(`${date}T12:00:00Z`).toLocaleDateString(words.language, format);
  part("day").value = date;
  part("day").addEventListener("change", ({ target }) => target.value && location.assign(address(target.value)));
  part("day-before").href = address(zones.addDays(date, -1));
  part("day-after").href = address(zones.addDays(date, 1));
  part("day-after").hidden = date >= zones.dateAt(opened, zone);

  const bars = part("bars");
  // In seconds: browsers draw no shape that is larger than 33 million.
  bars.setAttribute("viewBox", `0 0 ${whole / 1000} 1`);
  const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  bar.setAttribute("class", "tracking-bar-past");
  for (const [name, value] of Object.entries({ x: 0, y: 0, width: newest / 1000, height: 1 })) {
    bar.setAttribute(name, String(value));
  }
  bars.replaceChildren(bar);

  new ResizeObserver(() => {
    const labels = clock.ticks(Math.max(2, part("hours").clientWidth / LABEL_WIDTH)).map(([at, text]) => {
      const label = document.createElement("span");
      label.textContent = text;
      const share = at / whole;
      label.toggleAttribute("data-first", share < 0.02);
      label.hidden = share > 0.97;
      label.style.setProperty("inset-inline-start", `${share * 100}%`);
      return label;
    });
    part("hours").replaceChildren(...labels);
  }).observe(part("hours"));

  const sized = new ResizeObserver(() => {
    if (!part("map").clientWidth) return;
    sized.disconnect();
    map.invalidateSize({ pan: false });
    if (begin > opened) {
      part("notice").hidden = false;
      part("notice-text").textContent = words.say("future_day");
    } else show(moment);
  });
  sized.observe(part("map"));
}
