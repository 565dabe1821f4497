/** The common base of the widgets with a map: their parts, texts, map and connection banner. */

/**
 * @param {HTMLElement} element the widget
 * @param {any} modules the page's
 */
export function createMapWidget(element, modules) {
  const data = element.dataset;
  /** @param {string} name @returns {any} */
  const part = (name) => element.querySelector(`[data-part="${name}"]`);
  const words = new modules.words.Words(JSON.parse(data.texts));
  // The connection problem that was announced last.
  let trouble = "";
  // A host's own template may omit them.
  const wayBack = [part("reload"), part("log-in")].filter(Boolean);
  part("log-in")?.setAttribute("href", modules.session.logInUrl(data));
  part("reload")?.addEventListener("click", () => location.reload());
  const { announce, alarm } = modules.words.speaker(part);
  measure(element);
  return {
    data,
    part,
    words,
    announce,
    alarm,
    /** Return a part's id, which is unique: the page may have several widgets. */
    identify(name) {
      const count = document.querySelectorAll("[id^=tracking-]").length;
      part(name).id ||= `tracking-${name}-${count}`;
      return part(name).id;
    },
    /** True if animations are allowed. */
    get smooth() {
      return !modules.map.prefersReducedMotion();
    },
    map: modules.map.createMap(part("map"), modules, data, words),

    /** Show the state of the client's connection unless it is open. */
    showConnection(state, reason) {
      element.dataset.connection = state;
      const banner = {
        connecting: words.say("connecting"),
        open: "",
        reconnecting: words.say(reason?.error === "offline" ? "you_are_offline" : "reconnecting"),
        closed: words.reason(reason),
      }[state];
      part("connection").textContent = banner;
      part("banner").hidden = !banner;
      // The page's log-in has ended, so only a reload helps.
      const isLoggedOut = state === "closed" && reason?.code === 4401;
      const isWaiting = state === "closed" || state === "reconnecting";
      part("retry").hidden = !isWaiting || (isLoggedOut && wayBack.length > 0);
      part("retry").textContent = words.say(state === "closed" ? "try_again" : "try_now");
      for (const control of wayBack) control.hidden = !isLoggedOut;
      // Announce a problem once, not after every failed attempt.
      if (state === "open") {
        if (trouble) announce(words.say("connected_again"));
        trouble = "";
        alarm("");
      } else if (state !== "connecting" && banner !== trouble) {
        alarm(banner);
        trouble = banner;
      }
    },
  };
}

const NARROW = 560; // px, the width of a phone

/** Update `data-narrow` and the panel's height on a narrow widget, for the style sheets. */
function measure(element) {
  const panel = element.querySelector(".tracking-panel");
  const observer = new ResizeObserver(() => {
    const isNarrow = element.clientWidth <= NARROW;
    element.toggleAttribute("data-narrow", isNarrow);
    if (panel) element.style.setProperty("--tracking-sheet", `${panel.offsetHeight + 24}px`);
  });
  observer.observe(element);
  if (panel) observer.observe(panel);
}
