// Safari 15.0 is the oldest browser that the pages promise to work in (docs/frontend.md).
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const FOLDER = new URL("../../tracking/static/tracking/", import.meta.url);
const SCRIPTS = readdirSync(FOLDER).filter((name) => name.endsWith(".js"));

/** What Safari 15.0 lacks, unless it is asked for with `?.` or `??`. */
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

for (const name of SCRIPTS) {
  test(`${name} uses nothing newer than Safari 15`, () => {
    assert.deepEqual(findTooNew(readFileSync(new URL(name, FOLDER), "utf8")), []);
  });
}

test("the scan finds what Safari 15 lacks", () => {
  assert.ok(SCRIPTS.length > 10);
  assert.deepEqual(findTooNew("fetch(url, { signal: AbortSignal.timeout(5) })"), [
    "AbortSignal.timeout",
  ]);
  assert.deepEqual(findTooNew("fixes.at(-1)"), [".at(-"]);
  assert.deepEqual(findTooNew("navigator.wakeLock.request()"), ["navigator.wakeLock."]);
  assert.deepEqual(findTooNew("navigator.wakeLock?.request()"), []);
});
