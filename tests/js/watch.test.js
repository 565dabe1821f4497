import assert from "node:assert/strict";
import { test } from "node:test";

import { watchDriver, watchFleet } from "./client.js";
import { FakeBrowser, settle } from "./fakes.js";

const PLAIN = { location_lat: "-2.3123", location_lon: "2.4535" };
const DETAILED = {
  ...PLAIN,
  userId: 19,
  recorded_at: "2026-01-01T11:59:58.000Z",
  received_at: "2026-01-01T11:59:58.250Z",
  heading: 90,
  speed: 8.5,
  accuracy: null,
  status: "live",
};

async function opened(watch, overrides) {
  const browser = new FakeBrowser();
  const handle = watch(browser.options(overrides));
  await settle();
  await browser.socket.open();
  return { browser, handle, clock: browser.clock };
}

test("a watcher starts the stream with details", async () => {
  const { browser } = await opened(watchDriver);
  assert.equal(browser.socket.sent[0].type, "authenticate");
  assert.deepEqual(browser.socket.payloads, [{ command: "start", details: true }]);
});

const BASES = {
  "/live/": "wss://pages.example/live/",
  "/live": "wss://pages.example/live/",
  "wss://live.example.com/": "wss://live.example.com/",
  "ws://localhost:8001": "ws://localhost:8001/",
};
for (const [url, root] of Object.entries(BASES)) {
  test(`the sockets are below ${url} where the page says so`, async () => {
    const { browser } = await opened(watchDriver, { url });
    assert.equal(browser.socket.url, `${root}driver/get-tracking?userId=19`);
  });
}

test("a watcher without details sends a message that every server accepts", async () => {
  const { browser } = await opened(watchDriver, { details: false });
  assert.deepEqual(browser.socket.payloads, [{ command: "start" }]);
});

test("a location is given as numbers, with the frame as it came", async () => {
  const seen = [];
  const onLocation = (...values) => seen.push(values);
  const { browser } = await opened(watchDriver, { onLocation });
  await browser.socket.receive(DETAILED);
  const recordedAt = Date.parse(DETAILED.recorded_at);
  const location = {
    latitude: -2.3123,
    longitude: 2.4535,
    userId: 19,
    name: null,
    recordedAt,
    receivedAt: recordedAt + 250,
    heardAt: recordedAt + 250,
    clockOffset: null,
    heading: 90,
    speed: 8.5,
    accuracy: null,
    status: "live",
    state: null,
    trip: null,
  };
  assert.deepEqual(seen, [[location, DETAILED]]);
});

test("a server says when the phone was heard, and how wrong its clock is", async () => {
  const seen = [];
  const { browser } = await opened(watchDriver, { onLocation: (location) => seen.push(location) });
  const heard_at = "2026-01-01T16:00:00.000Z";
  await browser.socket.receive({ ...DETAILED, heard_at, clock_offset: -3.5, status: "stale" });
  assert.equal(seen[0].heardAt, Date.parse(heard_at));
  assert.equal(seen[0].clockOffset, -3.5);
});

test("a larger fleet is probed less often", async () => {
  for (const [live, milliseconds] of [[50, 9000], [100_000, 45_000]]) {
    const { browser, clock } = await opened(watchFleet);
    await browser.socket.receive({ counts: { live, stale: 0, offline: 0 }, snapshot: [] });
    await clock.advance(1);
    await browser.socket.receive({ update: [] });
    await clock.advance(milliseconds - 1);
    assert.equal(browser.socket.sent.length, 1);
    await clock.advance(1);
    assert.equal(browser.socket.sent.length, 2);
  }
});

test("a server without details gives a location with nulls", async () => {
  const seen = [];
  const onLocation = (location) => seen.push(location);
  const { browser } = await opened(watchDriver, { onLocation });
  await browser.socket.receive(PLAIN);
  assert.equal(seen[0].latitude, -2.3123);
  assert.equal(seen[0].recordedAt, null);
  assert.equal(seen[0].status, null);
});

test("a driver of the fleet has a state and a trip where the project uses them", async () => {
  const seen = [];
  const { browser } = await opened(watchFleet, { onUpdate: (locations) => seen.push(...locations) });
  await browser.socket.receive({ update: [{ ...DETAILED, state: "on_trip", trip: 7 }] });
  assert.deepEqual(seen.map(({ state, trip }) => [state, trip]), [["on_trip", 7]]);
});

test("onStatus is called when the status changes", async () => {
  const statuses = [];
  const onStatus = (status) => statuses.push(status);
  const { browser } = await opened(watchDriver, { onStatus });
  await browser.socket.receive({ userId: 19, status: "unknown" });
  for (const status of ["live", "live", "stale", "offline", "live"]) {
    await browser.socket.receive({ ...DETAILED, status });
  }
  assert.deepEqual(statuses, ["unknown", "live", "stale", "offline", "live"]);
});

