/** The texts of the widgets, which come from the page, in its language. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const ANNOUNCEMENT_INTERVAL = 10 * SECOND;

// Regions whose roads are measured in miles, with the unit of what is too short for them.
const MILES = { US: "foot", LR: "foot", MM: "foot", GB: "yard" };
const METRES_PER = { mile: 1609.344, yard: 0.9144, foot: 0.3048 };

// Letters that are written from right to left: Hebrew, Arabic, and their relatives.
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;

/**
 * Return the locale whose conventions a page in `language` follows: the reader's own region, if the
 * browser has one for this language. Fills in no other language than the page's.
 *
 * @param {string | undefined} language
 * @param {readonly string[]} preferred the browser's languages, best first
 */
export function localeFor(language, preferred) {
  const base = language?.toLowerCase();
  const isVariant = (tag) => !base || `${tag}-`.toLowerCase().startsWith(`${base}-`);
  return preferred.find((tag) => isVariant(tag) && isTag(tag)) ?? language;
}

/** Chromium may have "en-US@posix", which Intl throws at. */
function isTag(tag) {
  try {
    return Boolean(new Intl.Locale(tag));
  } catch {
    return false;
  }
}

export class Words {
  /** Formats of Intl's by their kind and options. */
  #formats = {};

  /**
   * @param {Record<string, string>} texts texts by name, with %(name)s for values. A text with
   *   plural forms has names such as `stops_one` and `stops_other`, by CLDR's categories.
   */
  constructor(texts) {
    this.texts = texts;
    const { lang, dir } = document.documentElement;
    const preferred = globalThis.navigator?.languages ?? [];
    this.language = localeFor(lang || undefined, preferred);
    this.isRightToLeft = dir === "rtl";
    this.region = this.language ? new Intl.Locale(this.language).region : undefined;
  }

  /** Return a format, made when it is first needed: on an old phone each takes several ms. */
  #format(kind, options = {}, language = this.language) {
    return (this.#formats[kind + JSON.stringify(options)] ??= new Intl[kind](language, options));
  }

  /** True if roads are measured in miles where the reader is. */
  get usesMiles() {
    return this.region in MILES;
  }

  /** Return the named text with its values filled in, or "" if there is none. */
  say(name, values = {}) {
    const fill = (_, key) => this.isolate(String(values[key] ?? ""));
    return (this.texts[name] ?? "").replace(/%\((\w+)\)s/g, fill);
  }

  /**
   * Return the named text in the plural form for a number, which replaces %(count)s.
   *
   * @param {string} name
   * @param {number} count
   * @param {Record<string, unknown>} values
   */
  plural(name, count, values = {}) {
    const form = `${name}_${this.#format("PluralRules").select(count)}`;
    const key = form in this.texts ? form : `${name}_other`;
    return this.say(key, { count: this.number(count), ...values });
  }

  /** Return a name such that its direction does not change the order of the words around it. */
  isolate(value) {
    const differs = RIGHT_TO_LEFT.test(value) !== this.isRightToLeft;
    return value && differs ? `\u2068${value}\u2069` : value;
  }

  /** Return an age in its largest whole unit: "40 sec ago". @param {number} milliseconds */
  ago(milliseconds) {
    const age = Math.max(0, milliseconds);
    if (age < 2 * SECOND && this.texts.just_now) return this.say("just_now");
    /** @type {[Intl.RelativeTimeFormatUnit, number]} */
    const [unit, size] =
      age < MINUTE
        ? ["second", SECOND]
        : age < HOUR
          ? ["minute", MINUTE]
          : age < DAY
            ? ["hour", HOUR]
            : ["day", DAY];
    // American English would write "4 min. ago".
    const language = /^en\b/.test(this.language ?? "") ? "en-GB" : this.language;
    const ages = this.#format("RelativeTimeFormat", { style: "short" }, language);
    return ages.format(-Math.floor(age / size), unit);
  }

  /** Return a length of time in hours and minutes: "1 hr 5 min". @param {number} milliseconds */
  duration(milliseconds) {
    const minutes = Math.round(milliseconds / MINUTE);
    const hours = Math.floor(minutes / 60);
    const parts = [];
    if (hours) parts.push(this.unit(hours, "hour"));
    if (minutes % 60 || !hours) parts.push(this.unit(minutes % 60, "minute"));
    return this.#format("ListFormat", { type: "unit", style: "narrow" }).format(parts);
  }

  /** Return a distance on a road: "350 m", "1.2 km", "0.8 mi". @param {number} metres */
  distance(metres) {
    const short = MILES[this.region];
    if (!short) {
      if (metres < 995) return this.unit(Math.round(metres / 10) * 10, "meter");
      return this.unit(metres / 1000, "kilometer", metres < 9950 ? 1 : 0);
    }
    const miles = metres / METRES_PER.mile;
    if (miles >= 0.095) return this.unit(miles, "mile", miles < 9.95 ? 1 : 0);
    return this.unit(Math.round(metres / METRES_PER[short] / 10) * 10, short);
  }

  /** Return a speed: "42 km/h", or "26 mph". @param {number} metresPerSecond */
  speed(metresPerSecond) {
    if (this.usesMiles) {
      return this.unit(Math.round((metresPerSecond * 3600) / METRES_PER.mile), "mile-per-hour");
    }
    return this.unit(Math.round(metresPerSecond * 3.6), "kilometer-per-hour");
  }

  /** Return a value with its unit, one of ECMAScript's, in short. */
  unit(value, unit, decimals = 0) {
    const style = { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: decimals };
    return this.#format("NumberFormat", style).format(value);
  }

  number(value) {
    return this.#format("NumberFormat").format(value);
  }

  /** Return a number with exactly `decimals` decimals. */
  decimal(value, decimals) {
    const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    return this.#format("NumberFormat", digits).format(value);
  }

  time(milliseconds) {
    return this.#format("DateTimeFormat", { timeStyle: "medium" }).format(milliseconds);
  }

  /** Return a time without its seconds. */
  minute(milliseconds) {
    return this.#format("DateTimeFormat", { timeStyle: "short" }).format(milliseconds);
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
