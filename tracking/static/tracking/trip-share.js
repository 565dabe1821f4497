/** The dialog of a trip's links: share a new one, see who opened one, end one. */

const TIMEOUT = 10_000; // ms
const FOCUSABLE = "button:not([hidden]):not(:disabled), input:not([hidden])";

/**
 * @param {any} widget
 * @param {(options: { refresh: boolean }) => Promise<string | null>} getToken
 * @param {(milliseconds: number) => AbortSignal} abortAfter
 */
export function createShareDialog({ data, part, words }, getToken, abortAfter) {
  const button = part("share");
  const dialog = part("share-dialog");
  if (!button || !dialog || !data.sharesUrl || data.shared) return { setOpen() {} };
  /** Safari has no dialogs before 15.4. */
  const isModal = typeof dialog.showModal === "function";

  async function call(method, url, retry = false) {
    const token = await getToken({ refresh: retry });
    if (!token) throw Object.assign(new Error("logged out"), { status: 401 });
    const headers = { Accept: "application/json", Authorization: `Bearer ${token}` };
    const answer = await fetch(url, { method, headers, signal: abortAfter(TIMEOUT) });
    // The token may have expired a moment ago.
    if (answer.status === 401 && !retry) return call(method, url, true);
    if (!answer.ok) throw Object.assign(new Error("refused"), { status: answer.status });
    return answer.status === 204 ? null : answer.json();
  }

  function note(name, values) {
    part("share-note").textContent = name ? words.say(name, values) : "";
  }

  /** Say why a call failed. */
  function fail({ status }, otherwise) {
    const known = { 401: "share_logged_out", 403: "share_forbidden", 404: "share_over" };
    note({ ...known, 409: "share_too_many", 410: "share_over" }[status] ?? otherwise);
  }

  async function load() {
    try {
      const answer = await call("GET", data.sharesUrl);
      list(Array.isArray(answer) ? answer : (answer?.results ?? []));
    } catch (error) {
      fail(error, "share_unread");
    }
  }

  function list(shares) {
    part("share-section").hidden = !shares.length;
    part("share-list").replaceChildren(...shares.map(entry));
  }

  function entry(share) {
    const item = document.createElement("li");
    const text = document.createElement("div");
    const time = words.minute(Date.parse(share.created_at));
    const title = line("tracking-link-title", words.say("share_of", { time }));
    const opened = share.opened_at ? words.minute(Date.parse(share.opened_at)) : "";
    const state = opened ? words.say("share_opened", { time: opened }) : words.say("share_unopened");
    const detail = line("tracking-link-state", state);
    detail.toggleAttribute("data-opened", Boolean(opened));
    text.append(title, detail);
    const stop = document.createElement("button");
    stop.type = "button";
    stop.className = "tracking-action";
    stop.textContent = words.say("share_stop");
    stop.setAttribute("aria-label", words.say("share_stop_of", { time }));
    stop.addEventListener("click", () => revoke(share, stop));
    item.append(text, stop);
    return item;
  }

  function line(className, text) {
    const paragraph = document.createElement("p");
    paragraph.className = className;
    paragraph.textContent = text;
    return paragraph;
  }

  async function revoke({ id }, stop) {
    stop.disabled = true;
    try {
      await call("DELETE", `${data.sharesUrl}${id}/`);
      part("share-link").hidden = true;
      note("share_stopped");
    } catch (error) {
      fail(error, "share_not_stopped");
    }
    await load();
    // The button is gone, or another one.
    if (isShown()) part("share-new").focus();
  }

  async function create() {
    const start = part("share-new");
    start.setAttribute("aria-disabled", "true");
    note("");
    try {
      const { url } = await call("POST", data.sharesUrl);
      part("share-url").value = url;
      part("share-link").hidden = false;
      await offer(url);
    } catch (error) {
      fail(error, "share_failed");
    }
    start.removeAttribute("aria-disabled");
    await load();
  }

  /** Hand the link to the phone's own sheet; else copy it. */
  async function offer(url) {
    if (typeof navigator.share === "function") {
      try {
        await navigator.share({ title: words.say("share_title"), url });
        return note("share_ready");
      } catch (error) {
        // The person changed their mind, or the browser wants another tap.
        if (error.name === "AbortError") return note("share_ready");
      }
    }
    await copy();
  }

  async function copy() {
    const field = part("share-url");
    try {
      // Missing over plain HTTP.
      await navigator.clipboard.writeText(field.value);
      note("share_copied");
    } catch {
      field.focus();
      field.select();
      note("share_select");
    }
  }

  function isShown() {
    return dialog.hasAttribute("open");
  }

  function open() {
    note("");
    part("share-link").hidden = true;
    if (isModal) dialog.showModal?.();
    else {
      dialog.setAttribute("role", "dialog");
      dialog.setAttribute("aria-modal", "true");
      dialog.setAttribute("open", "");
      dialog.setAttribute("data-plain", "");
    }
    part("share-new").focus();
    load();
  }

  function close() {
    if (isModal) dialog.close();
    else {
      dialog.removeAttribute("open");
      if (!button.hidden) button.focus();
    }
  }

  dialog.addEventListener("keydown", (event) => {
    if (isModal) return;
    if (event.key === "Escape") close();
    if (event.key !== "Tab") return;
    const all = [...dialog.querySelectorAll(FOCUSABLE)].filter((each) => each.offsetParent);
    const [first, last] = [all[0], all[all.length - 1]];
    const edge = event.shiftKey ? first : last;
    if (document.activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  });
  // On the backdrop, which is the dialog's own.
  dialog.addEventListener("click", (event) => {
    if (event.target !== dialog) return;
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    const { clientX: x, clientY: y } = event;
    if (x < left || x > right || y < top || y > bottom) close();
  });
  button.addEventListener("click", open);
  part("share-close").addEventListener("click", close);
  part("share-copy").addEventListener("click", copy);
  part("share-new").addEventListener("click", () => {
    if (!part("share-new").hasAttribute("aria-disabled")) create();
  });

  return {
    /** Allow sharing, as long as the trip is open. @param {boolean} isOpen */
    setOpen(isOpen) {
      button.hidden = !isOpen;
      if (!isOpen && isShown()) close();
    },
  };
}
