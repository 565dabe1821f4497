/** What the widgets with a map have in common: their parts, words, map and connection banner. */

/**
 * @param {HTMLElement} element the widget
 * @param {any} modules the page's
 */
export function createMapWidget(element, modules) {
  const data = element.dataset;
  /** @param {string} name @returns {any} */
  const part = (name) => element.querySelector(`[data-part="${name}"]`);
  const words = new modules.words.Words(JSON.parse(data.texts));
  const announce = modules.words.announcer(part("announcement"));
  return {
    data,
    part,
    words,
    announce,
    /** Whether things may move gradually. */
    get smooth() {
      return !modules.map.prefersReducedMotion();
    },
    map: modules.map.createMap(part("map"), modules, data, words),

    /** Say how the client's connection is, unless it is as it should be. */
    showConnection(state, reason) {
      element.dataset.connection = state;
      const banner = {
        connecting: words.say("connecting"),
        open: "",
        reconnecting: words.say("reconnecting"),
        closed: words.reason(reason),
      }[state];
      part("connection").textContent = banner;
      part("banner").hidden = !banner;
      part("retry").hidden = state !== "closed";
      if (banner && state !== "connecting") announce(banner);
    },
  };
}
