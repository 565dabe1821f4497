/** The waypoints of a trip: signs on the map, and a list of their names beside the same signs. */

const MAX_LISTED = 4;
const SHAPES = {
  pickup: ["circle", { r: "8" }, "circle", { r: "3" }],
  stop: ["circle", { r: "6" }, "circle", { r: "2.5" }],
  dropoff: [
    "rect",
    { x: "-7.5", y: "-7.5", width: "15", height: "15", rx: "3" },
    "rect",
    { x: "-2.5", y: "-2.5", width: "5", height: "5" },
  ],
};

/**
 * @param {any} L Leaflet
 * @param {any} map
 * @param {import("./words.js").Words} words
 * @param {HTMLElement} list
 */
export function createPlaces(L, map, words, list) {
  const signs = L.layerGroup().addTo(map);
  let shown = "";

  /** Return the places of the list; if they are many, the stops are one entry. */
  function listed(waypoints) {
    if (waypoints.length <= MAX_LISTED) return waypoints;
    const [first, ...rest] = waypoints;
    const last = rest.pop();
    return [first, { kind: "stop", name: words.plural("stops", rest.length) }, last];
  }

  return {
    /**
     * Show a trip's waypoints, with signs of the next ones and of those that are behind.
     * @param {any[]} waypoints
     * @param {(kind: string) => "next" | "done" | ""} phaseOf
     */
    show(waypoints, phaseOf) {
      const phases = waypoints.map(({ kind }) => phaseOf(kind));
      const text = JSON.stringify([waypoints, phases]);
      if (text === shown) return;
      shown = text;
      signs.clearLayers();
      for (const { kind, lat, lon } of waypoints) {
        const className = `tracking-place tracking-place-${kind}`;
        const icon = L.divIcon({ className, iconSize: [36, 36], html: picture(kind) });
        // The list says the same to screen readers and keyboards.
        const sign = L.marker([lat, lon], { icon, interactive: false, keyboard: false });
        sign.addTo(signs);
        sign.getElement().setAttribute("aria-hidden", "true");
        sign.getElement().dataset.phase = phaseOf(kind);
      }
      list.hidden = !waypoints.length;
      list.replaceChildren(...listed(waypoints).map((place) => entry(place, phaseOf(place.kind))));
    },
  };

  function entry({ kind, name }, phase) {
    const item = document.createElement("li");
    item.dataset.phase = phase;
    if (phase === "next") item.setAttribute("aria-current", "step");
    const text = document.createElement("bdi");
    text.textContent = name || words.say(kind);
    item.append(picture(kind, name ? words.say(kind) : ""), text);
    if (phase === "done") item.append(reachedSign(words.say("reached")));
    return item;
  }
}

/** Return a tick. @param {string} label for screen readers */
function reachedSign(label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", "M-6 0-2 4.500 6-4.500");
  for (const [key, value] of Object.entries({
    viewBox: "-12 -12 24 24",
    class: "tracking-place-reached",
    role: "img",
    "aria-label": label,
  })) {
    svg.setAttribute(key, value);
  }
  svg.append(path);
  return svg;
}

/** @param {string} kind @param {string} [label] for screen readers */
function picture(kind, label = "") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "-12 -12 24 24");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else svg.setAttribute("aria-hidden", "true");
  const [outer, outerSize, inner, innerSize] = SHAPES[kind] ?? SHAPES.stop;
  for (const [name, size, className] of [
    [outer, outerSize, "tracking-place-outer"],
    [inner, innerSize, "tracking-place-inner"],
  ]) {
    const node = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries({ ...size, class: className })) {
      node.setAttribute(key, value);
    }
    svg.append(node);
  }
  return svg;
}
