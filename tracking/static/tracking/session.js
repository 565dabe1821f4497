/** The access token of whoever is logged in, for the client's `getToken`. */

const PATIENCE = 5_000; // ms

/** Asks `url`, which answers the page's session and its CSRF token with `{"access": …}`. */
export function sessionToken({ tokenUrl, csrfToken }) {
  let held = null;
  return async ({ refresh }) => {
    if (held && !refresh) return held;
    const response = await fetch(tokenUrl, {
      method: "POST",
      headers: { "X-CSRFToken": csrfToken, Accept: "application/json" },
      credentials: "same-origin",
      // After the network was cut, a browser may ask over a connection that is dead.
      signal: AbortSignal.timeout(PATIENCE),
    });
    // Nobody is logged in any more. Anything else may pass, so the client asks again.
    if ([401, 403].includes(response.status)) return null;
    if (!response.ok) throw new Error(`the token endpoint answered ${response.status}`);
    held = (await response.json()).access;
    return held;
  };
}
