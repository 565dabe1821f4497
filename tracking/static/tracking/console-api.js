/** The console's requests: JSON over HTTP with the session's token. */

const TIMEOUT = 10_000; // ms

/** An answer other than 2xx, or none: then `status` is 0. `problem` has the server's details. */
export class RequestFailed extends Error {
  constructor(status, problem = {}) {
    super(problem.detail || `HTTP ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/**
 * @param {Function} getToken of session.js
 * @param {(milliseconds: number) => AbortSignal} abortAfter of session.js
 */
export function createApi(getToken, abortAfter) {
  const tags = new Map();

  async function request(method, url, body, refresh = false) {
    const address = new URL(url, location.href);
    const headers = { Accept: "application/json" };
    const tag = method === "GET" && tags.get(address.href);
    if (tag) headers["If-None-Match"] = tag.etag;
    if (body) headers["Content-Type"] = "application/json";
    let response;
    try {
      const token = await getToken({ refresh });
      if (token === null) throw new RequestFailed(401);
      headers.Authorization = `Bearer ${token}`;
      response = await fetch(address, {
        method,
        headers,
        body: body && JSON.stringify(body),
        cache: "no-store",
        signal: abortAfter(TIMEOUT),
      });
    } catch (error) {
      throw error instanceof RequestFailed ? error : new RequestFailed(0);
    }
    // The token may have expired while no request was made.
    if (response.status === 401 && !refresh) return request(method, url, body, true);
    if (response.status === 304 && tag) return tag.answer;
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new RequestFailed(response.status, answer);
    const etag = response.headers.get("ETag");
    if (method === "GET" && etag) tags.set(address.href, { etag, answer });
    return answer;
  }

  return {
    /** @param {string} url @param {Record<string, any>} [query] empty values are left out */
    get(url, query = {}) {
      const address = new URL(url, location.href);
      for (const [name, value] of Object.entries(query)) {
        if (value !== "" && value !== null && value !== undefined) {
          address.searchParams.set(name, value);
        }
      }
      return request("GET", address.href);
    },

    /** @param {string} url @param {object} body */
    post(url, body = {}) {
      return request("POST", url, body);
    },
  };
}

/** Return a URL below another: `below("/trips/", 7, "assign")` is "/trips/7/assign/". */
export function below(url, ...names) {
  return names.reduce((path, name) => `${path}${encodeURIComponent(name)}/`, url);
}

/**
 * Call a function every so many milliseconds while the page is visible, and when it becomes
 * visible. Return a function that calls it at once.
 */
export function whileVisible(work, interval) {
  let timer;
  const run = () => {
    clearTimeout(timer);
    timer = setTimeout(run, interval);
    if (!document.hidden) work();
  };
  document.addEventListener("visibilitychange", () => !document.hidden && run());
  run();
  return run;
}
