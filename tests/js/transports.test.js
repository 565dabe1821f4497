import assert from "node:assert/strict";
import { test } from "node:test";

import { shareLocation, watchDriver, watchFleet, watchTrip } from "./client.js";
import { FakeBrowser, settle } from "./fakes.js";

const FRAME = { userId: 19, location_lat: "0.5", location_lon: "102.4", status: "live" };
const STREAM = "https://rides.example/driver/19/location/stream/";

/** A server behind `fetch`: records the requests, and answers each when the test says so. */
class FakeServer {
  requests = [];

  fetch = (url, init) =>
    new Promise((resolve, reject) => {
      const request = { url, ...init, resolve, reject };
      init.signal.addEventListener("abort", () => {
        request.isAborted = true;
        request.stream?.error(new Error("aborted"));
        reject(new Error("aborted"));
      });
      this.requests.push(request);
    });

  get request() {
    return this.requests.at(-1);
  }

  /** Begin a stream in answer to the newest request. */
  async stream(...frames) {
    const { request } = this;
    const body = new ReadableStream({ start: (controller) => (request.stream = controller) });
    request.resolve(new Response(body, { headers: { "Content-Type": "text/event-stream" } }));
    await settle();
    for (const frame of frames) await this.emit(`data: ${JSON.stringify(frame)}\n\n`);
  }

  async emit(text, request = this.request) {
    request.stream.enqueue(new TextEncoder().encode(text));
    await settle();
  }

  async answer(body, { status = 200, ...headers } = {}) {
    const text = body === null ? null : JSON.stringify(body);
    this.request.resolve(new Response(text, { status, headers }));
    await settle();
  }

  async refuse(status, code) {
    await this.answer({ code, detail: "no" }, { status, "Content-Type": "application/problem+json" });
  }

  async fail() {
    this.request.reject(new TypeError("Failed to fetch"));
    await settle();
  }
}

/** A page behind a proxy that refuses WebSockets, at the moment of its first request. */
async function behindProxy(watch = watchDriver, overrides = {}) {
  const browser = new FakeBrowser();
  const server = new FakeServer();
  browser.fetch = server.fetch;
  const handle = watch(browser.options(overrides));
  await settle();
  const sockets = () => browser.sockets.length;
  if (watch !== shareLocation) {
    await browser.socket.drop();
    await browser.clock.advance(2000);
    assert.equal(sockets(), 2);
    await browser.socket.drop();
    await browser.clock.advance(0);
  }
  return { browser, server, handle, clock: browser.clock };
}

/** The same, at the moment when the stream works. */
async function streaming(overrides) {
  const locations = [];
  const onLocation = (location) => locations.push(location.latitude);
  const page = await behindProxy(watchDriver, { onLocation, ...overrides });
  await page.server.stream(FRAME);
  return { ...page, locations };
}

/** The same, behind a proxy that collects streams, when polling works. */
async function polling(watch, overrides, frames = [FRAME]) {
  const page = await behindProxy(watch, overrides);
  await page.server.stream();
  await page.clock.advance(10_000);
  await page.server.answer(frames, { ETag: '"1"' });
  return page;
}

test("after two sockets that never opened, the event stream is asked for, with the token", async () => {
  const { server, browser } = await behindProxy();
  assert.equal(server.request.url, STREAM);
  assert.match(server.request.headers.Authorization, /^Bearer .+\..+\.signature$/);
  assert.equal(server.request.headers.Accept, "text/event-stream");
  assert.equal(browser.states.at(-1), "reconnecting");
});

test("one socket that fails is retried, and nothing else is", async () => {
  const browser = new FakeBrowser();
  const server = new FakeServer();
  browser.fetch = server.fetch;
  watchDriver(browser.options());
  await settle();
  await browser.socket.drop();
  await browser.clock.advance(2000);
  await browser.socket.open();
  await browser.socket.receive(FRAME);
  await browser.socket.drop();
  await browser.clock.advance(2000);
  await browser.socket.drop();
  assert.deepEqual(server.requests, []);
});

