/** The texts of the widgets, which come from the page, in its language. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const ANNOUNCEMENT_INTERVAL = 10 * SECOND;

export class Words {
  /** @param {Record<string, string>} texts texts by name, with %(name)s for values */
  constructor(texts) {
    this.texts = texts;
    this.language = document.documentElement.lang || undefined;
    this.numbers = new Intl.NumberFormat(this.language);
    this.clock = new Intl.DateTimeFormat(this.language, { timeStyle: "medium" });
    this.shortClock = new Intl.DateTimeFormat(this.language, { timeStyle: "short" });
  }

  /** Return the named text with its values filled in, or "" if there is none. */
  say(name, values = {}) {
    const fill = (_, key) => String(values[key] ?? "");
    return (this.texts[name] ?? "").replace(/%\((\w+)\)s/g, fill);
  }

  /** Return an age in its largest whole unit: "40 s ago". @param {number} milliseconds */
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

  /** Return a number with exactly `decimals` decimals. */
  decimal(value, decimals) {
    const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    return value.toLocaleString(this.language, digits);
  }

  time(milliseconds) {
    return this.clock.format(milliseconds);
  }

  /** Return a time without its seconds. */
  minute(milliseconds) {
    return this.shortClock.format(milliseconds);
  }

  /** Return the text for a connection that is not open. @param {any} reason the client's */
  reason(reason) {
    return (
      this.say(`error_${reason?.error}`) ||
      this.say(`closed_${reason?.code}`) ||
      this.say("closed")
    );
  }
}

/**
 * Output for screen readers. `announce(text)` announces news, at most every ANNOUNCEMENT_INTERVAL.
 * `alarm(text)` announces a problem at once; `alarm("")` clears it.
 *
 * @param {(name: string) => HTMLElement | null} part a host's own template may have no alert part
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
    timer ??= setTimeout(speak, Math.max(0, spokenAt + ANNOUNCEMENT_INTERVAL - Date.now()));
  };
}
