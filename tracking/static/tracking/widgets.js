/**
 * Start every widget on the page: each element with `data-tracking`.
 *
 * The element's `data-modules` has the URLs of its widget's modules, which are passed to the widget
 * as arguments; no module imports another. With hashed static files, a relative import would name a
 * file without its hash unless the storage rewrites imports, which few do. This works with any
 * storage, and every file can be cached permanently.
 */

const scripts = {};

/** Load Leaflet, which is not a module and sets a global, and restore the page's own global. */
function loadLeaflet(url) {
  scripts[url] ??= import(url).then(() => globalThis.leaflet.noConflict());
  return scripts[url];
}

async function load(element) {
  const urls = Object.entries(JSON.parse(element.dataset.modules));
  const modules = await Promise.all(
    urls.map(async ([name, url]) => [
      name,
      await (name === "leaflet" ? loadLeaflet(url) : import(url)),
    ]),
  );
  return Object.fromEntries(modules);
}

for (const element of document.querySelectorAll("[data-tracking]:not([data-started])")) {
  element.dataset.started = "";
  load(element)
    .then(({ widget, ...modules }) => widget.start(element, modules))
    .catch((error) => {
      element.dataset.failed = "";
      throw error;
    });
}
