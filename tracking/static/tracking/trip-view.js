/** The part of the map that a rider sees: the car and where it goes, beside the panel. */

const CLOSE_ZOOM = 16;
const MARGIN = 44; // px around what is in view, half of a car's picture and more
const CONTROLS = 72; // px of the buttons at the map's edge
const MIN_ROOM = 140; // px of the map that the panel leaves, whatever it covers
// After the car has come this much nearer, in zoom levels, the map is framed again.
const NEARER = 1.5;

/**
 * @param {any} L Leaflet
 * @param {any} map
 * @param {HTMLElement} element the widget
 * @param {HTMLElement} panel
 * @param {{ smooth: boolean }} widget
 */
export function createView(L, map, element, panel, widget) {
  let places = [];
  let car = null;
  let framedZoom = null;
  let isFollowing = true;
  let isLate = false;
  const banner = element.querySelector('[data-part="banner"]');

  /** Return the padding that keeps things off the panel and the controls. */
  function padding() {
    const { x: width, y: height } = map.getSize();
    if (element.hasAttribute("data-narrow")) {
      // Above it is the scale.
      const covered = panel.offsetHeight + MARGIN;
      const sheet = Math.max(MARGIN, Math.min(covered, height - MIN_ROOM - MARGIN));
      // Hidden, it has no height.
      const top = MARGIN + (banner?.offsetHeight ?? 0);
      const room = height - sheet - MIN_ROOM / 2;
      const isMirrored = getComputedStyle(element).direction === "rtl";
      const [left, right] = isMirrored ? [CONTROLS, MARGIN] : [MARGIN, CONTROLS];
      return {
        paddingTopLeft: [left, Math.max(MARGIN, Math.min(top, room))],
        paddingBottomRight: [right, sheet],
      };
    }
    const side = Math.min(panel.offsetWidth + 16 + MARGIN, width - MIN_ROOM - CONTROLS);
    const isAtRight = panel.offsetLeft > width / 2;
    return {
      paddingTopLeft: [isAtRight ? CONTROLS : side, MARGIN],
      paddingBottomRight: [isAtRight ? side : CONTROLS, MARGIN],
    };
  }

  function ideal() {
    const bounds = L.latLngBounds(car ? [...places, car] : places);
    const options = { ...padding(), maxZoom: CLOSE_ZOOM };
    return { bounds, options, zoom: map._getBoundsCenterZoom(bounds, options).zoom };
  }

  function frame({ animate = widget.smooth } = {}) {
    if (!isFollowing || (!car && !places.length)) return;
    // Leaflet ignores what comes during the animation of a zoom.
    isLate = Boolean(map._animatingZoom);
    if (isLate) return;
    const { bounds, options, zoom } = ideal();
    const isFirst = framedZoom === null;
    framedZoom = zoom;
    map.fitBounds(bounds, { ...options, animate: animate && !isFirst, duration: 0.8 });
  }

  map.on("zoomend", () => isLate && frame());

  /** Return whether the car is where the panel and the controls do not cover it. */
  function isInView(at) {
    const { x, y } = map.latLngToContainerPoint(at);
    const size = map.getSize();
    const { paddingTopLeft: [left, top], paddingBottomRight: [right, bottom] } = padding();
    const slack = MARGIN / 2;
    return (
      x >= left - slack &&
      x <= size.x - right + slack &&
      y >= top - slack &&
      y <= size.y - bottom + slack
    );
  }

  return {
    /** Frame other places, with the car. @param {[number, number][]} next */
    aim(next) {
      if (JSON.stringify(next) === JSON.stringify(places)) return;
      places = next;
      frame();
    },

    /** Note where the car is, or null without one: once it is drawn there it is in view. */
    locate(at) {
      const isNew = (car === null) !== (at === null);
      car = at;
      if (isNew || (at && ideal().zoom - framedZoom >= NEARER)) frame();
    },

    /** Keep the car in view while it is drawn at a place. */
    follow(at) {
      const isMoving = map._animatingZoom || map._panAnim?._inProgress;
      if (isFollowing && !isMoving && framedZoom !== null && !isInView(at)) frame();
    },

    get following() {
      return isFollowing;
    },

    set following(value) {
      isFollowing = value;
      frame();
    },

    /** Frame again, as the room beside the panel has changed. */
    frame: () => frame({ animate: false }),
  };
}
