import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { localeFor, Words } from "../../tracking/static/tracking/words.js";

const MINUTE = 60_000;
const TEXTS = {
  just_now: "just now",
  here: "%(name)s is here",
  stops_one: "%(count)s stop",
  stops_other: "%(count)s stops",
};

/** Return the words of a page in a language, as they are read in a browser with these languages. */
function wordsOf(lang, texts = TEXTS, languages = [lang]) {
  const dir = lang.startsWith("ar") ? "rtl" : "";
  Object.defineProperty(globalThis, "document", {
    value: { documentElement: { lang, dir } },
    configurable: true,
  });
  Object.defineProperty(globalThis, "navigator", { value: { languages }, configurable: true });
  return new Words(texts);
}

afterEach(() => {
  delete globalThis.document;
});

/** Spaces that do not break are spaces to a reader. */
const plain = (text) => text.replace(/[\u00a0\u202f]/g, " ");

for (const [lang, ago, pace] of [
  ["en", "4 min ago", "42 km/h"],
  ["es", "hace 4 min", "42 km/h"],
  ["pt-br", "há 4 min.", "42 km/h"],
  ["fr", "il y a 4 min", "42 km/h"],
  ["de", "vor 4 Min.", "42 km/h"],
  ["id", "4 mnt lalu", "42 km/j"],
  ["hi", "4 मि॰ पहले", "42 कि॰मी॰/घं॰"],
]) {
  test(`a page in ${lang} has ages and speeds of that language`, () => {
    const words = wordsOf(lang);
    assert.equal(plain(words.ago(4.9 * MINUTE)), ago);
    assert.equal(plain(words.speed(11.7)), pace);
  });
}

test("ages have their largest whole unit", () => {
  const words = wordsOf("en");
  const ages = [0, 1999, 2000, 59_999, 60_000, 60 * MINUTE, 24 * 60 * MINUTE, 72 * 60 * MINUTE];
  assert.deepEqual(
    ages.map((age) => words.ago(age)),
    [
      "just now",
      "just now",
      "2 sec ago",
      "59 sec ago",
      "1 min ago",
      "1 hr ago",
      "1 day ago",
      "3 days ago",
    ],
  );
});

test("numerals are those of the reader's region", () => {
  assert.match(wordsOf("ar", TEXTS, ["ar-EG"]).number(1234), /^١٬٢٣٤$/);
  assert.equal(wordsOf("ar", TEXTS, ["ar-AE"]).number(1234), "1,234");
  assert.equal(wordsOf("de").number(1234.5), "1.234,5");
});

test("the region is the reader's only in the page's own language", () => {
  assert.equal(localeFor("en", ["de-DE", "en-GB", "en-US"]), "en-GB");
  assert.equal(localeFor("pt-br", ["pt-PT"]), "pt-br");
  assert.equal(localeFor("en", ["en-US@posix", "en-NG"]), "en-NG");
  assert.equal(localeFor("id", ["en-US"]), "id");
  assert.equal(localeFor(undefined, ["es-MX"]), "es-MX");
});

test("roads are measured in miles where signs are", () => {
  const distances = (words) => [40, 317, 994, 1200, 9_940, 12_300].map((metres) => plain(words.distance(metres)));
  assert.deepEqual(distances(wordsOf("en")), ["40 m", "320 m", "990 m", "1.2 km", "9.9 km", "12 km"]);
  const american = wordsOf("en", TEXTS, ["en-US"]);
  assert.deepEqual(distances(american), ["130 ft", "0.2 mi", "0.6 mi", "0.7 mi", "6.2 mi", "7.6 mi"]);
  assert.equal(american.speed(11.7), "26 mph");
  assert.equal(wordsOf("en", TEXTS, ["en-GB"]).distance(40), "40 yd");
});

test("durations have hours and minutes", () => {
  const words = wordsOf("en");
  const durations = [0, 29_000, 5 * MINUTE, 60 * MINUTE, 65 * MINUTE];
  assert.deepEqual(durations.map((each) => words.duration(each)), ["0 min", "0 min", "5 min", "1 hr", "1 hr 5 min"]);
});

test("a count has the plural form of the language, and the other form if that is missing", () => {
  const words = wordsOf("en");
  assert.equal(words.plural("stops", 1), "1 stop");
  assert.equal(words.plural("stops", 1200), "1,200 stops");
  const arabic = wordsOf("ar", { stops_two: "محطتان", stops_other: "%(count)s other" }, ["ar-AE"]);
  assert.equal(arabic.plural("stops", 2), "محطتان");
  assert.match(arabic.plural("stops", 3), /other/);
});

test("a name in another direction keeps the order of the words around it", () => {
  assert.equal(wordsOf("en").say("here", { name: "Mia" }), "Mia is here");
  assert.equal(wordsOf("en").say("here", { name: "ليلى" }), "\u2068ليلى\u2069 is here");
  const arabic = { here: "وصل %(name)s" };
  assert.equal(wordsOf("ar", arabic).say("here", { name: "Mia" }), "وصل \u2068Mia\u2069");
  assert.equal(wordsOf("ar", arabic).say("here", { name: "ليلى" }), "وصل ليلى");
});
