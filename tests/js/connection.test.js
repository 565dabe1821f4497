import assert from "node:assert/strict";
import { test } from "node:test";

import { watchDriver } from "./client.js";
import { FakeBrowser, settle } from "./fakes.js";

const FRAME = { location_lat: "0.5", location_lon: "102.4" };

/** A browser that watches a driver, by default with an open first socket. */
async function watching({ open = true, ...overrides } = {}) {
  const browser = new FakeBrowser();
  const handle = watchDriver(browser.options(overrides));
  await settle();
  if (open) await browser.socket.open();
  return { browser, handle, clock: browser.clock };
}

/** The delay until the next socket appears. */
async function reconnectDelay(browser) {
  const before = browser.sockets.length;
  for (let waited = 0; waited <= 25_000; waited += 50) {
    if (browser.sockets.length > before) return waited;
    await browser.clock.advance(50);
  }
  return Infinity;
}

test("the address is the route below the server's root, as a WebSocket address", async () => {
  for (const [url, expected] of [
    ["https://rides.example", "wss://rides.example/driver/get-tracking?userId=19"],
    ["http://rides.example/app", "ws://rides.example/app/driver/get-tracking?userId=19"],
    ["ws://rides.example:3002/", "ws://rides.example:3002/driver/get-tracking?userId=19"],
    [undefined, "wss://pages.example/driver/get-tracking?userId=19"],
    ["../../", "wss://pages.example/driver/driver/get-tracking?userId=19"],
  ]) {
    const { browser } = await watching({ url, open: false });
    assert.equal(browser.socket.url, expected);
  }
});

test("callbacks never run before the handle is returned", async () => {
  const browser = new FakeBrowser();
  watchDriver(browser.options());
  assert.deepEqual(browser.states, []);
  await settle();
  assert.deepEqual(browser.states, ["connecting"]);
});

test("states go from connecting to open to reconnecting to open to closed", async () => {
  const { browser, handle, clock } = await watching();
  await browser.socket.drop(1012);
  assert.equal(handle.state, "reconnecting");
  assert.deepEqual(browser.reasons.at(-1), { code: 1012, error: null, message: "", retry: true });
  await clock.advance(2000);
  await browser.socket.open();
  handle.close();
  assert.deepEqual(browser.states, ["connecting", "open", "reconnecting", "open", "closed"]);
  assert.equal(browser.reasons.at(-1).retry, false);
});

for (const code of [1001, 1005, 1006, 1011, 1012, 1013, 4429]) {
  test(`close code ${code} is retried`, async () => {
    const { browser, handle } = await watching();
    await browser.socket.drop(code);
    assert.equal(handle.state, "reconnecting");
    assert.ok((await reconnectDelay(browser)) <= 2000);
  });
}

for (const [code, error] of [
  [4400, "invalid_user_id"],
  [4403, "forbidden"],
  [4408, "authentication_timeout"],
]) {
  test(`close code ${code} ends it, with the server's words as the reason`, async () => {
    const { browser, handle, clock } = await watching();
    await browser.socket.refuse(code, error, "not you");
    assert.equal(handle.state, "closed");
    assert.deepEqual(browser.reasons.at(-1), { code, error, message: "not you", retry: false });
    await clock.advance(60_000);
    await browser.dispatch("online");
    assert.equal(browser.sockets.length, 1);
    assert.equal(clock.pending, 0);
  });
}

test("delays are spread over 0.5 s to a ceiling that doubles from 2 s to 20 s", async () => {
  for (const [random, expected] of [
    [0, [500, 500, 500, 500, 500, 500]],
    [0.999999, [2000, 4000, 8000, 16_000, 20_000, 20_000]],
    [0.5, [1250, 2250, 4250, 8250, 10_250, 10_250]],
  ]) {
    const { browser } = await watching();
    browser.random = () => random;
    for (const delay of expected) {
      await browser.socket.drop();
      assert.ok(Math.abs((await reconnectDelay(browser)) - delay) <= 50);
    }
  }
});

test("seeded delays fill the whole range", async () => {
  const { browser } = await watching();
  for (let failure = 0; failure < 5; failure += 1) {
    await browser.socket.drop();
    await reconnectDelay(browser);
  }
  const delays = [];
  for (let failure = 0; failure < 100; failure += 1) {
    await browser.socket.drop();
    delays.push(await reconnectDelay(browser));
  }
  assert.ok(Math.min(...delays) >= 500 && Math.min(...delays) < 2000);
  assert.ok(Math.max(...delays) <= 20_000 && Math.max(...delays) > 18_000);
});