test("a socket whose handshake is swallowed counts as two", async () => {
  const browser = new FakeBrowser();
  const server = new FakeServer();
  browser.fetch = server.fetch;
  watchDriver(browser.options());
  await browser.clock.advance(10_000);
  assert.equal(browser.sockets.length, 1);
  assert.equal(server.request.url, STREAM);
});

test("a socket that opens and dies without a frame counts as one that never opened", async () => {
  const browser = new FakeBrowser();
  const server = new FakeServer();
  browser.fetch = server.fetch;
  watchDriver(browser.options());
  await settle();
  await browser.socket.open();
  await browser.socket.drop();
  await browser.clock.advance(2000);
  await browser.socket.open();
  await browser.socket.drop();
  await browser.clock.advance(0);
  assert.equal(server.request.url, STREAM);
});

test("while the device is offline, only sockets are tried", async () => {
  const browser = new FakeBrowser();
  const server = new FakeServer();
  browser.fetch = server.fetch;
  const options = browser.options();
  options.environment.isOnline = () => false;
  watchDriver(options);
  await settle();
  for (let i = 0; i < 4; i += 1) {
    await browser.socket.drop();
    await browser.clock.advance(20_000);
  }
  assert.deepEqual(server.requests, []);
});

test("a server that restarts is not taken for a proxy", async () => {
  const browser = new FakeBrowser();
  const server = new FakeServer();
  browser.fetch = server.fetch;
  watchDriver(browser.options());
  await settle();
  for (let i = 0; i < 4; i += 1) {
    await browser.socket.open();
    await browser.socket.drop(1012);
    const { length } = browser.sockets;
    while (browser.sockets.length === length) await browser.clock.advance(100);
  }
  assert.deepEqual(server.requests, []);
});

test("the stream's first frame opens it, and onState says how", async () => {
  const { handle, browser, locations } = await streaming();
  assert.equal(handle.state, "open");
  assert.equal(handle.transport, "event-stream");
  assert.equal(browser.states.at(-1), "open");
  assert.equal(browser.transports.at(-1), "event-stream");
  assert.equal(browser.reasons.at(-1), null);
  assert.deepEqual(locations, [0.5]);
});

test("frames are found wherever the network cuts the stream", async () => {
  const { server, locations } = await streaming();
  const text = `data: ${JSON.stringify({ ...FRAME, location_lat: "0.6", name: "Ñandú" })}\n\n`;
  const bytes = new TextEncoder().encode(text);
  for (const byte of bytes) server.request.stream.enqueue(new Uint8Array([byte]));
  await settle();
  assert.deepEqual(locations, [0.5, 0.6]);
});

test("comments keep a quiet stream alive, and silence ends it", async () => {
  const { server, handle, clock } = await streaming();
  for (let i = 0; i < 4; i += 1) {
    await clock.advance(15_000);
    await server.emit(": alive\n\n");
  }
  assert.equal(handle.state, "open");
  await clock.advance(25_000);
  assert.equal(handle.state, "reconnecting");
  assert.equal(server.requests[0].isAborted, true);
  await clock.advance(2000);
  assert.equal(server.requests.length, 2);
});

test("the close event has the socket's code", async () => {
  const { server, handle, browser } = await streaming();
  await server.emit('data: {"error": {"code": "forbidden", "message": "not any more"}}\n\n');
  await server.emit('event: close\ndata: {"code": 4403, "reason": "forbidden"}\n\n');
  assert.equal(handle.state, "closed");
  const reason = { code: 4403, error: "forbidden", message: "not any more", retry: false };
  assert.deepEqual(browser.reasons.at(-1), reason);
});

