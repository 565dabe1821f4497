// Safari 15.0 is the oldest browser that the pages promise to work in (docs/frontend.md).
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const SCRIPTS = ["tracking/static/tracking", "ridehail/demo/static/demo"]
  .map((folder) => new URL(`../../${folder}/`, import.meta.url))
  .flatMap((folder) => readdirSync(folder).map((name) => new URL(name, folder)))
  .filter(({ pathname }) => pathname.endsWith(".js"));

/** Features that Safari 15.0 lacks; permitted after a check with `?.` or `??`. */
const TOO_NEW = [
  /\bAbortSignal\.(timeout|any)\b/, // 16, 17.4
  /\.at\(-/, // 15.4
  /\.(findLast|findLastIndex)\(/, // 15.4
  /\.(toSorted|toReversed|toSpliced|with)\(/, // 16
  /\bObject\.(hasOwn|groupBy)\b|\bMap\.groupBy\b/, // 15.4, 17.4
  /\bArray\.fromAsync\b/, // 16.4
  /\bPromise\.(withResolvers|try)\b/, // 17.4, 18.2
  /\bstructuredClone\(/, // 15.4
  /\bcrypto\.randomUUID\b/, // 15.4
  /\.(showModal|requestSubmit)\(/, // 15.4, 16
  /\bnavigator\.(locks|wakeLock|permissions)\.(?!\?)/, // 15.4, 16.4, 16
  /\brequestIdleCallback\(|\bscheduler\./, // never
  /\bnew (OffscreenCanvas|CompressionStream|URLPattern)\b/, // 16.4
  /\(\?<[=!]/, // lookbehind: 16.4
  /\bstatic \{/, // 16.4
  /^import .* with \{/m, // 17.2
  /\.throwIfAborted\(|\bsignal\.reason\b/, // 15.4
  /\.(isSubsetOf|isSupersetOf|union|intersection|difference)\(/, // 17
  /[(\s]reportError\(/, // 15.4
];

function findTooNew(source) {
  return TOO_NEW.map((pattern) => source.match(pattern)?.[0]).filter(Boolean);
}

for (const script of SCRIPTS) {
  test(`${script.pathname.split("/").pop()} uses nothing newer than Safari 15`, () => {
    assert.deepEqual(findTooNew(readFileSync(script, "utf8")), []);
  });
}

const STYLES = ["tracking/static/tracking", "accounts/static/accounts", "ridehail/static/ridehail"]
  .map((folder) => new URL(`../../${folder}/`, import.meta.url))
  .flatMap((folder) => readdirSync(folder).map((name) => new URL(name, folder)))
  .filter(({ pathname }) => pathname.endsWith(".css"));

/** Features of style sheets that need `@supports`, or have no fallback in Safari 15. */
const TOO_NEW_STYLES = [
  /@container\b|\bcontainer(-type|-name)?\s*:/, // 16
  /\bcolor-mix\(/, // 16.2
  /\boklch\(|\boklab\(|\blight-dark\(/, // 15.4, 17.5
  /\d(dvh|svh|lvh|cqi|cqw)\b/, // 15.4, 16
  /:has\(/, // 15.4
  /@layer\b|@scope\b|@property\b/, // 15.4, 17.4, 16.4
  /@media[^{]*[<>]/, // range syntax: 16.4
  /^\s*&/m, // nesting: 17.2
  /\btext-wrap\s*:|\baccent-color\s*:/, // 17.4, 15.4
];

/** A style sheet without its comments, what is behind `@supports`, and lines with an older twin. */
function withoutFallbacks(source) {
  const plain = source.replace(/\/\*[^]*?\*\//g, "");
  // Each such block ends with a brace at the beginning of a line.
  const unconditional = plain.replace(/^@supports [^]*?^\}/gm, "");
  // `height: 100vh; height: 100svh`: browsers that do not know the second keep the first.
  return unconditional.replace(/^(\s*)([\w-]+): [^;]+;\n\1\2: [^;]+;/gm, "");
}

for (const style of STYLES) {
  test(`${style.pathname.split("/").pop()} asks for nothing newer than Safari 15 without a fallback`, () => {
    const source = withoutFallbacks(readFileSync(style, "utf8"));
    assert.deepEqual(TOO_NEW_STYLES.map((pattern) => source.match(pattern)?.[0]).filter(Boolean), []);
  });
}

test("the scan of style sheets finds what Safari 15 lacks", () => {
  assert.ok(STYLES.length > 8);
  const found = (source) =>
    TOO_NEW_STYLES.some((pattern) => withoutFallbacks(source).match(pattern));
  assert.ok(found("@container (width <= 560px) {\n}"));
  assert.ok(found(".a {\n  color: color-mix(in srgb, red, blue);\n}"));
  assert.ok(found(".a {\n  height: 100svh;\n}"));
  assert.ok(!found(".a {\n  height: 100vh;\n  height: 100svh;\n}"));
  assert.ok(!found("@supports (color: color-mix(in srgb, red, blue)) {\n  .a {\n  }\n}"));
});

test("the scan finds what Safari 15 lacks", () => {
  assert.ok(SCRIPTS.length > 10);
  assert.deepEqual(findTooNew("fetch(url, { signal: AbortSignal.timeout(5) })"), [
    "AbortSignal.timeout",
  ]);
  assert.deepEqual(findTooNew("fixes.at(-1)"), [".at(-"]);
  assert.deepEqual(findTooNew("navigator.wakeLock.request()"), ["navigator.wakeLock."]);
  assert.deepEqual(findTooNew("navigator.wakeLock?.request()"), []);
});
