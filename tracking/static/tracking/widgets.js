/**
 * Starts every widget on the page: each element with `data-tracking`.
 *
 * The element names the modules that its widget is made of by address, in `data-modules`, and they
 * reach the widget as arguments; none imports another. With hashed static files a relative import
 * would name a file without its hash, unless the storage rewrites it, which few do: so this works
 * with either, and every file may be cached for ever.
 */

const scripts = {};

/** Leaflet is a script of the old kind: it leaves a global, which is the host page's to use. */
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
