/** The console's list of alerts, which a dispatcher acknowledges. */

const REFRESH = 10_000; // ms

/** @param {any} modules the page's @param {any} desk the console */
export function createAlerts(modules, desk) {
  const { words, part, data, api, announce, alarm } = desk;
  const { make, button, redraw } = modules.consolePanel;
  const phrases = modules.consoleWords;
  let alerts = [];
  let known = null; // the ids of the alerts that were announced

  async function load() {
    try {
      const { results } = await api.get(data.alertsUrl, { open: true });
      alerts = results;
      const waiting = alerts.filter(({ acknowledged_at: at }) => !at);
      desk.badge("alerts", waiting.length, "alerts_open");
      if (known) speak(waiting.filter(({ id }) => !known.has(id)));
      known = new Set(alerts.map(({ id }) => id));
      draw();
      desk.clearProblem("alerts");
    } catch (error) {
      desk.problem("alerts", error);
    }
  }

  /** Announce new alerts: a driver who has fallen silent on a trip at once, others in their turn. */
  function speak(fresh) {
    const silent = fresh.filter(({ kind }) => kind === "silent");
    if (silent.length) alarm(silent.map(textOf).join(" "));
    const others = fresh.filter(({ kind }) => kind !== "silent");
    if (others.length) announce(others.map(textOf).join(" "));
  }

  function textOf({ kind, driver, trip }) {
    const values = { name: phrases.nameOf(words, driver), trip: trip ? phrases.titleOf(words, trip) : "" };
    return words.say(`alert_${kind}_of`, values);
  }

  function draw() {
    const minute = Math.floor(Date.now() / 60_000);
    part("alerts-empty").hidden = alerts.length > 0;
    redraw(part("alerts"), [alerts, minute], () => alerts.map(line));
  }

  function line(alert) {
    const { id, kind, driver, trip, since, acknowledged_at: at, acknowledged_by: by } = alert;
    const item = make("li", "console-alert");
    item.dataset.kind = kind;
    item.toggleAttribute("data-done", Boolean(at));
    const name = phrases.nameOf(words, driver);
    const open = button("console-alert-open", "", () => desk.openDriver(driver, { from: open }));
    const called = make("bdi", "", name);
    const what = make("strong", "");
    what.append(called);
    const lasts = words.say("for_duration", {
      duration: phrases.duration(words, Date.now() - Date.parse(since)),
    });
    const details = [lasts, trip && phrases.titleOf(words, trip)];
    open.append(
      what,
      make("span", "console-kind", words.say(`alert_${kind}`)),
      make("span", "console-quiet", details.filter(Boolean).join(" · ")),
    );
    item.append(open);
    if (at) {
      const who = by ? phrases.nameOf(words, by) : "";
      item.append(make("span", "console-quiet console-done", words.say(who ? "done_by" : "done", { name: who })));
    } else if (data.mayAcknowledge) {
      const done = button("console-action", words.say("acknowledge"), () => acknowledge(id, done));
      done.setAttribute("aria-label", words.say("acknowledge_of", { alert: textOf(alert) }));
      item.append(done);
    }
    return item;
  }

  async function acknowledge(id, control) {
    const controls = [...part("alerts").querySelectorAll("button.console-action")];
    const at = controls.indexOf(control);
    control.disabled = true;
    try {
      const answer = await api.post(modules.consoleApi.below(data.alertsUrl, id, "acknowledge"));
      alerts = alerts.map((alert) => (alert.id === id ? { ...alert, ...answer } : alert));
      desk.badge("alerts", alerts.filter((alert) => !alert.acknowledged_at).length, "alerts_open");
      draw();
      announce(words.say("acknowledged"));
      // On to the next one, or the focus would be lost.
      const left = [...part("alerts").querySelectorAll("button.console-action")];
      (left[at] ?? left[at - 1] ?? part("alerts-title")).focus();
      run();
    } catch (error) {
      control.disabled = false;
      desk.problem("alerts", error);
    }
  }

  const run = modules.consoleApi.whileVisible(load, REFRESH);
  return { show: draw };
}