for (const [status, code, closeCode] of [
  [400, "invalid_message", 4400],
  [403, "forbidden", 4403],
]) {
  test(`a refusal with ${status} is final`, async () => {
    const { server, handle, browser } = await behindProxy();
    await server.refuse(status, code);
    assert.equal(handle.state, "closed");
    const reason = { code: closeCode, error: code, message: "no", retry: false };
    assert.deepEqual(browser.reasons.at(-1), reason);
  });
}

test("a refused token is renewed", async () => {
  const { server, browser } = await behindProxy();
  await server.refuse(401, "token_expired");
  await browser.clock.advance(4000);
  assert.equal(browser.tokenRequests.at(-1), true);
  assert.equal(server.requests.length, 2);
  assert.equal(server.request.url, STREAM);
});

test("the trip's end is the end over HTTP too", async () => {
  const ends = [];
  const { server, handle } = await behindProxy(watchTrip, { tripId: 7, onEnd: (e) => ends.push(e) });
  assert.equal(server.request.url, "https://rides.example/trips/7/stream/");
  await server.refuse(410, "trip_ended");
  assert.deepEqual(ends, ["complete"]);
  assert.equal(handle.state, "closed");
});

test("a proxy's 403 is none of the server", async () => {
  const { server, handle, clock } = await behindProxy();
  await server.answer("Forbidden", { status: 403, "Content-Type": "text/html" });
  assert.equal(handle.state, "reconnecting");
  await clock.advance(0);
  assert.equal(server.request.headers.Accept, "application/json");
});

test("a stream that brings nothing for 10 s is followed by polling, with the ETag", async () => {
  const locations = [];
  const onLocation = ({ latitude }) => locations.push(latitude);
  const { server, browser, handle, clock } = await polling(watchDriver, { onLocation });
  assert.equal(server.requests[0].isAborted, true);
  assert.equal(handle.transport, "polling");
  assert.equal(browser.transports.at(-1), "polling");
  assert.equal(handle.state, "open");
  await clock.advance(5000);
  assert.equal(server.requests.length, 3);
  assert.equal(server.request.headers["If-None-Match"], '"1"');
  await server.answer(null, { status: 304, ETag: '"1"' });
  assert.equal(handle.state, "open");
  await clock.advance(5000);
  await server.answer([{ ...FRAME, location_lat: "0.6" }], { ETag: '"2"' });
  assert.deepEqual(locations, [0.5, 0.6]);
});

test("polling that fails is retried with backoff, and begins with polling", async () => {
  const { server, handle, clock } = await polling();
  await clock.advance(5000);
  await server.fail();
  assert.equal(handle.state, "reconnecting");
  await clock.advance(400);
  assert.equal(server.requests.length, 3);
  await clock.advance(3600);
  assert.equal(server.requests.length, 4);
  assert.equal(server.request.headers.Accept, "application/json");
});

test("if nothing works, the next attempt begins with a socket", async () => {
  const { server, browser, clock } = await behindProxy();
  await server.fail();
  await clock.advance(0);
  await server.fail();
  assert.equal(browser.sockets.length, 2);
  await clock.advance(4000);
  assert.equal(browser.sockets.length, 3);
  await browser.socket.drop();
  await clock.advance(0);
  assert.equal(server.requests.length, 3);
});

test("a better transport is tried after 1, 2, 4, 8, 10 and 10 minutes", async () => {
  const { server, browser, clock } = await streaming({ lifetime: 1e6 });
  const minutes = [];
  for (let minute = 1; minute <= 40; minute += 1) {
    const before = browser.sockets.length;
    for (let i = 0; i < 6; i += 1) {
      await clock.advance(10_000);
      await server.emit(": alive\n\n");
    }
    if (browser.sockets.length > before) {
      minutes.push(minute);
      await browser.socket.drop();
    }
  }
  assert.deepEqual(minutes, [1, 3, 7, 15, 25, 35]);
});

