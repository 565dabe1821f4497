/**
 * The last known state of a user's trip, which the page shows without a connection.
 *
 * It is on the device only, of one user, and only on pages that are an app (`app.js`): a host's
 * page without that remembers nothing. It is deleted on log-out, as soon as the server refuses the
 * user, and when it is old: where a car was is personal data.
 */

const CACHE = "tracking-memory";
const WRITE_INTERVAL = 5_000; // ms
export const MAX_AGE = 12 * 3_600_000; // ms
export const MAX_AGE_ENDED = 3_600_000; // ms after the end of the trip

const ENDED = ["complete", "canceled"];

/** Return whether a remembered state may still be shown. */
export function isFresh({ trip, at }, now) {
  const age = now - at;
  return age >= 0 && age < (ENDED.includes(trip?.status) ? MAX_AGE_ENDED : MAX_AGE);
}

/** Return what of a trip is remembered. Its route is not: it is long, and soon wrong. */
export function strip({ id, reference, status, driver, waypoints }) {
  return { id, reference, status, driver, waypoints: waypoints ?? [] };
}

function address(user) {
  return new URL(`/-/tracking-memory/${encodeURIComponent(user)}`, location.href).href;
}

/** Delete all that is remembered. */
export async function forgetAll() {
  try {
    await globalThis.caches?.delete(CACHE);
  } catch {
    // Storage is forbidden, so nothing is there.
  }
}

/** Delete what is remembered of other users. */
export async function forgetOthers(user) {
  try {
    const cache = await caches.open(CACHE);
    for (const { url } of await cache.keys()) if (url !== address(user)) await cache.delete(url);
  } catch {
    // As above.
  }
}

/** Return the newest state that is remembered and fresh, or null. Delete the others. */
export async function recall(now = Date.now()) {
  let newest = null;
  try {
    const cache = await caches.open(CACHE);
    for (const request of await cache.keys()) {
      const response = await cache.match(request);
      const kept = await response?.json();
      if (!kept || !isFresh(kept, now)) await cache.delete(request);
      else if (!newest || kept.at > newest.at) newest = kept;
    }
  } catch {
    // As above.
  }
  return newest;
}

/** Return the memory of this page's user and trip; null on a page that is no app. */
export function keeper() {
  const user = document.querySelector("meta[name=tracking-app]")?.getAttribute("data-user");
  if (!user || !globalThis.caches) return null;
  let state = null;
  let timer = null;
  // Writes follow one another, so that none undoes the deletion after it.
  let last = Promise.resolve();
  const later = (action) => (last = last.then(action).catch(() => {}));

  function write() {
    clearTimeout(timer);
    timer = null;
    if (!state) return;
    const text = JSON.stringify(state);
    later(async () => {
      const cache = await caches.open(CACHE);
      const headers = { "Content-Type": "application/json" };
      await cache.put(address(user), new Response(text, { headers }));
    });
  }

  function changed() {
    timer ??= setTimeout(write, WRITE_INTERVAL);
  }

  addEventListener("pagehide", write);
  return {
    /** Remember a trip as of now. Once it has ended, where the car was is forgotten. */
    remember(trip) {
      // The end of a trip that this page has not seen.
      if (trip.id == null) return;
      const isSame = state?.trip.id === trip.id && state.trip.driver?.userId === trip.driver?.userId;
      const keeps = isSame && !ENDED.includes(trip.status);
      const isChanged = state?.trip.id !== trip.id || state.trip.status !== trip.status;
      state = { trip: strip(trip), location: keeps ? state.location : null, at: Date.now() };
      if (isChanged) write();
      else changed();
    },

    /** Remember where the car is. */
    locate({ latitude, longitude, recordedAt }) {
      if (!state) return;
      state.location = { latitude, longitude, recordedAt: recordedAt ?? Date.now() };
      state.at = Date.now();
      changed();
    },

    /** Note that the page is up to date, though nothing has changed. */
    confirm() {
      if (!state) return;
      state.at = Date.now();
      changed();
    },

    forget() {
      state = null;
      clearTimeout(timer);
      timer = null;
      later(() => caches.delete(CACHE));
    },
  };
}
