import assert from "node:assert/strict";
import { test } from "node:test";

import { Freshness } from "../../tracking/static/tracking/freshness.js";

const SECOND = 1000;
const START = 1_000 * SECOND;

/** A location of the client, measured at a time by the server's clock. */
const located = (at, status, more = {}) => ({
  latitude: 1,
  longitude: 2,
  status,
  recordedAt: at,
  receivedAt: at,
  heardAt: at,
  ...more,
});

/** A freshness at START, and a function that sets its clock so many seconds later. */
function starting() {
  let now = START;
  const freshness = new Freshness({ staleAfter: "15", offlineAfter: "60" }, () => now);
  return { freshness, wait: (seconds) => (now += seconds * SECOND) };
}

test("without a location it is unknown", () => {
  const { freshness } = starting();
  assert.equal(freshness.status, "unknown");
  assert.equal(freshness.age, null);
});

test("a live location becomes stale and offline by silence alone", () => {
  const { freshness, wait } = starting();
  freshness.push(located(START, "live"));
  const seen = [14, 1, 44, 1].map((seconds) => (wait(seconds), freshness.status));
  assert.deepEqual(seen, ["live", "stale", "stale", "offline"]);
  assert.equal(freshness.age, 60 * SECOND);
});

test("the server's worse status counts, whatever this device's clock says", () => {
  const { freshness } = starting();
  freshness.push(located(START, "live"));
  freshness.setStatus("stale");
  assert.equal(freshness.status, "stale");
  freshness.setStatus("live");
  assert.equal(freshness.status, "live");
});

test("a device's clock that is fast makes no live location old", () => {
  const { freshness } = starting();
  freshness.push(located(START - 600 * SECOND, "live"));
  assert.equal(freshness.status, "live");
  assert.equal(freshness.age, 0);
});

test("a repeated location is no new fix, and makes nothing younger", () => {
  const { freshness, wait } = starting();
  assert.equal(freshness.push(located(START, "live")), true);
  wait(10);
  assert.equal(freshness.push(located(START, "live")), false);
  assert.equal(freshness.age, 10 * SECOND);
  wait(5);
  assert.equal(freshness.status, "stale");
});

test("a stale location of a phone that is still heard says so", () => {
  const { freshness } = starting();
  freshness.push(located(START - 20 * SECOND, "stale", { heardAt: START - 10 * SECOND }));
  assert.equal(freshness.isPhoneHeard, false);
  freshness.push(located(START - 20 * SECOND, "stale", { heardAt: START }));
  assert.equal(freshness.isPhoneHeard, true);
});

test("without details, the same place may be an answer to a probe", () => {
  const { freshness, wait } = starting();
  const plain = { ...located(null, null) };
  freshness.push(plain);
  wait(20);
  freshness.push(plain);
  assert.equal(freshness.status, "stale");
  freshness.push({ ...plain, latitude: 1.1 });
  assert.equal(freshness.status, "live");
});

test("a driver who goes off duty has no location, until a new one comes", () => {
  const { freshness, wait } = starting();
  freshness.push(located(START, "live"));
  freshness.setStatus("unknown");
  assert.equal(freshness.status, "unknown");
  assert.equal(freshness.age, null);
  wait(10);
  assert.equal(freshness.push(located(START + 10 * SECOND, "live")), true);
  assert.equal(freshness.status, "live");
});
