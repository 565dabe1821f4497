/** The access token of the logged-in user, for the client's `getToken`. */

const REQUEST_TIMEOUT = 5_000; // ms

// The last user activity on this page, by `performance.now()`. Opening it counts.
let touchedAt = performance.now();
for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) {
  addEventListener(kind, () => (touchedAt = performance.now()), { capture: true, passive: true });
}

/** Return the whole seconds since the last activity, by which a site may log idle users out. */
function idleSeconds() {
  return String(Math.floor((performance.now() - touchedAt) / 1000));
}

/** Return the URL to log in, which then leads back to this page. */
export function logInUrl({ logInUrl: address }) {
  const url = new URL(address, location.href);
  url.searchParams.set("next", location.pathname + location.search);
  return url.href;
}

/**
 * Return a signal that aborts after a time. Safari has none built in before version 16.
 * @param {number} milliseconds
 */
export function abortAfter(milliseconds) {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), milliseconds);
  return controller.signal;
}

/** Return a `getToken` that posts to `tokenUrl`, which answers with `{"access": …}`. */
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
      // After a network failure, a browser may send the request over a dead connection.
      signal: abortAfter(REQUEST_TIMEOUT),
    });
    // The user is logged out, or has logged in again, with a CSRF token that is not this page's:
    // only a reload helps; or it is a share link that has ended. Any other failure may be temporary,
    // so the client tries again.
    if ([401, 403, 410].includes(response.status)) return (held = null);
    if (!response.ok) throw new Error(`the token endpoint answered ${response.status}`);
    held = (await response.json()).access;
    return held;
  };
}
