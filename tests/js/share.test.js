import assert from "node:assert/strict";
import { test } from "node:test";

import { geolocationSource, shareLocation } from "./client.js";
import { FakeBrowser, FakeClock, settle } from "./fakes.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** A phone that shares its location, without a fix yet. */
async function sharing(overrides) {
  const browser = new FakeBrowser();
  const phone = { browser, clock: browser.clock, acknowledged: [], unsubscribed: 0 };
  phone.handle = shareLocation(
    browser.options({
      source: (take, fail) => {
        Object.assign(phone, { take, fail });
        return () => (phone.unsubscribed += 1);
      },
      onAcknowledged: (acknowledgement) => phone.acknowledged.push(acknowledgement),
      ...overrides,
    }),
  );
  await settle();
  /** Move by a thousandth of a degree, `times` times, one fix per interval. */
  phone.drive = async (times, interval = 5 * SECOND) => {
    for (let step = 0; step < times; step += 1) {
      phone.take({ latitude: (phone.step = (phone.step ?? 0) + 1) / 1000, longitude: 102.4 });
      await phone.clock.advance(interval);
    }
  };
  /** The latitudes, in thousandths, of every message sent on the newest socket. */
  phone.sent = () =>
    browser.socket.payloads.map(({ fixes, lat }) =>
      (fixes?.map((fix) => fix.lat) ?? [lat]).map((text) => Math.round(text * 1000)),
    );
  return phone;
}

/** As `sharing`, with its first fix sent on an open socket. */
async function connected(overrides) {
  const phone = await sharing(overrides);
  await phone.drive(1, 0);
  await phone.browser.socket.open();
  return phone;
}

test("nothing is connected before the first fix", async () => {
  const { browser, handle } = await sharing();
  assert.equal(browser.sockets.length, 0);
  assert.equal(handle.state, "connecting");
});

test("the first fix leaves at once", async () => {
  const { browser, clock, handle } = await connected();
  assert.equal(browser.socket.url, "wss://rides.example/driver/set-tracking?userId=19");
  const recorded_at = new Date(clock.now()).toISOString();
  const fix = { lat: "0.0010000", lon: "102.4000000", recorded_at };
  assert.deepEqual(browser.socket.payloads, [{ command: "send", ...fix }]);
  assert.equal(handle.waiting, 1);
});

test("every message says when it was sent, by the clock of its fixes", async () => {
  const { browser, clock, drive } = await connected();
  const first = clock.now();
  await browser.socket.drop();
  await drive(1);
  await browser.socket.open();
  const [sent] = browser.sockets[0].sent.map(({ payload }) => payload);
  assert.equal(sent.sent_at, new Date(first).toISOString());
  const batch = browser.socket.sent[0].payload;
  assert.equal(batch.command, "send_batch");
  assert.equal(batch.sent_at, new Date(clock.now()).toISOString());
});

test("what the device did not measure is left out, the rest is made valid", async () => {
  const { browser, take, clock } = await sharing();
  const here = { latitude: 1e-7, longitude: -0.5 };
  take({ ...here, heading: 359.999, speed: 3.14159, accuracy: 12.3456 });
  await browser.clock.advance(0);
  await browser.socket.open();
  take({ ...here, heading: NaN, speed: -1, accuracy: 0 });
  await clock.advance(5 * SECOND);
  take({ ...here, heading: null, speed: null, accuracy: null });
  await clock.advance(5 * SECOND);
  const sent = browser.socket.payloads.map(({ recorded_at: _, ...rest }) => rest);
  const where = { command: "send", lat: "0.0000001", lon: "-0.5000000" };
  assert.deepEqual(sent, [
    { ...where, heading: 0, speed: 3.14, accuracy: 12.35 },
    where,
    where,
  ]);
});

test("the device's time is kept, unless it lies in the future or is none", async () => {
  const { browser, clock, take } = await connected();
  const now = clock.now();
  for (const recordedAt of [now - 1000, now + MINUTE, NaN, -5, undefined]) {
    take({ latitude: 1, longitude: 1, recordedAt });
    await clock.advance(5 * SECOND);
  }
  const [, first, ...others] = browser.socket.payloads.map((fix) => Date.parse(fix.recorded_at));
  assert.equal(first, now - 1000);
  assert.ok(others.every((time) => time >= now && time <= clock.now()));
});

test("a fast source is sampled: the newest fix every 5 s", async () => {
  const { drive, sent } = await connected();
  await drive(20, SECOND);
  assert.deepEqual(sent(), [[1], [6], [11], [16], [21]]);
});

test("a clock that was set back does not stop the sampling", async () => {
  const { clock, drive, sent } = await connected();
  clock.skew = -60 * MINUTE;
  await drive(3);
  assert.deepEqual(sent(), [[1], [2], [3], [4]]);
});

