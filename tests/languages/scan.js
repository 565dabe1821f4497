// Evaluated in a page by test_pseudo.py.

/** Texts of the pseudo-language have letters outside ASCII, or its brackets and tildes. */
const TRANSLATED = /[^\x00-\x7f]|[[\]~]/;
/** Data, or words of Intl in English: numbers with their units, clock times, addresses, ids. */
const DATA = [
  /^[\s\d.,:;/()+–−-]*((km|mi|m|km\/h|mph|min|sec|s|hr|h|d|day|days|mo|yr|AM|PM|UTC|GMT|ago|in)\b[\s\d.,:+-]*)+$/,
  /^([A-Z][a-z]+day, )?[A-Z][a-z]+ \d{1,2}, \d{4}( at [\d:]+ [AP]M)?$/,
  /^\S+@\S+$/,
  /^(https?|wss?):\S+$/,
  /^[\w-]+([./_:-][\w-]+)+$/,
  /^(©.*|Leaflet|OwnTracks|Traccar Client|OsmAnd|REST API|GPX|CSV|JSON)$/,
];
/** Code, data in an element of its own, and what Django's admin builds by its own scripts. */
const OTHER =
  "script, style, code, pre, kbd, bdi, svg, .language-menu form, [translate=no], " +
  ".datetimeshortcuts, .timezonewarning, .calendarbox, .clockbox, .selector, .fv-help, " +
  ".action-counter, #changelist-search label, .app-token_blacklist, img[src*='admin/img/']";

function isVisible(element) {
  const style = getComputedStyle(element);
  return element.getClientRects().length > 0 && style.visibility !== "hidden";
}

function isUnmarked(text) {
  const words = text.trim();
  return /[A-Za-z]{2}/.test(words) && !TRANSLATED.test(words) && !DATA.some((data) => data.test(words));
}

/** Return the visible texts, labels, titles and placeholders that are not translated. */
window.unmarkedTexts = () => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { data, parentElement } = walker.currentNode;
    if (parentElement.closest(OTHER) || !isVisible(parentElement)) continue;
    // A text with markup has several nodes, of which each may be as short as "or".
    if (isUnmarked(data) && isUnmarked(parentElement.textContent)) found.push(`text: ${data.trim()}`);
  }
  // An option has no place of its own on the page. Those of the browser's time zones are in a datalist.
  for (const option of document.querySelectorAll("select option")) {
    const { parentElement } = option;
    if (isVisible(parentElement.closest("select")) && !option.closest(OTHER) && isUnmarked(option.text)) {
      found.push(`option: ${option.text}`);
    }
  }
  for (const name of ["aria-label", "title", "placeholder", "alt", "aria-description"]) {
    for (const element of document.querySelectorAll(`[${name}]`)) {
      const text = element.getAttribute(name);
      if (!element.closest(OTHER) && isVisible(element) && isUnmarked(text)) found.push(`${name}: ${text}`);
    }
  }
  for (const input of document.querySelectorAll("input[type=submit], input[type=button]")) {
    if (isVisible(input) && !input.closest(OTHER) && isUnmarked(input.value)) found.push(`value: ${input.value}`);
  }
  return [...new Set(found)];
};

function describe(element) {
  const name = element.className?.baseVal ?? element.className;
  return `<${element.localName} ${element.dataset?.part ?? name}> ${element.textContent.trim().slice(0, 60)}`;
}

/** Return what a longer text breaks: pages that scroll sideways, clipped texts, lost controls. */
window.brokenLayouts = () => {
  const found = [];
  const page = document.scrollingElement;
  // Django's own lists scroll in a box of theirs.
  const isAdmin = Boolean(document.querySelector("#container > #header"));
  if (!isAdmin && page.scrollWidth > page.clientWidth + 1) {
    found.push(`scrolls sideways: ${page.scrollWidth} px of ${page.clientWidth}`);
  }
  for (const element of isAdmin ? [] : document.body.querySelectorAll("*")) {
    if (!isVisible(element) || element.closest("svg, .leaflet-map-pane, .language-menu form")) continue;
    const style = getComputedStyle(element);
    const hides = style.overflowX === "hidden" || style.overflowX === "clip";
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    // A page may shorten a text on purpose, with an ellipsis. Texts for screen readers are 1 px.
    const isShortened = style.textOverflow === "ellipsis" || element.clientWidth <= 1;
    if (hides && hasText && !isShortened && element.scrollWidth > element.clientWidth + 1) {
      found.push(`clipped: ${describe(element)}`);
    }
    if (!element.matches("button, a[href], input, select, summary, [role=button]")) continue;
    const box = element.getBoundingClientRect();
    if (box.width && (box.left < -1 || box.right > page.clientWidth + 1)) {
      found.push(`leaves the screen: ${describe(element)}`);
    }
    if (element.matches("button, [role=button]") && element.scrollWidth > element.clientWidth + 1) {
      found.push(`text is wider than its button: ${describe(element)}`);
    }
  }
  // What is below an open dialog cannot be clicked.
  const top = document.querySelector("dialog[open], [aria-modal=true]:not([hidden])") ?? document;
  const controls = [...top.querySelectorAll("button, a.button, summary")].filter(
    (element) => !isAdmin && isVisible(element) && !element.closest(".leaflet-map-pane, .language-menu form"),
  );
  for (const [number, one] of controls.entries()) {
    const a = one.getBoundingClientRect();
    for (const other of controls.slice(number + 1)) {
      const b = other.getBoundingClientRect();
      const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      // A dialog lies on the page behind it.
      if (one.closest("dialog") !== other.closest("dialog")) continue;
      if (width > 1 && height > 1 && !one.contains(other) && !other.contains(one)) {
        found.push(`overlaps: ${describe(one)} and ${describe(other)}`);
      }
    }
  }
  return found;
};
