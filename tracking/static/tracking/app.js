/** Make this page an app: install its service worker, and keep the memory to the user of the page. */

async function install() {
  const app = document.querySelector("meta[name=tracking-app]");
  // Without a secure connection there is neither.
  if (!app || !globalThis.caches || !navigator.serviceWorker) return;
  const { forgetOthers } = await import(app.getAttribute("data-memory"));
  await forgetOthers(app.getAttribute("data-user"));
  const options = { scope: app.getAttribute("data-scope"), updateViaCache: "none" };
  await navigator.serviceWorker.register(app.getAttribute("content"), options);
}

install().catch(() => {
  // Forbidden by the browser, or the server is unavailable: the page works without.
});
