/** What the widgets say. The texts come from the page, in its language. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const ANNOUNCE_EVERY = 10 * SECOND;

export class Words {
  /** @param {Record<string, string>} texts with %(name)s where something is filled in */
  constructor(texts) {
    this.texts = texts;
    const language = document.documentElement.lang || undefined;
    this.numbers = new Intl.NumberFormat(language);
    this.clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
  }

  /** The text, filled in; empty if there is none of that name. */
  say(name, values = {}) {
    const fill = (_, key) => String(values[key] ?? "");
    return (this.texts[name] ?? "").replace(/%\((\w+)\)s/g, fill);
  }

  /** A span of time in its largest whole unit: "40 s ago". @param {number} milliseconds */
  ago(milliseconds) {
    const age = Math.max(0, milliseconds);
    if (age < 2 * SECOND) return this.say("just_now");
    const [name, unit] =
      age < MINUTE
        ? ["seconds_ago", SECOND]
        : age < HOUR
          ? ["minutes_ago", MINUTE]
          : age < DAY
            ? ["hours_ago", HOUR]
            : ["days_ago", DAY];
    return this.say(name, { count: Math.floor(age / unit) });
  }

  number(value) {
    return this.numbers.format(value);
  }

  time(milliseconds) {
    return this.clock.format(milliseconds);
  }

  /** Why the connection is closed or not there yet. @param {any} reason the client's */
  reason(reason) {
    return (
      this.say(`error_${reason?.error}`) ||
      this.say(`closed_${reason?.code}`) ||
      this.say("closed")
    );
  }
}

/**
 * What screen readers say: `announce` what is new, in its turn and not too often; `alarm` at once what
 * is wrong, until it is called with "".
 *
 * @param {(name: string) => HTMLElement | null} part a template of the host's own may have no alert
 */
export function speaker(part) {
  const announce = announcer(part("announcement"));
  const alert = part("alert");
  return {
    announce,
    alarm(text) {
      if (!alert) return void (text && announce(text));
      if (alert.textContent !== text) alert.textContent = text;
    },
  };
}

function announcer(element) {
  let next = "";
  let timer = null;
  let spokenAt = -Infinity;
  const speak = () => {
    timer = null;
    spokenAt = Date.now();
    if (element.textContent !== next) element.textContent = next;
  };
  return (text) => {
    if (text === next) return;
    next = text;
    timer ??= setTimeout(speak, Math.max(0, spokenAt + ANNOUNCE_EVERY - Date.now()));
  };
}