test("acknowledgements are matched with the fixes in the order of the sends", async () => {
  const { browser, drive, acknowledged, handle } = await connected();
  await drive(3);
  assert.equal(handle.waiting, 4);
  for (const payload of [...browser.socket.payloads]) await browser.socket.acknowledge(payload);
  assert.deepEqual(
    acknowledged.map(({ latitude, fixes, waiting }) => [latitude, fixes[0].latitude, waiting]),
    [
      [0.001, 0.001, 3],
      [0.002, 0.002, 2],
      [0.003, 0.003, 1],
      [0.004, 0.004, 0],
    ],
  );
});

test("what was not acknowledged is sent again after a reconnect, with what followed", async () => {
  const { browser, drive, sent, clock, handle, acknowledged } = await connected();
  await browser.socket.acknowledge();
  await drive(2);
  await browser.socket.drop(1012);
  await clock.advance(2 * SECOND);
  await drive(1);
  await browser.socket.open();
  assert.deepEqual(sent(), [[2, 3, 4]]);
  assert.equal(browser.socket.payloads[0].command, "send_batch");
  await browser.socket.acknowledge(browser.socket.payloads[0].fixes.at(-1));
  assert.equal(handle.waiting, 0);
  assert.equal(acknowledged.at(-1).fixes.length, 3);
});

test("without batches only the newest is sent after a reconnect", async () => {
  const { browser, drive, sent } = await connected({ batch: false });
  await drive(2);
  await browser.socket.drop();
  await drive(1);
  await browser.socket.open();
  assert.deepEqual(sent(), [[4]]);
});

test("a reconnect without a new fix sends the newest one again, so as not to time out", async () => {
  const { browser, clock, sent } = await connected();
  const { recorded_at } = browser.socket.payloads[0];
  await browser.socket.acknowledge();
  await browser.socket.drop();
  await clock.advance(2 * SECOND);
  await browser.socket.open();
  assert.deepEqual(sent(), [[1]]);
  assert.equal(browser.socket.payloads[0].recorded_at, recorded_at);
});

test("a renewed token travels with the newest fix, also when nothing moves", async () => {
  const { browser, clock } = await connected();
  for (let second = 0; second < 250; second += 1) {
    if (browser.socket.sent.length > second / 45) await browser.socket.acknowledge();
    await clock.advance(SECOND);
  }
  assert.deepEqual(browser.tokenRequests, [false, true]);
  assert.equal(browser.sockets.length, 1);
  assert.equal(new Set(browser.socket.tokens).size, 2);
});

test("offline, fixes thin out: all of a minute, one per 10 s of five, one per minute", async () => {
  const { browser, drive, clock } = await sharing();
  await drive(20 * 12);
  const times = await uploadAfterOutage(browser);
  const ages = times.map((time) => clock.now() - time);
  const between = (from, to) => ages.filter((age) => age >= from && age < to).length;
  assert.ok(between(0, MINUTE) >= 11);
  assert.ok(between(MINUTE, 5 * MINUTE) >= 22 && between(MINUTE, 5 * MINUTE) <= 25);
  assert.ok(between(5 * MINUTE, 20 * MINUTE) >= 13 && between(5 * MINUTE, 20 * MINUTE) <= 16);
  assert.deepEqual(times, [...times].sort());
});

test("offline for hours, at most 100 fixes wait: the newest", async () => {
  const { browser, drive, clock, handle } = await sharing();
  await drive(4 * 60 * 12);
  assert.equal(handle.waiting, 100);
  const times = await uploadAfterOutage(browser);
  assert.ok(clock.now() - times.at(-1) <= 5 * SECOND);
  assert.ok(clock.now() - times[0] > 60 * MINUTE);
});

test("the newest fix is kept however old it is", async () => {
  const { browser, drive, clock, sent } = await sharing();
  await drive(2);
  await clock.advance(60 * MINUTE);
  await drive(1, 0);
  await uploadAfterOutage(browser);
  assert.deepEqual(sent(), [[1, 3]]);
});

/** Let the network come back; return when the uploaded fixes were measured. */
async function uploadAfterOutage(browser) {
  await browser.dispatch("online");
  await browser.socket.open();
  const [{ fixes }] = browser.socket.payloads;
  return fixes.map(({ recorded_at }) => Date.parse(recorded_at));
}

test("an unacknowledged send ends the connection after a minute", async () => {
  const { clock, handle } = await connected();
  await clock.advance(59 * SECOND);
  assert.equal(handle.state, "open");
  await clock.advance(SECOND);
  assert.equal(handle.state, "reconnecting");
  assert.equal(handle.waiting, 1);
});

