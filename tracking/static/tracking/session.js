/** The access token of whoever is logged in, for the client's `getToken`. */

/** Asks `url`, which answers the page's session and its CSRF token with `{"access": …}`. */
export function sessionToken({ tokenUrl, csrfToken }) {
  let held = null;
  return async ({ refresh }) => {
    if (held && !refresh) return held;
    const response = await fetch(tokenUrl, {
      method: "POST",
      headers: { "X-CSRFToken": csrfToken, Accept: "application/json" },
      credentials: "same-origin",
    });
    // Nobody is logged in any more. Anything else may pass, so the client asks again.
    if ([401, 403].includes(response.status)) return null;
    if (!response.ok) throw new Error(`the token endpoint answered ${response.status}`);
    held = (await response.json()).access;
    return held;
  };
}
