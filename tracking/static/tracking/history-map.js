/**
 * The widget of a driver's day or of a trip: the track on a map, where the car was at any time, and
 * the same played. The data are in the page, as in the admin, or come over HTTP.
 */

const CLOSE_ZOOM = 17;
const CLICK_RADIUS = 16; // px
const MARGIN = 24; // px, between the track and the edges of the map or the panel
const SHARED_AFTER = 250; // ms; Safari permits 100 changes of the URL in 30 s
const STEP = 60; // seconds, of the slider's arrow keys
const FINE_STEP = 10; // the same, of a window of up to two hours
const FINE_LENGTH = 7_200_000; // ms
const LABEL_WIDTH = 90; // px, of the timeline for each label
const COPIED_FOR = 2_000; // ms
const TEXTS_EVERY = 200; // ms, while playing
const NOTE_FOR = 4_000; // ms
const GLIDE = 0.35; // s, of the map that follows
const COMPASS = ["n", "ne", "e", "se", "s", "sw", "w", "nw"];
const WORLD = 256; // pixels at zoom 0

/** @param {HTMLElement} element @param {any} modules */
export function start(element, modules) {
  const widget = modules.mapWidget.createMapWidget(element, modules);
  const { data, part, words } = widget;
  const { zone: zones, load } = modules;
  const embedded = data.track && document.getElementById(data.track)?.textContent;
  if (embedded) return void run(element, modules, widget, new modules.day.Day(JSON.parse(embedded)));

  const zone = zones.knownZone(data.zone);
  const latest = Date.parse(data.latest);
  const date = data.date || (data.until ? "" : zones.dateAt(latest || Date.now(), zone));
  const [start, length] = date
    ? zones.dayOf(date, zone)
    : [Date.parse(data.since), Math.max(1000, Date.parse(data.until) - Date.parse(data.since))];
  if (date) drawDays(part, words, zones, date, zone);
  else part("day-name").textContent = longDate(words, start, zone);

  async function fetchDay() {
    element.dataset.state = "loading";
    say("loading");
    const window = { start, length, offsets: zones.offsetsOf(start, length, zone), isWhole: !date };
    if (start > Date.now()) return say("future_day");
    try {
      const purpose = new URLSearchParams(location.search).get("purpose") ?? "";
      const found = await load.loadTrack(data.trackUrl, { ...window, purpose }, (count) =>
        say("loading_fixes", { count: words.number(count) }),
      );
      if (!found.fixes.time.length) return say(date ? "empty_day" : "empty_trip");
      part("notice").hidden = true;
      delete element.dataset.state;
      run(element, modules, widget, new modules.day.Day(found), found);
    } catch (error) {
      if (!(error instanceof load.LoadError)) throw error;
      say({ 403: "load_forbidden", 404: "load_forbidden", 429: "load_busy", 0: "load_offline" }[error.status] ?? "load_failed");
      part("again").hidden = [403, 404].includes(error.status);
    }
  }

  function say(name, values = {}) {
    element.dataset.state = name;
    part("notice").hidden = false;
    part("again").hidden = true;
    part("notice-text").textContent = words.say(name, values);
  }
  part("again").addEventListener("click", fetchDay);
  return void fetchDay();
}

/** Fill in the date and the links to the days around it. */
function drawDays(part, words, zones, date, zone) {
  const days = part("days");
  if (!days) return;
  const address = (day) => {
    const query = new URLSearchParams(location.search);
    query.set("date", day);
    query.set("tz", zone);
    return `?${query}`;
  };
  part("day-name").textContent = longDate(words, Date.parse(`${date}T12:00:00Z`), "UTC");
  part("day").value = date;
  part("day").addEventListener("change", ({ target }) => {
    if (target.value) location.assign(address(target.value));
  });
  part("day-before").href = address(zones.addDays(date, -1));
  part("day-after").href = address(zones.addDays(date, 1));
  part("day-after").hidden = date >= zones.dateAt(Date.now(), zone);
  days.hidden = false;
  // A link to this page means the same day for a viewer in another time zone.
  history.replaceState(history.state, "", address(date) + location.hash);
}

function longDate(words, at, timeZone) {
  const format = { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone };
  return new Date(at).toLocaleDateString(words.language, format);
}