test("a rate limited fix waits for the next send", async () => {
  const { browser, drive, sent, handle } = await connected();
  await browser.socket.acknowledge();
  await drive(1);
  await browser.socket.receive({ error: { code: "rate_limited", message: "slow down" } });
  assert.equal(handle.waiting, 1);
  await drive(1);
  assert.deepEqual(sent(), [[1], [2], [2, 3]]);
  assert.equal(browser.errors[0].code, "rate_limited");
});

test("of two sends under way, the one that is not acknowledged was rate limited", async () => {
  for (const limited of [0, 1]) {
    const { browser, drive, sent, handle, acknowledged } = await connected();
    await drive(1);
    await browser.socket.receive({ error: { code: "rate_limited", message: "slow down" } });
    assert.equal(handle.waiting, 2);
    await browser.socket.acknowledge(browser.socket.payloads[1 - limited]);
    assert.deepEqual(acknowledged.map(({ fixes }) => fixes.length), [1]);
    assert.equal(handle.waiting, 1);
    await drive(1);
    assert.deepEqual(sent(), [[1], [2], [1 + limited, 3]]);
    await browser.socket.acknowledge(browser.socket.payloads[2].fixes.at(-1));
    assert.equal(handle.waiting, 0);
  }
});

test("both of two sends under way are kept when both are rate limited", async () => {
  const { browser, drive, sent } = await connected();
  await drive(1);
  for (let time = 0; time < 2; time += 1) {
    await browser.socket.receive({ error: { code: "rate_limited", message: "slow down" } });
  }
  await drive(1);
  assert.deepEqual(sent(), [[1], [2], [1, 2, 3]]);
});

test("the acknowledgement of a later send is one of those before it", async () => {
  const { browser, drive, handle, acknowledged } = await connected();
  await drive(2);
  await browser.socket.acknowledge(browser.socket.payloads[2]);
  assert.deepEqual(acknowledged.map(({ fixes }) => fixes.length), [3]);
  assert.equal(handle.waiting, 0);
});

test("a refused fix is dropped and the acknowledgements stay in step", async () => {
  const { browser, drive, handle, acknowledged } = await connected();
  await drive(1);
  await browser.socket.receive({ error: { code: "invalid_location", message: "no" } });
  await browser.socket.acknowledge(browser.socket.payloads[0]);
  assert.equal(acknowledged[0].fixes[0].latitude, 0.001);
  assert.equal(handle.waiting, 0);
});

test("a server without batches gets the newest fix alone, from then on", async () => {
  const { browser, drive, sent } = await sharing();
  await drive(3, 3 * SECOND);
  await browser.dispatch("online");
  await browser.socket.open();
  await browser.socket.receive({ error: { code: "invalid_message", message: "unknown" } });
  assert.deepEqual(sent(), [[1, 2], [2]]);
});

for (const fix of [
  null,
  {},
  { latitude: NaN, longitude: 1 },
  { latitude: 91, longitude: 1 },
  { latitude: null, longitude: null },
  { latitude: "1", longitude: "2" },
]) {
  test(`a source that gives ${JSON.stringify(fix)} is reported and not sent`, async () => {
    const { browser, take } = await sharing();
    take(fix);
    await settle();
    assert.equal(browser.errors[0].code, "invalid_location");
    assert.equal(browser.sockets.length, 0);
  });
}

test("an error of the source is reported and sharing goes on", async () => {
  const { browser, fail, drive } = await sharing();
  fail(new Error("no satellites"));
  assert.equal(browser.errors[0].code, "source_failed");
  assert.equal(browser.errors[0].message, "no satellites");
  await drive(1, 0);
  assert.equal(browser.sockets.length, 1);
});

test("close() ends the source and every timer", async () => {
  const phone = await connected();
  await phone.drive(2, SECOND);
  phone.handle.close();
  assert.equal(phone.unsubscribed, 1);
  assert.equal(phone.clock.pending, 0);
  await phone.drive(5);
  phone.fail(new Error("late"));
  assert.equal(phone.browser.sockets.length, 1);
  assert.deepEqual(phone.browser.errors, []);
});

test("a server that forbids it ends the source", async () => {
  const phone = await connected();
  await phone.browser.socket.refuse(4403, "forbidden");
  assert.equal(phone.handle.state, "closed");
  assert.equal(phone.unsubscribed, 1);
  assert.equal(phone.clock.pending, 0);
});

