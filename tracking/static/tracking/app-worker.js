/*
 * The service worker of the pages that are an app. The server's script before this one sets `app`:
 * the page to show offline, the files that it needs, a name that changes with them, and the paths
 * of the pages.
 *
 * It answers nothing that the network can answer: it is asked only when a page cannot be loaded.
 * No page with a user's data is stored, only the empty one, which reads `trip-memory.js`.
 */

const { app } = self;
const MEMORY = "tracking-memory";

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(app.cache);
      // Past the browser's cache, which may have older files, and without the user's cookies.
      const request = (url) => new Request(url, { cache: "reload", credentials: "omit" });
      const requests = [app.page, ...app.files].map((url) => request(url));
      await cache.addAll(requests);
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const names = await caches.keys();
      const old = names.filter((name) => name.startsWith(app.family) && name !== app.cache);
      await Promise.all(old.map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (new RegExp(app.paths).test(url.pathname)) event.respondWith(open(request));
  } else if (app.files.includes(url.pathname) || app.files.includes(url.href)) {
    event.respondWith(load(request));
  }
});

/** Return the page from the network, or without one the page to show offline. */
async function open(request) {
  try {
    const response = await fetch(request);
    // Logged out, or no longer allowed to see it: the device must not show it either.
    const isRefused = [401, 403, 404, 410].includes(response.status);
    const isSentAway = response.type === "opaqueredirect" && !request.url.endsWith(app.start || " ");
    if (isSentAway || isRefused) await caches.delete(MEMORY);
    return response;
  } catch (error) {
    const page = await (await caches.open(app.cache)).match(app.page);
    if (page) return page;
    throw error;
  }
}

/** Return a file of the page offline: its own version for that page, from the network for others. */
async function load(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const file = await (await caches.open(app.cache)).match(request.url);
    if (file) return file;
    throw error;
  }
}