// As text, since JSON.stringify would write an infinite number as null.
for (const place of ["null", '""', '"north"', "true", "[]", "{}", '"91"', "1e999"]) {
  test(`a latitude of ${place} is no location`, async () => {
    const seen = [];
    const onLocation = (location) => seen.push(location);
    const { browser } = await opened(watchDriver, { onLocation });
    await browser.socket.receive(`{"location_lat":${place},"location_lon":"2"}`);
    assert.deepEqual(seen, []);
  });
}

test("the fleet gives snapshot, updates and removals", async () => {
  const seen = [];
  const { browser } = await opened(watchFleet, {
    onSnapshot: (locations) => seen.push(["snapshot", locations.map(({ name }) => name)]),
    onUpdate: (locations) => seen.push(["update", locations.map(({ userId }) => userId)]),
    onRemove: (userIds) => seen.push(["remove", userIds]),
    onCounts: (counts) => seen.push(["counts", counts]),
  });
  assert.deepEqual(browser.socket.url, "wss://rides.example/fleet/get-tracking");
  assert.deepEqual(browser.socket.payloads, [{ command: "start" }]);
  await browser.socket.receive({ snapshot: [{ ...DETAILED, name: "Ana" }, null, 5, {}] });
  await browser.socket.receive({ update: [DETAILED], remove: [7] });
  await browser.socket.receive({ snapshot: "no", update: 1, remove: null, counts: null });
  await browser.socket.receive({ update: [], counts: { live: 1, stale: 0, offline: 2 } });
  assert.deepEqual(seen, [
    ["snapshot", ["Ana"]],
    ["update", [19]],
    ["remove", [7]],
    ["counts", { live: 1, stale: 0, offline: 2 }],
    ["update", []],
  ]);
});

/** A viewer of the fleet, and the names of the callbacks in the order of their calls. */
async function viewing() {
  const calls = [];
  const called = (name) => () => calls.push(name);
  const names = ["onSnapshot", "onSnapshotEnd", "onUpdate", "onRemove"];
  const callbacks = Object.fromEntries(names.map((name) => [name, called(name)]));
  return { calls, ...(await opened(watchFleet, callbacks)) };
}

test("drivers of the fleet come with their state and trip, if they have them", async () => {
  const seen = [];
  const onSnapshot = (locations) => seen.push(...locations.map(({ state, trip }) => [state, trip]));
  const { browser } = await opened(watchFleet, { onSnapshot });
  const snapshot = [{ ...DETAILED, state: "reserved", trip: 7 }, { ...DETAILED, userId: 20 }];
  await browser.socket.receive({ snapshot });
  assert.deepEqual(seen, [["reserved", 7], [null, null]]);
});

test("a snapshot in one frame is complete at once", async () => {
  const { calls, browser } = await viewing();
  await browser.socket.receive({ snapshot: [] });
  await browser.socket.receive({ update: [DETAILED] });
  assert.deepEqual(calls, ["onSnapshot", "onSnapshotEnd", "onUpdate"]);
});

test("a snapshot in several frames is complete with the first frame without `more`", async () => {
  const { calls, browser } = await viewing();
  await browser.socket.receive({ snapshot: [DETAILED], more: true });
  await browser.socket.receive({ update: [DETAILED], more: true });
  await browser.socket.receive({ update: [DETAILED], remove: [7] });
  await browser.socket.receive({ update: [DETAILED], more: true });
  await browser.socket.receive({ update: [DETAILED] });
  assert.deepEqual(calls, [
    "onSnapshot",
    "onUpdate",
    "onUpdate",
    "onRemove",
    "onSnapshotEnd",
    "onUpdate",
    "onUpdate",
  ]);
});

test("a snapshot that another one replaces is never complete, the other one is", async () => {
  const { calls, browser, handle } = await viewing();
  await browser.socket.receive({ snapshot: [DETAILED], more: true });
  handle.setBbox([101, 0, 102, 1]);
  await browser.socket.receive({ snapshot: [] });
  assert.deepEqual(calls, ["onSnapshot", "onSnapshot", "onSnapshotEnd"]);
});

test("a snapshot that a lost connection interrupts is not completed by the next one", async () => {
  const { calls, browser, clock } = await viewing();
  await browser.socket.receive({ snapshot: [DETAILED], more: true });
  await browser.socket.drop();
  await clock.advance(2000);
  await browser.socket.open();
  await browser.socket.receive({ update: [] });
  await browser.socket.receive({ snapshot: [DETAILED] });
  assert.deepEqual(calls, ["onSnapshot", "onUpdate", "onSnapshot", "onSnapshotEnd"]);
});

test("the fleet's bbox follows the map, and is asked for again after a reconnect", async () => {
  const { browser, handle, clock } = await opened(watchFleet, { bbox: [101, 0, 102, 1] });
  handle.setBbox([103, 0, 104, 1]);
  await settle();
  await browser.socket.drop();
  handle.setBbox([105, 0, 106, 1]);
  await clock.advance(2000);
  await browser.socket.open();
  assert.deepEqual(
    browser.sockets.flatMap(({ payloads }) => payloads.map(({ bbox }) => bbox)),
    [[101, 0, 102, 1], [103, 0, 104, 1], [105, 0, 106, 1]],
  );
});