test("it goes back to a socket with that one's first frame, and never closes in between", async () => {
  const { server, browser, clock, handle, locations } = await streaming();
  await clock.advance(20_000);
  await server.emit(": alive\n\n");
  await clock.advance(20_000);
  await server.emit(": alive\n\n");
  await clock.advance(20_000);
  assert.equal(browser.sockets.length, 3);
  await browser.socket.open();
  assert.deepEqual(browser.socket.payloads, [{ command: "start", details: true }]);
  await server.emit(`data: ${JSON.stringify({ ...FRAME, location_lat: "0.6" })}\n\n`);
  assert.equal(handle.transport, "event-stream");
  await browser.socket.receive({ ...FRAME, location_lat: "0.7" });
  assert.equal(handle.transport, "websocket");
  assert.equal(server.request.isAborted, true);
  assert.deepEqual(locations, [0.5, 0.6, 0.7]);
  assert.deepEqual(browser.states.slice(-2), ["open", "open"]);
  assert.equal(browser.transports.at(-1), "websocket");
  // It is the connection now.
  await browser.socket.drop();
  assert.equal(handle.state, "reconnecting");
  await clock.advance(2000);
  assert.equal(browser.sockets.length, 4);
});

test("when the page becomes visible, a socket is tried at once", async () => {
  const { browser } = await streaming();
  await browser.hide();
  await browser.show();
  assert.equal(browser.sockets.length, 3);
});

test("a socket that is refused as over capacity changes nothing", async () => {
  const { browser, handle, clock } = await streaming();
  await browser.dispatch("online");
  await browser.socket.open();
  await browser.socket.receive({ error: { code: "over_capacity", message: "no" } });
  assert.equal(browser.socket.closed, true);
  assert.equal(handle.state, "open");
  assert.equal(handle.transport, "event-stream");
  assert.ok(clock.pending > 0);
});

test("from polling it goes back to the event stream at least", async () => {
  const { browser, server, handle } = await polling();
  await browser.dispatch("online");
  await browser.socket.drop();
  assert.equal(server.request.headers.Accept, "text/event-stream");
  await server.stream(FRAME);
  assert.equal(handle.transport, "event-stream");
  assert.equal(handle.state, "open");
});

test("a renewed token opens the next stream before the last one ends", async () => {
  const { server, clock, locations } = await streaming({ lifetime: 60 });
  const [first] = server.requests;
  for (let i = 0; i < 4 && server.requests.length === 1; i += 1) {
    await clock.advance(15_000);
    await server.emit(": alive\n\n", first);
  }
  assert.equal(server.requests.length, 2);
  assert.notEqual(server.request.headers.Authorization, first.headers.Authorization);
  assert.notEqual(first.isAborted, true);
  await server.emit(`data: ${JSON.stringify({ ...FRAME, location_lat: "0.6" })}\n\n`, first);
  await server.stream({ ...FRAME, location_lat: "0.7" });
  assert.equal(first.isAborted, true);
  assert.deepEqual(locations, [0.5, 0.6, 0.7]);
});

test("the fleet's area is a parameter, and moving it asks again", async () => {
  const snapshots = [];
  const onSnapshot = (drivers) => snapshots.push(drivers.length);
  const { server, handle } = await behindProxy(watchFleet, { bbox: [1, 2, 3, 4], onSnapshot });
  assert.equal(server.request.url, "https://rides.example/fleet/stream/?bbox=1%2C2%2C3%2C4");
  await server.stream({ snapshot: [FRAME], counts: { live: 1, stale: 0, offline: 0 } });
  handle.setBbox([5, 6, 7, 8]);
  await settle();
  assert.equal(server.requests.length, 2);
  await server.stream({ snapshot: [] });
  assert.deepEqual(snapshots, [1, 0]);
});

test("close and pause end the stream and all timers", async () => {
  const { server, handle, clock } = await streaming();
  handle.pause();
  assert.equal(server.request.isAborted, true);
  assert.equal(clock.pending, 0);
  handle.resume();
  await settle();
  assert.equal(handle.transport, "websocket");
  handle.close();
  assert.equal(clock.pending, 0);
});