test("the backoff is reset after a stable minute, and only then", async () => {
  const { browser, clock } = await watching();
  browser.random = () => 0.999999;
  await browser.socket.drop();
  await reconnectDelay(browser);
  await browser.socket.open();
  await clock.advance(59_000);
  await browser.socket.drop();
  assert.ok((await reconnectDelay(browser)) > 3900);
  await browser.socket.open();
  await clock.advance(60_000);
  await browser.socket.drop();
  assert.ok((await reconnectDelay(browser)) <= 2000);
});

test("a socket that does not open within 10 s is given up", async () => {
  const { browser, handle, clock } = await watching({ open: false });
  await clock.advance(10_000);
  assert.equal(handle.state, "reconnecting");
  assert.equal(browser.sockets[0].closed, true);
});

test("close() while connecting leaves no timer, no socket and no listener", async () => {
  const { browser, handle, clock } = await watching({ open: false });
  handle.close();
  assert.equal(clock.pending, 0);
  assert.equal(browser.socket.closed, true);
  await browser.dispatch("online");
  await browser.socket.open();
  assert.deepEqual(browser.states, ["connecting", "closed"]);
});

test("close() before anything was connected, and twice, closes once", async () => {
  const browser = new FakeBrowser();
  const handle = watchDriver(browser.options());
  handle.close();
  handle.close();
  await settle();
  assert.deepEqual(browser.states, ["closed"]);
  assert.equal(browser.sockets.length, 0);
});

test("close() while the token is fetched opens no socket", async () => {
  let resolve;
  const getToken = () => new Promise((resolveToken) => (resolve = resolveToken));
  const { browser, handle, clock } = await watching({ open: false, getToken });
  handle.close();
  resolve("late");
  await settle();
  assert.equal(browser.sockets.length, 0);
  assert.equal(clock.pending, 0);
});

test("events of a stale socket are ignored", async () => {
  const seen = [];
  const onLocation = (location) => seen.push(location);
  const { browser, handle, clock } = await watching({ onLocation });
  const stale = browser.socket;
  await stale.drop();
  await clock.advance(2000);
  await browser.socket.open();
  await stale.receive(FRAME);
  await stale.drop(4403);
  assert.equal(handle.state, "open");
  assert.deepEqual(seen, []);
});

test("pause() disconnects and resume() connects again", async () => {
  const { browser, handle, clock } = await watching();
  handle.pause();
  assert.equal(handle.state, "closed");
  assert.equal(clock.pending, 0);
  handle.resume();
  handle.resume();
  await settle();
  await browser.socket.open();
  assert.equal(handle.state, "open");
  assert.equal(browser.sockets.length, 2);
});

for (const type of ["online", "pageshow", "visibilitychange"]) {
  test(`${type} ends the wait for the next attempt`, async () => {
    const { browser } = await watching();
    await browser.socket.drop();
    await (type === "visibilitychange" ? browser.show() : browser.dispatch(type));
    assert.equal(browser.sockets.length, 2);
  });
}

test("several wake-ups at once make one attempt", async () => {
  const { browser } = await watching();
  await browser.socket.drop();
  await Promise.all([browser.dispatch("online"), browser.dispatch("pageshow"), browser.show()]);
  assert.equal(browser.sockets.length, 2);
});

test("hiding the page does nothing", async () => {
  const { browser } = await watching();
  await browser.socket.drop();
  await browser.hide();
  assert.equal(browser.sockets.length, 1);
});

test("a network that is back is probed, however recent the last frame is", async () => {
  const { browser, handle, clock } = await watching();
  await browser.socket.receive(FRAME);
  await browser.show();
  assert.equal(browser.socket.sent.length, 1);
  await browser.dispatch("online");
  assert.equal(browser.socket.sent.length, 2);
  await clock.advance(5000);
  assert.equal(handle.state, "reconnecting");
});

test("a connection that slept is probed, and replaced if it does not answer within 5 s", async () => {
  const { browser, handle, clock } = await watching();
  await browser.socket.receive(FRAME);
  await clock.advance(6000);
  await browser.show();
  assert.equal(browser.socket.sent.length, 2);
  await clock.advance(5000);
  assert.equal(handle.state, "reconnecting");
});

test("a connection that has just received a frame is not probed", async () => {
  const { browser } = await watching();
  await browser.socket.receive(FRAME);
  await browser.show();
  assert.equal(browser.socket.sent.length, 1);
});

test("a silent connection is probed after 8 s, and replaced after 5 s more", async () => {
  const { browser, handle, clock } = await watching();
  await browser.socket.receive(FRAME);
  await clock.advance(8000);
  assert.equal(browser.socket.sent.length, 2);
  await clock.advance(4900);
  assert.equal(handle.state, "open");
  await clock.advance(100);
  assert.equal(handle.state, "reconnecting");
});

test("a silent connection of a hidden page is not probed more often", async () => {
  const { browser, clock } = await watching();
  await browser.hide();
  await browser.socket.receive(FRAME);
  await clock.advance(44_000);
  assert.equal(browser.socket.sent.length, 1);
  await clock.advance(1000);
  assert.equal(browser.socket.sent.length, 2);
});

