/** The access token of whoever is logged in, for the client's `getToken`. */

const PATIENCE = 5_000; // ms

// When somebody last touched this page, by `performance.now()`. It was opened by somebody.
let touchedAt = performance.now();
for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) {
  addEventListener(kind, () => (touchedAt = performance.now()), { capture: true, passive: true });
}

/** For how many seconds nobody has touched this page: a site may log out whoever is not there. */
function idleSeconds() {
  return String(Math.floor((performance.now() - touchedAt) / 1000));
}

/** Where to log in and come back to this page, which then is a new one. */
export function logInUrl({ logInUrl: address }) {
  const url = new URL(address, location.href);
  url.searchParams.set("next", location.pathname + location.search);
  return url.href;
}

/**
 * A signal that aborts after a while. Safari has none of its own before version 16.
 * @param {number} milliseconds
 */
export function abortAfter(milliseconds) {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), milliseconds);
  return controller.signal;
}

/** Asks `url`, which answers the page's session and its CSRF token with `{"access": …}`. */
export function sessionToken({ tokenUrl, csrfToken }) {
  let held = null;
  return async ({ refresh }) => {
    if (held && !refresh) return held;
    const response = await fetch(tokenUrl, {
      method: "POST",
      headers: {
        "X-CSRFToken": csrfToken,
        "X-Idle-Seconds": idleSeconds(),
        Accept: "application/json",
      },
      credentials: "same-origin",
      // After the network was cut, a browser may ask over a connection that is dead.
      signal: abortAfter(PATIENCE),
    });
    // Nobody is logged in any more, or somebody anew, whose CSRF token is not this page's: a new
    // page helps. Anything else may pass, so the client asks again.
    if ([401, 403].includes(response.status)) return (held = null);
    if (!response.ok) throw new Error(`the token endpoint answered ${response.status}`);
    held = (await response.json()).access;
    return held;
  };
}
