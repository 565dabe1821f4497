/** The widget of a driver's day: the track on a map, and where the car was at any time. */

const CLOSE_ZOOM = 17;
const CLICK_RADIUS = 16; // px
const MARGIN = 24; // px, between the track and the edges of the map or the panel
const SHARED_AFTER = 250; // ms; Safari permits 100 changes of the URL in 30 s
const STEP = 60; // seconds, of the slider's arrow keys
const NARROW = 540; // px, of the timeline
const COPIED_FOR = 2_000; // ms
const COMPASS = ["n", "ne", "e", "se", "s", "sw", "w", "nw"];

/** @param {HTMLElement} element @param {any} modules */
export function start(element, modules) {
  const L = modules.leaflet;
  const { place } = modules.track;
  const widget = modules.mapWidget.createMapWidget(element, modules);
  const { data, part, words, announce, map } = widget;
  const source = document.getElementById(data.track);
  const day = new modules.day.Day(JSON.parse(source?.textContent ?? ""));
  const { clock, fixes } = day;
  const [first, last] = [fixes[0], fixes[fixes.length - 1]];
  const slider = part("slider");
  const time = part("time");
  let moment = 0; // milliseconds from the start of the day
  let sharing;

  const flagged = modules.track.drawTrack(L, map, day, words, (at) => announce(show(at)));
  const circle = L.circle(place(first), {
    ...{ className: "tracking-accuracy", interactive: false, radius: 1 },
  }).addTo(map);
  const car = L.marker(place(first), {
    icon: L.divIcon({ className: "tracking-car", iconSize: [44, 44], html: modules.car.carPicture() }),
    zIndexOffset: 1000,
    interactive: false,
    keyboard: false,
  }).addTo(map);

  /**
   * Show where the car was at a time of the day, and return the text for screen readers.
   * `isShared`: the URL gets the time; `isTyped`: the time is just being typed.
   */
  function show(at, { isShared = true, isTyped = false } = {}) {
    moment = Math.max(0, Math.min(at, day.length - 1));
    const gap = day.gapAt(moment);
    // In a gap, only the fix before it is known.
    const fix = fixes[gap ? day.after(gap.since) - 1 : day.nearest(moment)];
    const isKnown = !gap && first.at <= moment && moment <= last.at;
    drawCar(fix, isKnown);
    const [state, detail] = describe(gap, fix);
    part("state").textContent = state;
    part("detail").textContent = detail;
    showFacts(fix, isKnown);
    const offset = clock.isAmbiguous(moment) ? clock.offsetText(moment) : "";
    part("offset").textContent = offset && words.say("utc", { offset });
    const spoken = `${clock.text(moment)}: ${state}. ${detail}`;
    slider.value = String(Math.round(moment / 1000));
    slider.setAttribute("aria-valuetext", spoken);
    if (!isTyped) time.value = clock.text(moment);
    part("previous").disabled = !neighbour(-1);
    part("next").disabled = !neighbour(1);
    if (isShared) share();
    return spoken;
  }

  function drawCar(fix, isKnown) {
    const at = place(fix);
    car.setLatLng(at);
    circle.setLatLng(at).setRadius(fix.accuracy ?? 0);
    const picture = car.getElement();
    picture.dataset.status = isKnown ? "live" : "offline";
    picture.classList.toggle("tracking-has-heading", fix.heading !== null);
    picture.firstElementChild.style.transform = `rotate(${fix.heading ?? 0}deg)`;
    map.panInside(at, { ...besidePanel(MARGIN / 2), animate: widget.smooth });
  }

  /** Return what the car did, and how that is known. */
  function describe(gap, fix) {
    const shown = { time: clock.text(fix.at) };
    if (moment < first.at) return [words.say("not_yet"), words.say("first_fix", shown)];
    if (moment > last.at) return [words.say("no_more"), words.say("last_fix", shown)];
    if (gap) return [words.say("in_gap", span(gap)), words.say("last_fix", shown)];
    const measured = words.say("measured", shown);
    const i = day.stopAt(moment);
    if (i < 0) return [words.say("moving"), measured];
    return [words.say("stopped", { number: words.number(i + 1), ...span(day.stops[i]) }), measured];
  }

  function span({ since, until }) {
    return { since: clock.shortText(since), until: clock.shortText(until) };
  }

  function showFacts({ speed, heading, accuracy, battery, charging, ...fix }, isKnown) {
    const fact = (name, value, text, values = {}) => {
      part(name).textContent =
        value === null ? "" : words.say(text, { count: words.number(value), ...values });
      part(name).closest("[data-fact]").hidden = value === null;
    };
    const point = words.say(COMPASS[Math.round(heading / 45) % 8]);
    fact("speed", isKnown ? speed : null, "kmh");
    fact("heading", isKnown ? heading : null, "heading", { point });
    fact("accuracy", accuracy, "metres");
    fact("battery", battery, charging ? "charging" : "percent");
    const latitude = fix.latitude.toFixed(6);
    const longitude = modules.day.wrapped(fix.longitude).toFixed(6);
    part("place").textContent = `${latitude}, ${longitude}`;
    part("place").href = data.mapLinkUrl
      .replace(/\{latitude\}/g, latitude)
      .replace(/\{longitude\}/g, longitude);
  }

  /** Return the next fix (1) or the previous one (-1), undefined if there is none. */
  function neighbour(direction) {
    return fixes[direction > 0 ? day.after(moment) : day.after(moment - 1) - 1];
  }

  /** Keep the moment in the URL, which then leads there. */
  function share() {
    clearTimeout(sharing);
    const replace = () => history.replaceState(history.state, "", `#${clock.moment(moment)}`);
    sharing = setTimeout(replace, SHARED_AFTER);
  }

  /** Return the time that the URL leads to, null if it names none. */
  function shared() {
    return day.at(location.hash.slice(1));
  }

  addEventListener("hashchange", () => {
    const at = shared();
    if (at === null) return;
    announce(show(at, { isShared: false }));
    element.scrollIntoView({ block: "nearest", behavior: widget.smooth ? "smooth" : "auto" });
  });

  slider.max = String(day.length / 1000);
  slider.step = String(STEP);
  slider.addEventListener("input", () => show(Number(slider.value) * 1000));

  time.addEventListener("focus", () => time.select());
  time.addEventListener("input", () => {
    const at = day.at(time.value);
    if (at !== null) announce(show(at, { isTyped: true }));
  });
  time.addEventListener("blur", () => (time.value = clock.text(moment)));
  part("time-form").addEventListener("submit", (event) => {
    event.preventDefault();
    time.value = clock.text(moment);
    time.select();
  });
  for (const [name, direction] of /** @type {const} */ ([
    ["previous", -1],
    ["next", 1],
  ])) {
    part(name).addEventListener("click", () => {
      const fix = neighbour(direction);
      if (fix) announce(show(fix.at));
    });
  }

  // A click on the track: when was the car here?
  map.on("click", ({ containerPoint }) => {
    const distances = fixes.map((fix) =>
      containerPoint.distanceTo(map.latLngToContainerPoint(place(fix))),
    );
    const nearest = distances.reduce((best, distance, i) => (distance < distances[best] ? i : best), 0);
    if (distances[nearest] <= CLICK_RADIUS) announce(show(fixes[nearest].at));
  });

  part("flagged")?.addEventListener("change", ({ target }) => {
    if (target.checked) flagged.addTo(map);
    else flagged.remove();
  });

  // Browsers have it on secure origins only.
  part("copy").hidden = !navigator.clipboard;
  part("copy").addEventListener("click", async () => {
    const url = new URL(location.href);
    url.hash = clock.moment(moment);
    await navigator.clipboard.writeText(url.href);
    part("copy").textContent = words.say("copied");
    announce(words.say("copied"));
    setTimeout(() => (part("copy").textContent = words.say("copy")), COPIED_FOR);
  });

  function drawHours() {
    const hours = clock.hours(part("hours").clientWidth < NARROW ? 6 : 3);
    const labels = hours.map(([at, text]) => {
      const label = document.createElement("span");
      label.textContent = text;
      label.style.setProperty("inset-inline-start", `${(at / day.length) * 100}%`);
      return label;
    });
    part("hours").replaceChildren(...labels);
  }
  new ResizeObserver(drawHours).observe(part("hours"));

  /** Return Leaflet's padding that keeps places clear of the map's edges and of the panel. */
  function besidePanel(margin) {
    const panel = part("panel");
    const width = getComputedStyle(panel).position === "absolute" ? panel.offsetWidth : 0;
    const [left, right] = getComputedStyle(element).direction === "rtl" ? [0, width] : [width, 0];
    return {
      paddingTopLeft: [left + margin, margin],
      paddingBottomRight: [right + margin, margin],
    };
  }

  // Once the size of the map is known.
  const sized = new ResizeObserver(() => {
    if (!part("map").clientWidth) return;
    sized.disconnect();
    map.invalidateSize({ pan: false });
    const bounds = L.latLngBounds(fixes.map(place));
    map.fitBounds(bounds, { ...besidePanel(MARGIN), animate: false, maxZoom: CLOSE_ZOOM });
    show(shared() ?? first.at, { isShared: false });
    element.dataset.located = "";
  });
  sized.observe(part("map"));
}