test("a lost network is reported at once, and the client connects at once when it is back", async () => {
  const { browser, handle } = await watching();
  await browser.dispatch("offline");
  assert.equal(handle.state, "reconnecting");
  assert.equal(browser.reasons.at(-1).error, "offline");
  assert.equal(browser.sockets.length, 1);
  await browser.dispatch("online");
  await browser.socket.open();
  assert.equal(browser.sockets.length, 2);
  assert.equal(handle.state, "open");
});

test("attempts without a network report that there is none", async () => {
  const browser = new FakeBrowser();
  const options = browser.options();
  options.environment.isOnline = () => false;
  watchDriver(options);
  await settle();
  await browser.socket.drop();
  assert.equal(browser.reasons.at(-1).error, "offline");
});

test("resume() connects at once instead of later", async () => {
  const { browser, handle } = await watching();
  await browser.socket.drop();
  handle.resume();
  await settle();
  assert.equal(handle.state, "connecting");
  assert.equal(browser.sockets.length, 2);
  handle.resume();
  await settle();
  assert.equal(browser.sockets.length, 2);
});

test("a silent connection without details is probed after 45 s, and replaced after 30 s more", async () => {
  const { browser, handle, clock } = await watching({ details: false });
  await browser.socket.receive(FRAME);
  await clock.advance(45_000);
  assert.equal(browser.socket.sent.length, 2);
  await clock.advance(29_000);
  assert.equal(handle.state, "open");
  await clock.advance(1000);
  assert.equal(handle.state, "reconnecting");
});

test("an answer keeps a silent connection", async () => {
  const { browser, handle, clock } = await watching({ details: false });
  await browser.socket.receive(FRAME);
  for (let round = 0; round < 4; round += 1) {
    await clock.advance(46_000);
    await browser.socket.receive(FRAME);
  }
  assert.equal(handle.state, "open");
  assert.equal(browser.socket.sent.length, 5);
});

test("a server that never sent a location is not expected to answer", async () => {
  const { handle, clock } = await watching();
  await clock.advance(600_000);
  assert.equal(handle.state, "open");
});

test("an error that did not end the connection is not given as the reason", async () => {
  const { browser } = await watching();
  await browser.socket.receive({ error: { code: "rate_limited", message: "slow down" } });
  await browser.socket.receive(FRAME);
  await browser.socket.drop(1012, "restarting");
  assert.equal(browser.reasons.at(-1).message, "restarting");
  assert.equal(browser.reasons.at(-1).error, null);
});

for (const state of ["connecting", "open", "reconnecting"]) {
  test(`close() from the ${state} callback leaves nothing behind`, async () => {
    const browser = new FakeBrowser();
    const onState = (reached) => reached === state && handle.close();
    const handle = watchDriver(browser.options({ onState }));
    await settle();
    await browser.socket?.open();
    await browser.socket?.drop();
    assert.equal(handle.state, "closed");
    assert.equal(browser.clock.pending, 0);
    assert.equal(browser.sockets.length, state === "connecting" ? 0 : 1);
  });
}

test("an error frame reaches onError and keeps the connection", async () => {
  const { browser, handle } = await watching();
  await browser.socket.receive({ error: { code: "rate_limited", message: "slow down" } });
  assert.deepEqual(browser.errors, [
    { code: "rate_limited", message: "slow down", cause: undefined },
  ]);
  assert.equal(handle.state, "open");
});

for (const frame of ["", "not JSON", "null", "5", '"text"', "[]", '{"error":null}', "{}"]) {
  test(`a hostile frame does not end it: ${frame || "empty"}`, async () => {
    const seen = [];
    const { browser, handle } = await watching({ onLocation: (location) => seen.push(location) });
    await browser.socket.receive(frame);
    await browser.socket.receive(FRAME);
    assert.equal(handle.state, "open");
    assert.equal(seen.length, 1);
  });
}

test("a callback that throws is reported and does not stop the stream", async (context) => {
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  context.after(() => delete globalThis.reportError);
  const onLocation = () => {
    throw new Error("the page's mistake");
  };
  const { browser, handle } = await watching({ onLocation });
  await browser.socket.receive(FRAME);
  assert.deepEqual(reported, ["the page's mistake"]);
  assert.equal(handle.state, "open");
});

test("a WebSocket that the browser forbids ends it", async () => {
  const browser = new FakeBrowser();
  const options = browser.options();
  options.environment.WebSocket = class {
    constructor() {
      throw new Error("mixed content");
    }
  };
  watchDriver(options);
  await settle();
  assert.deepEqual(browser.states, ["connecting", "closed"]);
  assert.match(browser.reasons.at(-1).message, /mixed content/);
});
