/**
 * The panel of a trip on a phone: a sheet that shows the driver, and more when it is pulled up. On
 * wider widgets all of it is shown.
 */

const DRAG = 6; // px; less is a tap
const FLING = 0.4; // px per ms
const SETTLE = 280; // ms, as in the style sheet
const MAP_ROOM = 96; // px of the map that an open sheet leaves
const CONTROLS = 200; // px of the map's controls above the sheet
const SMALL = 0.6; // of the widget's height: a sheet that is not higher opens by itself

/**
 * @param {HTMLElement} element the widget
 * @param {(name: string) => HTMLElement | null} part
 * @param {{ isSmooth: () => boolean, onSettled: () => void }} options
 */
export function createSheet(element, part, { isSmooth, onSettled }) {
  const [handle, peek, more] = ["handle", "peek", "more"].map(part);
  // A host's own template may have no sheet.
  if (!handle || !peek || !more) return { isMoving: false };
  const panel = part("sheet");
  let isOpen = true;
  let isChosen = false;
  let drag = null;
  let wasDragged = false;
  let timer = null;

  const isNarrow = () => element.hasAttribute("data-narrow");

  /** Return the height of what is below the driver, as much as the widget has room for. */
  function room() {
    const others = panel.offsetHeight - more.offsetHeight;
    const limit = element.clientHeight - others - MAP_ROOM;
    return Math.max(0, Math.min(more.firstElementChild.offsetHeight, limit));
  }

  function layOut() {
    const covers = isNarrow() && panel.offsetHeight > element.clientHeight - CONTROLS;
    element.toggleAttribute("data-covered", covers);
    if (drag) return;
    if (!isNarrow()) {
      more.style.height = "";
      delete element.dataset.peek;
      return;
    }
    if (!isChosen) {
      const others = panel.offsetHeight - more.offsetHeight;
      isOpen = others + more.firstElementChild.offsetHeight <= element.clientHeight * SMALL;
    }
    more.style.height = isOpen ? `${room()}px` : "0";
    element.toggleAttribute("data-peek", !isOpen);
    handle.setAttribute("aria-expanded", String(isOpen));
  }

  function settle() {
    clearTimeout(timer);
    const finish = () => {
      element.removeAttribute("data-settling");
      timer = null;
      onSettled();
    };
    element.toggleAttribute("data-settling", isSmooth());
    timer = setTimeout(finish, isSmooth() ? SETTLE : 0);
    layOut();
  }

  function choose(open) {
    isChosen = true;
    isOpen = open;
    settle();
  }

  handle.addEventListener("click", () => {
    if (!wasDragged) choose(!isOpen);
    wasDragged = false;
  });
  handle.addEventListener("keydown", (event) => {
    const open = { ArrowUp: true, ArrowDown: false }[event.key];
    if (open === undefined) return;
    event.preventDefault();
    choose(open);
  });
  peek.addEventListener("pointerdown", (event) => {
    if (!isNarrow() || event.button !== 0 || !event.isPrimary) return;
    wasDragged = false;
    drag = { id: event.pointerId, y: event.clientY, height: more.offsetHeight, isMoving: false };
    drag.last = { y: event.clientY, at: event.timeStamp, speed: 0 };
  });
  // The pointer may be faster than the sheet.
  document.addEventListener("pointermove", (event) => {
    if (event.pointerId !== drag?.id) return;
    const up = drag.y - event.clientY;
    if (!drag.isMoving && Math.abs(up) < DRAG) return;
    if (!drag.isMoving) {
      drag.isMoving = true;
      element.removeAttribute("data-peek");
      element.removeAttribute("data-settling");
    }
    const { last } = drag;
    const since = Math.max(1, event.timeStamp - last.at);
    drag.last = { y: event.clientY, at: event.timeStamp, speed: (last.y - event.clientY) / since };
    more.style.height = `${Math.max(0, Math.min(room(), drag.height + up))}px`;
  });
  const end = (event) => {
    if (event.pointerId !== drag?.id) return;
    const { isMoving, last } = drag;
    drag = null;
    if (!isMoving) return;
    wasDragged = true;
    // The click of a drag comes in the same task, if at all.
    setTimeout(() => (wasDragged = false));
    const isFlung = Math.abs(last.speed) > FLING && event.timeStamp - last.at < 100;
    choose(isFlung ? last.speed > 0 : more.offsetHeight > room() / 2);
  };
  document.addEventListener("pointerup", end);
  document.addEventListener("pointercancel", end);
  // The first of a widget is not narrow yet.
  new ResizeObserver(layOut).observe(element);
  new ResizeObserver(layOut).observe(peek);
  new ResizeObserver(layOut).observe(panel);
  new ResizeObserver(layOut).observe(more.firstElementChild);
  new MutationObserver(layOut).observe(element, { attributeFilter: ["data-narrow"] });

  return {
    /** True while it is dragged, or moves to where it will stand. */
    get isMoving() {
      return Boolean(drag?.isMoving) || (timer !== null && isSmooth());
    },
  };
}
