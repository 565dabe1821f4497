/** The widget of a zone in the admin: it is drawn on the map, and written into the page's form. */

const MARGIN = 40; // px around the zone
const CLOSE_ZOOM = 17;
const START_ZOOM = 12;
const DOUBLE_CLICK = 400; // ms

/** @param {HTMLElement} element @param {any} modules */
export function start(element, modules) {
  const L = modules.leaflet;
  const shapes = modules.shape;
  const widget = modules.mapWidget.createMapWidget(element, modules);
  const { data, part, words, announce, map } = widget;
  const { shape, others, start: begin, may_edit: mayEdit } = JSON.parse(data.zone);
  const form = mayEdit ? element.closest("form") : null;
  const field = (name) => /** @type {any} */ (form?.elements.namedItem(name));
  const undo = new shapes.Undo();
  let state = { kind: "circle", centre: null, radius: null, corners: [], selected: -1 };
  let isReadable = true;
  let clickedAt = 0;

  const edits = {
    begin: () => undo.push(kept()),
    change(change, { isOngoing = false } = {}) {
      state = { ...state, ...change };
      if (!isOngoing) writeFields();
      show({ isOngoing });
    },
    insert(after, place) {
      edits.begin();
      const corners = shapes.spliced(state.corners, after + 1, 0, place);
      edits.change({ corners: shapes.unwrap(corners), selected: after + 1 });
      drawing.focus(after + 1);
    },
    remove(corner) {
      if (!state.corners[corner]) return;
      edits.begin();
      const corners = shapes.spliced(state.corners, corner, 1);
      const selected = Math.min(corner, corners.length - 1);
      edits.change({ corners, selected });
      drawing.focus(selected);
    },
    select(corner) {
      if (corner === state.selected) return;
      state = { ...state, selected: corner };
      show();
    },
  };
  const drawing = modules.drawing.createDrawing(L, map, words, shapes, mayEdit ? edits : null);
  const otherZones = modules.drawing.drawOthers(L, map, shapes, others);

  function kept() {
    const { centre, radius, corners } = state;
    return { centre, radius, corners };
  }

  /** Take the zone from the form, as a user may have typed it, or from the page. */
  function read() {
    if (!form) {
      const kind = shape?.corners ? "polygon" : "circle";
      const corners = shapes.unwrap(shape?.corners ?? []);
      state = { ...state, ...shape, kind, corners };
      return;
    }
    const number = (name) => (field(name).value.trim() ? Number(field(name).value) : NaN);
    const [lat, lon, radius] = ["latitude", "longitude", "radius"].map(number);
    const isPlace = Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
    const corners = shapes.parseCorners(field("polygon").value);
    isReadable = corners !== null;
    state = {
      kind: field("kind").value,
      centre: isPlace ? [lat, lon] : null,
      radius: radius > 0 ? radius : null,
      corners: corners ? shapes.unwrap(corners) : state.corners,
      selected: Math.min(state.selected, (corners?.length ?? 0) - 1),
    };
  }

  function writeFields(kind = state.kind) {
    if (kind === "polygon") {
      field("polygon").value = shapes.formatCorners(state.corners);
      isReadable = true;
    } else {
      const [lat, lon] = state.centre ?? ["", ""];
      field("latitude").value = state.centre ? shapes.round(lat) : "";
      field("longitude").value = state.centre ? shapes.round(shapes.wrap(lon)) : "";
      field("radius").value = state.radius ?? "";
    }
  }

  function show({ isOngoing = false } = {}) {
    drawing.show(state, { isOngoing });
    const isPolygon = state.kind === "polygon";
    if (mayEdit) {
      part("add").textContent = words.say(isPolygon ? "add_corner" : "set_centre");
      part("delete").hidden = !isPolygon;
      part("delete").disabled = !(state.selected in state.corners);
      part("undo").disabled = undo.isEmpty;
      part("fit").disabled = !drawing.bounds();
    }
    for (const [kind, isShown] of [
      ["circle", !isPolygon],
      ["polygon", isPolygon],
    ]) {
      const fields = document.querySelector(`.tracking-zone-${kind}`);
      if (fields instanceof HTMLElement) fields.hidden = !isShown;
    }
    const text = hint();
    if (part("hint").textContent !== text) {
      part("hint").textContent = text;
      if (!isOngoing) announce(text);
    }
  }

  /** Return what the zone is, or what is next to do. */
  function hint() {
    const { kind, centre, radius, corners } = state;
    if (kind === "circle") {
      const count = words.number(Math.round(radius ?? 0));
      return centre ? words.say("circle", { count }) : mayEdit ? words.say("no_circle") : "";
    }
    if (!isReadable) return words.say("unreadable");
    if (!corners.length) return mayEdit ? words.say("no_corners") : "";
    if (corners.length < 3) return words.say("few_corners");
    if (shapes.crossesItself(corners)) return words.say("crosses");
    const metres = shapes.areaOf(corners);
    const area =
      metres < 100_000
        ? words.say("square_metres", { count: words.number(shapes.twoDigits(metres)) })
        : words.say("square_kilometres", { count: words.decimal(metres / 1e6, 2) });
    return words.plural("corners", corners.length, { area });
  }

  /** Add a corner after the selected one, or move the circle. */
  function put({ lat, lng }) {
    if (state.kind === "polygon") {
      const after = state.selected in state.corners ? state.selected : state.corners.length - 1;
      return edits.insert(after, [lat, lng]);
    }
    edits.begin();
    const radius = state.radius ?? sensibleRadius();
    edits.change({ centre: [lat, lng], radius });
  }

  /** Return a radius that is an eighth of the map. */
  function sensibleRadius() {
    const { x, y } = map.getSize();
    const middle = map.getSize().divideBy(2);
    const ends = [middle, middle.add([Math.min(x, y) / 8, 0])];
    const [from, to] = ends.map((point) => map.containerPointToLatLng(point));
    return Math.min(50_000, Math.max(10, shapes.twoDigits(map.distance(from, to))));
  }

  function fit() {
    const bounds = drawing.bounds() ?? (others.length ? otherZones.getBounds() : null);
    const padding = [MARGIN, MARGIN];
    if (bounds) map.fitBounds(bounds, { padding, maxZoom: CLOSE_ZOOM, animate: false });
    else if (begin) map.setView(begin, START_ZOOM, { animate: false });
  }

  if (form) {
    map.doubleClickZoom.disable();
    map.on("click", ({ latlng, originalEvent }) => {
      // The second click of a double one adds no second corner.
      const isSecond = originalEvent.timeStamp - clickedAt < DOUBLE_CLICK;
      clickedAt = originalEvent.timeStamp;
      if (!isSecond) put(latlng);
    });
    part("map").addEventListener("keydown", (event) => {
      if (event.target !== part("map") || event.key !== "Enter") return;
      event.preventDefault();
      put(map.getCenter());
    });
    // The cross shows where the button, or Enter, puts something.
    const aim = (isAiming) => () => element.toggleAttribute("data-aiming", isAiming);
    for (const name of ["add", "map"]) {
      part(name).addEventListener("focus", aim(true));
      part(name).addEventListener("blur", aim(false));
    }
    part("map").addEventListener("pointerdown", aim(false));
    part("add").addEventListener("click", () => {
      put(map.getCenter());
      part("add").focus();
    });
    part("delete").addEventListener("click", () => edits.remove(state.selected));
    part("undo").addEventListener("click", () => {
      const before = undo.pop();
      if (!before) return;
      // The other kind may have been changed last. Corners that cannot be read stay as they are.
      const isOther = JSON.stringify(before.corners) !== JSON.stringify(state.corners);
      edits.change({ ...before, selected: before.corners.length - 1 });
      writeFields("circle");
      if (isOther) writeFields("polygon");
    });
    part("fit").addEventListener("click", fit);
    for (const name of ["latitude", "longitude", "radius", "polygon"]) {
      field(name).addEventListener("input", () => {
        undo.push(kept());
        read();
        show();
      });
      field(name).addEventListener("change", () => isReadable && fit());
    }
    for (const choice of field("kind")) {
      choice.addEventListener("change", () => {
        read();
        show();
        if (drawing.bounds()) fit();
      });
    }
  }
  read();
  show();
  fit();
  element.dataset.located = "";
}
