import assert from "node:assert/strict";
import { test } from "node:test";

import { watchTrip } from "./client.js";
import { FakeBrowser, settle } from "./fakes.js";

const MIA = { userId: 19, name: "Mia", vehicle: "white Prius" };
const JON = { userId: 20, name: "Jon", vehicle: "" };
const NEW = {
  id: 7,
  reference: "T-7",
  status: "new",
  driver: null,
  waypoints: [{ kind: "pickup", lat: 0.5, lon: 102.4, name: null }],
  eta: null,
  route: null,
};

const located = (userId, latitude, status = "live") => ({
  location_lat: String(latitude),
  location_lon: "102.4",
  userId,
  recorded_at: "2026-01-01T11:59:58.000Z",
  received_at: "2026-01-01T11:59:58.250Z",
  status,
});

const ended = (message) => ({ error: { code: "trip_ended", message } });

/** A follower of trip 7 with an open socket, and what it was told, in order. */
async function following({ open = true, ...overrides } = {}) {
  const browser = new FakeBrowser();
  const told = [];
  const handle = watchTrip(
    browser.options({
      tripId: 7,
      onTrip: ({ status, driver }) => told.push([status, driver?.name ?? null]),
      onLocation: ({ userId, latitude }) => told.push([userId, latitude]),
      onStatus: (status) => told.push(status),
      onEnd: (end) => told.push(`end: ${end}`),
      ...overrides,
    }),
  );
  await settle();
  if (open) await browser.socket.open();
  return { browser, told, handle, clock: browser.clock };
}

test("a follower of a trip starts its stream", async () => {
  const { browser } = await following();
  assert.equal(browser.socket.url, "wss://rides.example/trip/get-tracking?tripId=7");
  assert.deepEqual(browser.socket.payloads, [{ command: "start" }]);
});

test("the trip is given as it came, and then its driver's locations", async () => {
  const seen = [];
  const { browser, told } = await following({ onTrip: (trip) => seen.push(trip) });
  const trip = { ...NEW, driver: MIA, later: "key" };
  await browser.socket.receive({ trip });
  await browser.socket.receive(located(19, 1));
  await browser.socket.receive(located(19, 2, "stale"));
  assert.deepEqual(seen, [trip]);
  assert.deepEqual(told, [[19, 1], "live", [19, 2], "stale"]);
});

test("a driver without a location is unknown", async () => {
  const { browser, told } = await following();
  await browser.socket.receive({ trip: { ...NEW, driver: MIA } });
  await browser.socket.receive({ userId: 19, status: "unknown" });
  assert.deepEqual(told, [["new", "Mia"], "unknown"]);
});

test("a reassigned trip never shows the former driver again", async () => {
  const { browser, told } = await following();
  await browser.socket.receive({ trip: { ...NEW, driver: MIA } });
  await browser.socket.receive(located(19, 1));
  await browser.socket.receive({ trip: { ...NEW, driver: JON } });
  await browser.socket.receive(located(19, 2));
  await browser.socket.receive(located(20, 3));
  assert.deepEqual(told, [["new", "Mia"], [19, 1], "live", ["new", "Jon"], [20, 3], "live"]);
});

test("without a driver no location is shown", async () => {
  const { browser, told } = await following();
  await browser.socket.receive(located(19, 1));
  await browser.socket.receive({ trip: NEW });
  await browser.socket.receive(located(19, 1));
  assert.deepEqual(told, [["new", null]]);
});

test("drivers with UUIDs are told apart", async () => {
  const { browser, told } = await following();
  const [mia, jon] = ["0c9f3a52-7d1e-4b86-9f0e-5a3c2d1b4e6f", "f1d2e3c4-5b6a-4798-8a9b-0c1d2e3f4a5b"];
  await browser.socket.receive({ trip: { ...NEW, driver: { ...MIA, userId: mia } } });
  await browser.socket.receive(located(jon, 1));
  await browser.socket.receive(located(mia, 2));
  assert.deepEqual(told, [["new", "Mia"], [mia, 2], "live"]);
});

test("a trip that is sent again unchanged is no news", async () => {
  const { browser, told, clock } = await following();
  await browser.socket.receive({ trip: { ...NEW, driver: MIA } });
  await clock.advance(9000);
  assert.equal(browser.socket.sent.length, 2, "the connection is probed");
  await browser.socket.receive({ trip: { ...NEW, driver: MIA } });
  await browser.socket.receive({ trip: { ...NEW, driver: MIA, status: "enroute_to_pickup" } });
  assert.deepEqual(told, [["new", "Mia"], ["enroute_to_pickup", "Mia"]]);
});

test("a stream that falls silent is reconnected within seconds", async () => {
  const { browser, clock, handle } = await following();
  await browser.socket.receive({ trip: NEW });
  await clock.advance(14_000);
  assert.equal(handle.state, "reconnecting");
  await clock.advance(2000);
  await browser.socket.open();
  assert.deepEqual(browser.socket.payloads, [{ command: "start" }]);
});

for (const [status, message, end] of [
  ["complete", "the trip is complete", "complete"],
  ["canceled", "the trip was canceled", "canceled"],
]) {
  test(`a trip that is ${status} ends the stream for good, without an error`, async () => {
    const { browser, told, handle, clock } = await following();
    await browser.socket.receive({ trip: { ...NEW, driver: MIA } });
    await browser.socket.receive({ trip: { ...NEW, status } });
    await browser.socket.receive(ended(message));
    assert.deepEqual(told, [["new", "Mia"], [status, null], `end: ${end}`]);
    assert.equal(handle.state, "closed");
    const reason = { code: 4403, error: "trip_ended", message, retry: false };
    assert.deepEqual(browser.reasons.at(-1), reason);
    assert.equal(browser.socket.closed, true);
    assert.deepEqual(browser.errors, []);
    // Whatever comes later, also from the page.
    await browser.socket.drop(4403);
    handle.resume();
    await browser.show();
    await clock.advance(60_000);
    assert.equal(browser.sockets.length, 1);
    assert.equal(clock.pending, 0);
    assert.equal(told.length, 3);
  });

  test(`a trip that was ${status} before says so at once`, async () => {
    const { browser, told } = await following();
    await browser.socket.receive(ended(message));
    assert.deepEqual(told, [`end: ${end}`]);
    assert.deepEqual(browser.states, ["connecting", "open", "closed"]);
  });
}

test("a connection that is lost between the last frame and the end is told the end later", async () => {
  const { browser, told, clock } = await following();
  await browser.socket.receive({ trip: { ...NEW, status: "canceled" } });
  await browser.socket.drop();
  await clock.advance(2000);
  await browser.socket.open();
  await browser.socket.receive(ended("the trip was canceled"));
  assert.deepEqual(told, [["canceled", null], "end: canceled"]);
});

for (const [code, error] of [
  [4403, "forbidden"],
  [4400, "invalid_trip_id"],
]) {
  test(`${error} is an error, and no end of the trip`, async () => {
    const { browser, told, handle } = await following();
    await browser.socket.refuse(code, error);
    assert.equal(handle.state, "closed");
    assert.deepEqual(told, []);
    assert.equal(browser.errors[0].code, error);
  });
}

test("what is no trip is ignored", async () => {
  const { browser, told } = await following();
  for (const trip of [null, 7, "trip", true]) await browser.socket.receive({ trip });
  assert.deepEqual(told, []);
});
