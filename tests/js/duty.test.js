import assert from "node:assert/strict";
import { test } from "node:test";

import { shareLocation } from "./client.js";
import { FakeBrowser, settle } from "./fakes.js";

const SECOND = 1000;
const OFF = "non_operational";
const goes = (state) => ({ command: "state", state });

/** A phone that shares its location, without a fix yet, and the states it was told. */
async function sharing(overrides) {
  const browser = new FakeBrowser();
  const phone = { browser, clock: browser.clock, states: [] };
  phone.handle = shareLocation(
    browser.options({
      source: (take) => void (phone.take = take),
      onDriverState: (state) => phone.states.push(state),
      ...overrides,
    }),
  );
  await settle();
  let latitude = 0;
  /** One new fix per interval. */
  phone.drive = async (times) => {
    for (let step = 0; step < times; step += 1) {
      phone.take({ latitude: (latitude += 0.001), longitude: 102.4 });
      await phone.clock.advance(5 * SECOND);
    }
  };
  /** The commands on the newest socket, with the latitudes or the state. */
  phone.sent = () =>
    browser.socket.payloads.map(({ command, lat, state, fixes }) =>
      [command, state ?? fixes?.map((fix) => Number(fix.lat)) ?? Number(lat)].join(" "),
    );
  return phone;
}

/** As `sharing`, on duty since long ago, with a first fix that is acknowledged. */
async function onDuty(overrides) {
  const phone = await sharing(overrides);
  phone.handle.setState("available");
  await settle();
  await phone.browser.socket.open();
  await phone.browser.socket.receive({ state: "available" });
  await phone.clock.advance(10 * SECOND);
  await phone.drive(1);
  await phone.browser.socket.acknowledge();
  return phone;
}

test("going on duty connects before the first fix, and is confirmed", async () => {
  const { browser, handle, states } = await sharing();
  handle.setState("available");
  await settle();
  await browser.socket.open();
  assert.deepEqual(browser.socket.payloads, [goes("available")]);
  assert.deepEqual(states, []);
  await browser.socket.receive({ state: "available" });
  assert.deepEqual(states, ["available"]);
});

test("the source is asked only once the shift has begun", async () => {
  const browser = new FakeBrowser();
  let subscriptions = 0;
  const handle = shareLocation(browser.options({ source: () => void (subscriptions += 1) }));
  handle.setState("available");
  await settle();
  await browser.socket.open();
  assert.equal(subscriptions, 0);
  await browser.socket.receive({ state: "available" });
  await browser.socket.receive({ state: "available" });
  assert.equal(subscriptions, 1);
});

test("going off duty sends what was measured before, and then nothing more", async () => {
  const { browser, handle, drive, take, sent, states, clock } = await onDuty();
  take({ latitude: 0.5, longitude: 102.4 });
  take({ latitude: 0.6, longitude: 102.4 });
  handle.setState(OFF);
  await browser.socket.receive({ state: OFF });
  assert.deepEqual(states, ["available", OFF]);
  await drive(3);
  await clock.advance(5 * SECOND);
  assert.deepEqual(sent(), ["state available", "send 0.001", "send 0.5", `state ${OFF}`]);
});

test("going on duty again sends new fixes only", async () => {
  const { browser, handle, drive, sent, states } = await onDuty();
  handle.setState(OFF);
  await browser.socket.receive({ state: OFF });
  await drive(2);
  handle.setState("available");
  await browser.socket.receive({ state: "available" });
  await drive(1);
  assert.deepEqual(sent().slice(2), [`state ${OFF}`, "state available", "send 0.004"]);
  assert.deepEqual(states, ["available", OFF, "available"]);
});

test("a state that was not confirmed is asked for again after a reconnect", async () => {
  const { browser, handle, clock } = await onDuty();
  handle.setState(OFF);
  await browser.socket.drop();
  await clock.advance(2 * SECOND);
  await browser.socket.open();
  assert.deepEqual(browser.socket.payloads.map(({ command }) => command), ["send", "state"]);
});

test("a reconnect before the first fix has something to say", async () => {
  const { browser, handle, clock } = await sharing();
  handle.setState("available");
  await settle();
  await browser.socket.open();
  await browser.socket.receive({ state: "available" });
  await browser.socket.drop();
  await clock.advance(2 * SECOND);
  await browser.socket.open();
  assert.deepEqual(browser.socket.payloads, [goes("available")]);
});

test("a driver whom dispatch set off duty sends nothing more until it is on duty again", async () => {
  const { browser, drive, sent, states, clock, handle } = await onDuty();
  await drive(1);
  await browser.socket.receive({ error: { code: "off_duty", message: "no" } });
  assert.deepEqual(states, ["available", OFF]);
  assert.equal(handle.waiting, 0);
  await drive(4);
  assert.deepEqual(sent().slice(2), ["send 0.002"]);
  // The probe repeats the fix that the server knows.
  await clock.advance(45 * SECOND);
  assert.deepEqual(sent().slice(2), ["send 0.002", "send 0.002"]);
  await browser.socket.acknowledge();
  assert.deepEqual(states, ["available", OFF, "available"]);
  await drive(1);
  assert.deepEqual(sent().slice(4), ["send 0.007"]);
});

test("a page may close the connection when it is off duty", async () => {
  const phone = await onDuty({
    onDriverState: (state) => state === OFF && phone.handle.close(),
  });
  await phone.drive(1);
  await phone.browser.socket.receive({ error: { code: "off_duty", message: "no" } });
  assert.equal(phone.handle.state, "closed");
  assert.deepEqual(phone.browser.errors.map(({ code }) => code), ["off_duty"]);
});

test("a fix from before the shift is refused without ending the shift", async () => {
  const { browser, handle, take, clock, states } = await sharing();
  take({ latitude: 0.5, longitude: 102.4, recordedAt: clock.now() - 60 * SECOND });
  handle.setState("available");
  await settle();
  await browser.socket.open();
  await browser.socket.receive({ state: "available" });
  await browser.socket.receive({ error: { code: "off_duty", message: "recorded off duty" } });
  await clock.advance(30 * SECOND);
  assert.deepEqual(states, ["available"]);
});

test("a driver with a trip cannot go off duty, and goes on sharing", async () => {
  const { browser, handle, drive, sent, states } = await onDuty();
  handle.setState(OFF);
  await browser.socket.receive({ error: { code: "state_conflict", message: "a trip" } });
  assert.equal(browser.errors[0].code, "state_conflict");
  await drive(1);
  assert.deepEqual(sent().slice(2), [`state ${OFF}`, "send 0.002"]);
  assert.deepEqual(states, ["available"]);
});

test("a driver with a trip is on duty, without an error", async () => {
  const { browser, handle, states } = await sharing();
  handle.setState("available");
  await settle();
  await browser.socket.open();
  await browser.socket.receive({ error: { code: "state_conflict", message: "a trip" } });
  assert.deepEqual(states, ["available"]);
  assert.deepEqual(browser.errors, []);
});

test("a project without states notices nothing of them", async () => {
  const { browser, drive, sent, states, clock } = await sharing();
  await drive(1);
  await browser.socket.open();
  await browser.socket.acknowledge();
  await clock.advance(46 * SECOND);
  assert.deepEqual(sent(), ["send 0.001", "send 0.001"]);
  assert.deepEqual(states, []);
});
