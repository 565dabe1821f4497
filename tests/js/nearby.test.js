import assert from "node:assert/strict";
import { test } from "node:test";

import { watchNearby } from "./client.js";
import { FakeBrowser, settle } from "./fakes.js";

/** A rider who looks for cars, with an open socket, and the cars of each call. */
async function looking() {
  const browser = new FakeBrowser();
  const seen = [];
  const handle = watchNearby(
    browser.options({ lat: 0.5, lon: 102.4, onCars: (cars) => seen.push(cars) }),
  );
  await settle();
  await browser.socket.open();
  return { browser, seen, handle, clock: browser.clock };
}

test("a rider looks for cars around a place", async () => {
  const { browser } = await looking();
  assert.equal(browser.socket.url, "wss://rides.example/nearby/get-tracking");
  assert.deepEqual(browser.socket.payloads, [{ command: "start", lat: 0.5, lon: 102.4 }]);
});

test("each frame replaces all cars, and what is no car is left out", async () => {
  const { browser, seen } = await looking();
  const car = { id: "a7", location_lat: "0.5012", location_lon: "102.4" };
  await browser.socket.receive({ cars: [car, null, {}, { ...car, id: 7 }, { id: "b8" }] });
  await browser.socket.receive({ cars: [] });
  await browser.socket.receive({ cars: null });
  assert.deepEqual(seen, [[{ id: "a7", latitude: 0.5012, longitude: 102.4 }], []]);
});

test("the place moves, and a reconnect looks around the new one", async () => {
  const { browser, handle, clock } = await looking();
  handle.setPlace(0.6, 102.5);
  await settle();
  assert.deepEqual(browser.socket.payloads.at(-1), { command: "start", lat: 0.6, lon: 102.5 });
  await browser.socket.drop();
  handle.setPlace(0.7, 102.6);
  await clock.advance(2000);
  await browser.socket.open();
  assert.deepEqual(browser.socket.payloads, [{ command: "start", lat: 0.7, lon: 102.6 }]);
});

test("a far place that the server puts off is asked for again", async () => {
  const { browser, handle, clock } = await looking();
  handle.setPlace(10, 10);
  await settle();
  await browser.socket.receive({ error: { code: "rate_limited", message: "far" } });
  for (let second = 0; second < 5; second += 1) {
    await browser.socket.receive({ cars: [] });
    await clock.advance(1000);
  }
  const place = { command: "start", lat: 10, lon: 10 };
  assert.deepEqual(browser.socket.payloads.slice(1), [place, place]);
  handle.close();
  assert.equal(clock.pending, 0);
});

test("a stream that falls silent is reconnected within seconds", async () => {
  const { browser, clock, handle } = await looking();
  await browser.socket.receive({ cars: [] });
  await clock.advance(14_000);
  assert.equal(handle.state, "reconnecting");
});