test("httpUrl names the stream, and null means WebSockets only", async () => {
  const own = await behindProxy(watchDriver, { httpUrl: "/live/19/" });
  assert.equal(own.server.request.url, "https://pages.example/live/19/");
  const none = await behindProxy(watchDriver, { httpUrl: null });
  assert.deepEqual(none.server.requests, []);
});

/** A driver's page behind the proxy, with one fix that waits. */
async function sharing(overrides) {
  let give;
  const acknowledged = [];
  const page = await behindProxy(shareLocation, {
    source: (take) => void (give = take),
    onAcknowledged: ({ fixes, waiting }) => acknowledged.push([fixes.length, waiting]),
    ...overrides,
  });
  const { browser, clock, server } = page;
  give?.({ latitude: 0.5, longitude: 102.4 });
  await settle();
  await browser.socket.drop();
  await clock.advance(2000);
  await browser.socket.drop();
  await browser.clock.advance(0);
  const body = () => JSON.parse(server.request.body);
  return { ...page, give, acknowledged, body };
}

test("locations are posted with the same queue and acknowledgement", async () => {
  const { server, body, acknowledged, handle, give, clock } = await sharing();
  assert.equal(server.request.method, "POST");
  assert.equal(server.request.url, "https://rides.example/driver/19/locations/");
  assert.equal(body().fixes.length, 1);
  assert.ok(body().sent_at);
  assert.equal(handle.transport, "polling");
  await server.answer(null, { status: 201 });
  assert.deepEqual(acknowledged, [[1, 0]]);
  give({ latitude: 0.6, longitude: 102.4 });
  await clock.advance(5000);
  assert.equal(server.requests.length, 2);
  await server.fail();
  assert.equal(handle.waiting, 1);
  await clock.advance(4000);
  assert.equal(server.requests.length, 3);
  assert.equal(body().fixes[0].lat, "0.6000000");
  await server.answer(null, { status: 204 });
  assert.equal(handle.waiting, 0);
});

test("requests above the rate wait, and those off duty end the shift", async () => {
  const states = [];
  const { server, handle, give, clock } = await sharing({ onDriverState: (s) => states.push(s) });
  await server.refuse(429, "throttled");
  assert.equal(handle.waiting, 1);
  assert.equal(handle.state, "open");
  give({ latitude: 0.6, longitude: 102.4 });
  await clock.advance(8000);
  const rejected = [0, 1].map((index) => ({ index, code: "off_duty", message: "no" }));
  await server.answer({ rejected });
  assert.deepEqual(states, ["non_operational"]);
});

test("the shift begins by PUT", async () => {
  const states = [];
  const browser = new FakeBrowser();
  const server = new FakeServer();
  browser.fetch = server.fetch;
  const onDriverState = (state) => states.push(state);
  const handle = shareLocation(browser.options({ source: () => {}, onDriverState }));
  handle.setState("available");
  await settle();
  await browser.socket.drop();
  await browser.clock.advance(2000);
  await browser.socket.drop();
  await browser.clock.advance(0);
  assert.equal(server.request.method, "PUT");
  assert.equal(server.request.url, "https://rides.example/driver/19/state/");
  await server.answer({ state: "available" });
  assert.deepEqual(states, ["available"]);
});

test("a driver's page goes back to a socket as soon as it opens, and loses no fix", async () => {
  const { server, browser, handle, acknowledged, clock } = await sharing();
  await browser.dispatch("online");
  await browser.socket.open();
  assert.equal(handle.transport, "websocket");
  assert.equal(server.request.isAborted, true);
  assert.equal(browser.socket.payloads[0].command, "send");
  await browser.socket.acknowledge();
  assert.deepEqual(acknowledged, [[1, 0]]);
  assert.ok(clock.pending > 0);
});
