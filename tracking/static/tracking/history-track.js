/** A driver's day on the map, beside its line: signs for stops, start and end, implausible fixes. */

const REASONS = ["jump", "mock", "inaccurate"]; // the bits of a fix's flags

/**
 * Draw the signs, and return the layer of implausible fixes, which is not on the map yet.
 * @param {any} L Leaflet
 * @param {any} map
 * @param {import("./history-day.js").Day} day
 * @param {import("./words.js").Words} words
 * @param {(at: number) => void} pick called with the time of a sign on a click or Enter
 */
export function drawSigns(L, map, day, words, pick) {
  const { clock, fixes } = day;
  function addSign(at, position, kind, text, title) {
    const sign = document.createElement("span");
    sign.textContent = text;
    const className = `tracking-sign tracking-sign-${kind}`;
    const marker = L.marker(position, {
      ...{ icon: L.divIcon({ className, html: sign, iconSize: null }), title },
    });
    marker.on("add", () => {
      const picture = marker.getElement();
      picture.setAttribute("aria-label", title);
      picture.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        pick(at);
      });
    });
    marker.on("click", () => pick(at)).addTo(map);
  }
  day.stops.forEach((stop, i) => {
    const values = { number: words.number(i + 1), time: clock.shortText(stop.since) };
    addSign(stop.since, place(stop), "stop", values.number, words.say("stop_sign", values));
  });
  for (const [name, fix] of [
    ["start", fixes[0]],
    ["end", fixes[fixes.length - 1]],
  ]) {
    const title = words.say(`${name}_sign`, { time: clock.shortText(fix.at) });
    addSign(fix.at, place(fix), name, words.say(name), title);
  }

  return L.layerGroup(
    day.flagged.map((fix) => {
      const reasons = REASONS.filter((_, bit) => fix.flags & (1 << bit));
      const text = reasons.map((name) => words.say(name)).join(", ");
      const options = { className: "tracking-day-flagged", radius: 5 };
      const facts = [clock.text(fix.at), text];
      if (fix.accuracy !== null) facts.push(words.say("metres", { count: words.number(fix.accuracy) }));
      return L.circleMarker(place(fix), options).bindTooltip(facts.join(" · "));
    }),
  );
}

export function place({ latitude, longitude }) {
  return [latitude, longitude];
}