test("an async iterable is a source, and is returned when sharing ends", async () => {
  let returned = false;
  const source = {
    steps: [{ latitude: 1, longitude: 2 }],
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      const value = this.steps.shift();
      return value ? Promise.resolve({ value, done: false }) : new Promise(() => {});
    },
    return() {
      returned = true;
      return Promise.resolve({ value: undefined, done: true });
    },
  };
  const { browser, handle } = await sharing({ source });
  await browser.socket.open();
  assert.equal(browser.socket.payloads[0].lat, "1.0000000");
  handle.close();
  assert.equal(returned, true);
});

test("an async iterable that fails is reported", async () => {
  async function* source() {
    yield { latitude: 1, longitude: 2 };
    throw new Error("cable cut");
  }
  const { browser } = await sharing({ source: source() });
  assert.equal(browser.errors[0].message, "cable cut");
});

class FakeGeolocation {
  asked = [];
  watches = new Map();

  watchPosition(receive, report, options) {
    this.watches.set(7, { receive, report, options });
    return 7;
  }

  getCurrentPosition(receive, report, options) {
    this.asked.push({ receive, report, options });
  }

  clearWatch(id) {
    this.watches.delete(id);
  }
}

const POSITION = { coords: { latitude: 1, longitude: 2 }, timestamp: 5 };

/** A source that listens, with everything it said. */
function listening(options) {
  const geolocation = new FakeGeolocation();
  const clock = new FakeClock();
  const said = [];
  const say = (value) => said.push(value);
  const stop = geolocationSource(geolocation, { environment: clock, ...options })(say, say);
  return { geolocation, clock, said, stop, watch: geolocation.watches.get(7) };
}

test("the geolocation source passes positions on", () => {
  const { watch, said } = listening({ timeout: 9 });
  assert.deepEqual(watch.options, { enableHighAccuracy: true, maximumAge: 0, timeout: 9 });
  const coords = { latitude: 1, longitude: 2, heading: null, speed: 3, accuracy: 4 };
  watch.receive({ coords, timestamp: 5 });
  assert.deepEqual(said, [{ ...coords, recordedAt: 5 }]);
});

test("the geolocation source asks a device that stays silent, one question at a time", async () => {
  const { geolocation, clock, watch, said } = listening();
  await clock.advance(9 * SECOND);
  watch.receive(POSITION);
  await clock.advance(9 * SECOND);
  assert.equal(geolocation.asked.length, 0);
  await clock.advance(52 * SECOND);
  assert.equal(geolocation.asked.length, 1);
  geolocation.asked[0].report({ code: 3, message: "too slow" });
  await clock.advance(10 * SECOND);
  assert.equal(geolocation.asked.length, 2);
  geolocation.asked[1].receive({ ...POSITION, timestamp: 99 });
  assert.equal(said[said.length - 1].recordedAt, 99);
});

test("a watch that falls silent begins anew, and its last position is sent again", async () => {
  const { geolocation, clock, watch, said } = listening();
  watch.receive(POSITION);
  await clock.advance(30 * SECOND);
  // No question was answered.
  assert.deepEqual(said, [said[0], said[0], said[0], said[0]]);
  assert.notEqual(geolocation.watches.get(7), watch);
  assert.equal(geolocation.watches.size, 1);
});

test("the same fix again is sent again, so that the phone is heard", async () => {
  const { browser, clock, take } = await connected();
  await browser.socket.acknowledge();
  const fix = { latitude: 1, longitude: 2, recordedAt: clock.now() };
  for (const _ of [1, 2]) {
    await clock.advance(10 * SECOND);
    take(fix);
    await settle();
    await browser.socket.acknowledge();
  }
  const [, ...sent] = browser.socket.payloads;
  assert.equal(sent.length, 2);
  assert.deepEqual(sent[0], sent[1]);
});

test("fixes that an earlier page did not get acknowledged are sent by the next one", async () => {
  const first = await connected();
  const { pending } = first.handle;
  assert.equal(pending.length, 1);
  const { browser, handle } = await sharing({ pending });
  await browser.socket.open();
  assert.equal(browser.socket.payloads[0].lat, "0.0010000");
  await browser.socket.acknowledge();
  assert.deepEqual(handle.pending, []);
});

test("a denied permission is explained, and nothing is asked again", async () => {
  const { geolocation, clock, watch, said } = listening();
  watch.report({ code: 1, message: "User denied Geolocation" });
  assert.deepEqual(said, [{ code: "permission_denied", message: "User denied Geolocation" }]);
  assert.equal(geolocation.watches.size, 0);
  assert.equal(clock.pending, 0);
});

test("a stopped geolocation source stays stopped when a late answer comes", async () => {
  const { geolocation, clock, stop } = listening();
  await clock.advance(10 * SECOND);
  stop();
  geolocation.asked[0].report({ code: 3, message: "too slow" });
  assert.equal(geolocation.watches.size, 0);
  assert.equal(clock.pending, 0);
});
