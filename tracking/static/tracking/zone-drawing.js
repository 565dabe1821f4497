/** A zone on the map, with handles to drag or to move by keys. */

const STEP = 10; // px that an arrow key moves a handle; with Shift it is 1
const BETWEEN = 56; // px between corners that leave room for a handle
const KEYS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

/**
 * @param {any} L Leaflet
 * @param {any} map
 * @param {import("./words.js").Words} words
 * @param {any} shapes the module of shapes
 * @param {{
 *   change: (change: object, options?: { isOngoing?: boolean }) => void,
 *   begin: () => void,
 *   insert: (after: number, place: [number, number]) => void,
 *   remove: (corner: number) => void,
 *   select: (corner: number) => void,
 * } | null} edits what the handles call; null if the zone cannot be edited
 */
export function createDrawing(L, map, words, shapes, edits) {
  const areas = L.featureGroup().addTo(map);
  const handles = L.layerGroup().addTo(map);
  let state = null;
  // What the handles on the map belong to, in order.
  let drawn = "";
  let corners = [];
  let betweens = [];
  let centre = null;
  let edge = null;

  const place = ({ lat, lng }) => [lat, lng];

  function drawArea() {
    areas.clearLayers();
    const style = { className: "tracking-zone-area", interactive: false };
    if (state.kind === "polygon") {
      const draw = state.corners.length > 2 ? L.polygon : L.polyline;
      draw(state.corners, style).addTo(areas);
    } else if (state.centre && state.radius > 0) {
      L.circle(state.centre, { ...style, radius: state.radius }).addTo(areas);
    }
  }

  /** Return a handle that calls `move` with its places while it is dragged or moved by keys. */
  function handle(at, kind, label, move, { keys = {}, onFocus = () => {} } = {}) {
    const icon = L.divIcon({
      className: `tracking-handle tracking-handle-${kind}`,
      iconSize: [44, 44],
      html: document.createElement("span"),
    });
    const marker = L.marker(at, { icon, draggable: true, autoPan: true, title: "" });
    marker.on("dragstart", () => edits.begin());
    marker.on("drag", () => move(place(marker.getLatLng()), { isOngoing: true }));
    marker.on("dragend", () => move(place(marker.getLatLng())));
    marker.on("add", () => {
      const element = marker.getElement();
      element.setAttribute("role", "button");
      element.setAttribute("aria-label", label);
      element.addEventListener("focus", onFocus);
      element.addEventListener("keydown", (event) => {
        const { key } = event;
        const step = KEYS[key];
        if (!step && !keys[key]) return;
        event.preventDefault();
        event.stopPropagation(); // from the map, which would move
        if (keys[key]) return void keys[key]();
        const length = event.shiftKey ? 1 : STEP;
        const to = map.latLngToLayerPoint(marker.getLatLng()).add([step[0] * length, step[1] * length]);
        edits.begin();
        move(place(map.layerPointToLatLng(to)));
      });
    });
    return marker.addTo(handles);
  }

  function label(marker, text) {
    marker.getElement()?.setAttribute("aria-label", text);
  }

  function cornerLabel(i) {
    return words.say("corner", { number: words.number(i + 1) });
  }

  function build() {
    handles.clearLayers();
    corners = [];
    betweens = [];
    centre = edge = null;
    if (!edits) return;
    if (state.kind === "polygon") {
      state.corners.forEach((at, i) => {
        const move = (to, options) => edits.change({ corners: shapes.spliced(state.corners, i, 1, to) }, options);
        const keys = { Delete: () => edits.remove(i), Backspace: () => edits.remove(i) };
        keys.Enter = keys[" "] = () => edits.select(i);
        const options = { keys, onFocus: () => edits.select(i) };
        const marker = handle(at, "corner", cornerLabel(i), move, options);
        marker.on("click dragstart", () => edits.select(i));
        corners.push(marker);
      });
    } else if (state.centre) {
      centre = handle(state.centre, "centre", words.say("centre"), (to, options) =>
        edits.change({ centre: to }, options),
      );
      edge = handle(state.centre, "edge", "", (to, options) => {
        const metres = Math.round(map.distance(state.centre, to));
        edits.change({ radius: Math.min(50_000, Math.max(10, metres)) }, options);
      });
    }
  }

  /** Put a handle in the middle of each edge that is long enough on the screen. */
  function drawBetweens() {
    for (const marker of betweens) marker.remove();
    betweens = [];
    const count = state.corners.length;
    if (!edits || state.kind !== "polygon" || count < 2) return;
    state.corners.forEach((from, i) => {
      if (count === 2 && i === 1) return;
      const [a, b] = [from, state.corners[(i + 1) % count]].map((at) => map.latLngToLayerPoint(at));
      if (a.distanceTo(b) < BETWEEN) return;
      const middle = map.layerPointToLatLng(a.add(b).divideBy(2));
      const text = words.say("between", { number: words.number(i + 1) });
      const add = () => edits.insert(i, place(marker.getLatLng()));
      const marker = L.marker(middle, {
        icon: L.divIcon({
          className: "tracking-handle tracking-handle-between",
          iconSize: [44, 44],
          html: document.createElement("span"),
        }),
        draggable: true,
        title: "",
      });
      marker.on("click dragend", add).addTo(handles);
      const element = marker.getElement();
      element.setAttribute("role", "button");
      element.setAttribute("aria-label", text);
      element.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        add();
      });
      betweens.push(marker);
    });
  }

  function moveHandles() {
    corners.forEach((marker, i) => marker.setLatLng(state.corners[i]));
    centre?.setLatLng(state.centre);
    edge?.setLatLng(shapes.eastOf(state.centre, state.radius || 0));
    if (edge) label(edge, words.say("edge", { count: words.number(state.radius || 0) }));
  }

  map.on("zoomend", () => state && drawBetweens());

  return {
    /** Draw a zone, as a drag goes on or at its end. */
    show(next, { isOngoing = false } = {}) {
      state = next;
      const wanted = `${state.kind} ${state.corners.length} ${Boolean(state.centre)}`;
      if (wanted !== drawn) build();
      drawn = wanted;
      drawArea();
      moveHandles();
      if (!isOngoing) drawBetweens();
      corners.forEach((marker, i) => {
        marker.getElement().toggleAttribute("data-selected", i === state.selected);
      });
    },

    /** Move the focus to a corner. */
    focus(corner) {
      corners[corner]?.getElement().focus({ preventScroll: true });
    },

    /** Return what the zone covers, null if there is none. */
    bounds() {
      const bounds = areas.getBounds();
      return bounds.isValid() ? bounds : null;
    },
  };
}

/** Draw other zones, for orientation; return their layer. */
export function drawOthers(L, map, shapes, others) {
  const layer = L.featureGroup();
  for (const { name, corners, centre, radius } of others) {
    const style = { className: "tracking-zone-other", interactive: false };
    const area = corners
      ? L.polygon(shapes.unwrap(corners), style)
      : L.circle(centre, { ...style, radius });
    const text = document.createElement("bdi");
    text.textContent = name;
    area.addTo(layer).bindTooltip(text, {
      ...{ permanent: true, direction: "center", className: "tracking-zone-name" },
    });
  }
  return layer.addTo(map);
}
