/** Make this page an app: install its service worker, and keep the memory to the user of the page. */

import(document.querySelector("meta[name=tracking-app]").getAttribute("data-memory")).then(
  async ({ forgetOthers }) => {
    const app = document.querySelector("meta[name=tracking-app]");
    if (!globalThis.caches) return;
    await forgetOthers(app.getAttribute("data-user"));
    try {
      await navigator.serviceWorker?.register(app.getAttribute("content"), {
        scope: app.getAttribute("data-scope"),
        updateViaCache: "none",
      });
    } catch {
      // Forbidden by the browser, or the server is unavailable: the page works without.
    }
  },
);