function run(element, modules, widget, day, found) {
  const L = modules.leaflet;
  const { place } = modules.track;
  const { data, part, words, announce, map } = widget;
  const { clock, fixes } = day;
  const [first, last] = [fixes[0], fixes[fixes.length - 1]];
  const slider = part("slider");
  const time = part("time");
  const player = new modules.player.Player(day);
  let moment = 0; // milliseconds from the start of the day
  let sharing;
  let isFollowing = true;

  const line = new modules.line.Line(day, modules.mercator);
  modules.line.createLineLayer(L, line, modules.canvas).addTo(map);
  const flagged = modules.track.drawSigns(L, map, day, words, (at) => announce(show(at)));
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
    player.moment = moment;
    const gap = day.gapAt(moment);
    // In a gap, only the fix before it is known.
    const fix = fixes[gap ? day.after(gap.since) - 1 : day.nearest(moment)];
    const isKnown = !gap && first.at <= moment && moment <= last.at;
    drawCar(fix, fix, isKnown);
    map.panInside(place(fix), { ...besidePanel(MARGIN / 2), animate: widget.smooth });
    const spoken = say(gap, fix, isKnown);
    slider.setAttribute("aria-valuetext", spoken);
    if (!isTyped) time.value = clock.text(moment);
    if (isShared) share();
    return spoken;
  }

  /** Write what is known of the moment into the panel, and return it as one text. */
  function say(gap, fix, isKnown) {
    const [state, detail] = describe(gap, fix);
    part("state").textContent = state;
    part("detail").textContent = detail;
    showFacts(fix, isKnown);
    const offset = clock.isAmbiguous(moment) ? clock.offsetText(moment) : "";
    part("offset").textContent = offset ? words.say("utc", { offset }) : dateText();
    slider.value = String(Math.round(moment / 1000));
    part("previous").disabled = !neighbour(-1);
    part("next").disabled = !neighbour(1);
    return `${clock.text(moment)}: ${state}. ${detail}`;
  }

  /** Return the date of the moment, if the window has more than one; "" else. */
  function dateText() {
    if (!clock.crossesMidnight || data.track) return "";
    const format = { weekday: "short", day: "numeric", month: "short", timeZone: modules.zone.knownZone(data.zone) };
    return new Date(clock.start + moment).toLocaleDateString(words.language, format);
  }

  function drawCar(where, fix, isKnown) {
    const at = place(where);
    car.setLatLng(at);
    circle.setLatLng(at);
    if (circle.fix !== fix) circle.setRadius(fix.accuracy ?? 0);
    circle.fix = fix;
    const picture = car.getElement();
    picture.dataset.status = isKnown ? "live" : "offline";
    picture.classList.toggle("tracking-has-heading", fix.heading !== null);
    picture.firstElementChild.style.transform = `rotate(${fix.heading ?? 0}deg)`;
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
      const count = value === null ? "" : words.number(value);
      put(name, value, words.say(text, { count, ...values }));
    };
    const put = (name, value, text) => {
      part(name).textContent = value === null ? "" : text;
      part(name).closest("[data-fact]").hidden = value === null;
    };
    const point = words.say(COMPASS[Math.round(heading / 45) % 8]);
    // The day has km/h.
    put("speed", isKnown ? speed : null, words.speed(speed / 3.6));
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

  // Playing.

  let frame = 0;
  let playedAt = 0;
  let saidAt = 0;
  let shownStop = -1;
  let noteTimer;

  function play() {
    player.moment = moment;
    player.play();
    playedAt = performance.now();
    saidAt = -Infinity;
    frame ||= requestAnimationFrame(step);
    drawButton();
    announce(words.say("playing", { speed: speedText() }));
  }

  function pause() {
    if (!player.isPlaying) return;
    player.pause();
    cancelAnimationFrame(frame);
    frame = 0;
    drawButton();
    show(player.moment);
    announce(words.say("paused", { time: clock.text(moment) }));
  }

  function step(now) {
    frame = 0;
    const { skipped, ended } = player.advance(Math.max(0, now - playedAt));
    playedAt = now;
    moment = player.moment;
    if (skipped) note(words.say("skipped_gap", span(skipped)));
    // With reduced motion the car steps from fix to fix.
    const { fix, ...where } = day.placeAt(moment, widget.smooth);
    drawCar(where, fix, true);
    if (isFollowing) follow(where);
    slider.value = String(moment / 1000);
    if (now - saidAt >= TEXTS_EVERY) {
      saidAt = now;
      say(undefined, fix, true);
      if (document.activeElement !== time) time.value = clock.text(moment);
      const stop = day.stopAt(moment);
      if (stop !== shownStop && stop >= 0) announce(part("state").textContent);
      shownStop = stop;
    }
    if (!ended) return void (frame = requestAnimationFrame(step));
    drawButton();
    announce(show(moment));
  }

  /** Move the map before the car leaves the middle part of it. */
  function follow(where) {
    if (map._panAnim?._inProgress) return;
    const size = map.getSize();
    const at = map.latLngToContainerPoint(place(where));
    const { paddingTopLeft: begin } = besidePanel(0);
    const { paddingBottomRight: end } = besidePanel(0);
    const width = size.x - begin[0] - end[0];
    const middle = L.point(begin[0] + width / 2, size.y / 2);
    const off = at.subtract(middle);
    if (Math.abs(off.x) < width * 0.3 && Math.abs(off.y) < size.y * 0.3) return;
    const isNear = Math.abs(off.x) < size.x && Math.abs(off.y) < size.y;
    map.panBy(off, { animate: widget.smooth && isNear, duration: GLIDE, easeLinearity: 0.5 });
  }

  function note(text) {
    part("note").textContent = text;
    announce(text);
    clearTimeout(noteTimer);
    noteTimer = setTimeout(() => (part("note").textContent = ""), NOTE_FOR);
  }

  function drawButton() {
    const name = words.say(player.isPlaying ? "pause" : "play");
    element.toggleAttribute("data-playing", player.isPlaying);
    part("play").setAttribute("aria-label", name);
    part("play").title = name;
  }

  function speedText() {
    return words.say("times", { count: words.number(player.speed) });
  }

  function setSpeed(speed, isAnnounced = true) {
    player.speed = speed;
    part("speed-choice").value = String(speed);
    if (isAnnounced) announce(speedText());
  }

  function setFollowing(value) {
    isFollowing = value;
    part("follow").setAttribute("aria-pressed", String(value));
    if (value) follow(day.placeAt(moment, false));
  }

  part("speed-choice").replaceChildren(
    ...modules.player.SPEEDS.map((speed) => {
      const option = document.createElement("option");
      option.value = String(speed);
      option.textContent = words.say("times", { count: words.number(speed) });
      return option;
    }),
  );
  setSpeed(player.speed, false);
  drawButton();
  setFollowing(true);
  part("play").addEventListener("click", () => (player.isPlaying ? pause() : play()));
  part("speed-choice").addEventListener("change", ({ target }) => setSpeed(Number(target.value), false));
  part("follow").addEventListener("click", () => {
    setFollowing(!isFollowing);
    announce(words.say(isFollowing ? "following" : "not_following"));
  });
  // Whoever drags the map wants to look elsewhere.
  map.on("dragstart", () => setFollowing(false));

  addEventListener("keydown", (event) => {
    const { target, key } = event;
    const isHere = element.contains(target) || target === document.body;
    if (!isHere || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.closest("input:not([type=range]), select, textarea, a, summary")) return;
    const isMap = part("map").contains(target);
    if (key === " " && !(target.closest("button, [role=button]") && target !== part("play"))) {
      if (target === part("play")) return; // its click does it
      event.preventDefault();
      if (player.isPlaying) pause();
      else play();
    } else if ((key === "+" || key === "-") && !isMap) {
      setSpeed(player.change(key === "+" ? 1 : -1));
    } else if ((key === "ArrowLeft" || key === "ArrowRight") && !isMap && target !== slider) {
      const isRtl = getComputedStyle(element).direction === "rtl";
      stepTo((key === "ArrowRight") === isRtl ? -1 : 1);
      event.preventDefault();
    }
  });

  // Choosing a moment pauses.

  addEventListener("hashchange", () => {
    const at = shared();
    if (at === null) return;
    player.pause();
    drawButton();
    announce(show(at, { isShared: false }));
    element.scrollIntoView({ block: "nearest", behavior: widget.smooth ? "smooth" : "auto" });
  });

  slider.max = String(day.length / 1000);
  slider.step = "any";
  const sliderStep = day.length <= FINE_LENGTH ? FINE_STEP : STEP;
  slider.addEventListener("input", () => show(Number(slider.value) * 1000));
  // Browsers step a slider of any value by a hundredth of it.
  slider.addEventListener("keydown", (event) => {
    const isRtl = getComputedStyle(element).direction === "rtl";
    const forwards = { ArrowRight: isRtl ? -1 : 1, ArrowLeft: isRtl ? 1 : -1, ArrowUp: 1, ArrowDown: -1 };
    const pages = { PageUp: 10, PageDown: -10 };
    const steps = forwards[event.key] ?? pages[event.key];
    if (!steps) return;
    event.preventDefault();
    const grid = sliderStep * 1000;
    const from = steps > 0 ? Math.floor(moment / grid) : Math.ceil(moment / grid);
    show((from + steps) * grid);
  });

  time.addEventListener("focus", () => {
    pause();
    time.select();
  });
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

  function stepTo(direction) {
    pause();
    const fix = neighbour(direction);
    if (fix) announce(show(fix.at));
  }
  part("previous").addEventListener("click", () => stepTo(-1));
  part("next").addEventListener("click", () => stepTo(1));

  // A click on the track: when was the car here?
  map.on("click", ({ latlng }) => {
    const [x, y] = modules.mercator.mercator(latlng.lng, latlng.lat);
    const nearest = line.nearest(x, y, CLICK_RADIUS / (WORLD * 2 ** map.getZoom()));
    if (nearest < 0) return;
    pause();
    announce(show(fixes[nearest].at));
  });

  drawFlagged();
  function drawFlagged() {
    const count = found?.flaggedCount;
    if (count) {
      part("flagged-text").textContent = words.say("show_flagged", { count: words.number(count) });
      part("flagged").closest("label").hidden = false;
    }
    part("flagged")?.addEventListener("change", ({ target }) => {
      if (target.checked) flagged.addTo(map);
      else flagged.remove();
    });
  }

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

  if (found) {
    const kilometres = words.decimal(found.distance / 1000, 1);
    const counts = { stops: words.number(day.stops.length), gaps: words.number(day.gaps.length) };
    part("summary").textContent = words.say("summary", { distance: kilometres, ...counts });
    part("summary").hidden = false;
  }
  drawOwnZone();
  drawBars();
  drawLegend();

  /** Offer the same day in the viewer's time zone, if the page has another one. */
  function drawOwnZone() {
    const own = modules.zone.ownZone();
    const link = part("own-zone");
    const noon = clock.start + day.length / 2;
    const isSame = !data.zone || modules.zone.offsetAt(noon, own) === clock.offsets[0][1];
    if (!link || !data.track || isSame) return;
    const query = new URLSearchParams(location.search);
    query.set("date", modules.zone.dateAt(noon, own));
    query.set("tz", own);
    link.href = `?${query}`;
    link.textContent = words.say("own_zone", { zone: own.replace(/_/g, " ") });
    link.hidden = false;
  }

  function drawBars() {
    const bars = part("bars");
    // In seconds: browsers draw no shape that is larger than 33 million.
    bars.setAttribute("viewBox", `0 0 ${day.length / 1000} 1`);
    const least = day.length / 1_000_000; // a stop of two minutes can be seen
    bars.replaceChildren(
      ...day.bars().map(({ kind, since, until }) => {
        const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
        const [y, height] = kind === "gap" ? ["0.45", "0.1"] : ["0", "1"];
        const places = { x: since / 1000, width: Math.max(least, (until - since) / 1000), y, height };
        bar.setAttribute("class", `tracking-bar-${kind}`);
        for (const [name, value] of Object.entries(places)) bar.setAttribute(name, String(value));
        return bar;
      }),
    );
  }

  function drawLegend() {
    const limits = modules.line.LIMITS.map((limit) => words.number(limit));
    const range = (from, to) => (from ? (to ? "speed_between" : "speed_above") : "speed_below");
    part("speeds").replaceChildren(
      ...[...limits, ""].map((to, i) => {
        const key = document.createElement("span");
        key.className = `tracking-key tracking-key-speed tracking-key-speed-${i}`;
        const from = limits[i - 1];
        key.textContent = words.say(range(from, to), { from, to });
        return key;
      }),
    );
  }

  function drawHours() {
    const labels = clock.ticks(Math.max(2, part("hours").clientWidth / LABEL_WIDTH)).map(([at, text]) => {
      const label = document.createElement("span");
      label.textContent = text;
      const share = at / day.length;
      label.toggleAttribute("data-first", share < 0.02);
      label.hidden = share > 0.97;
      label.style.setProperty("inset-inline-start", `${share * 100}%`);
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
