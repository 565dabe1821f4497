import assert from "node:assert/strict";
import { test } from "node:test";

import { below, createApi, RequestFailed } from "../../tracking/static/tracking/console-api.js";
import * as phrases from "../../tracking/static/tracking/console-words.js";

const words = {
  say: (name, values) => [name, ...Object.values(values ?? {})].join(" "),
  number: String,
  duration: (milliseconds) => `${milliseconds / 60_000} minutes`,
};
const MINUTE = 60_000;

test("durations are in minutes, and from an hour on in hours and minutes", () => {
  const say = (milliseconds) => phrases.duration(words, milliseconds);
  assert.equal(say(-5), "under_a_minute");
  assert.equal(say(59_999), "under_a_minute");
  assert.equal(say(59 * MINUTE), "59 minutes");
  assert.equal(say(125 * MINUTE), "125 minutes");
});

test("an arrival is rounded up, and about so if it is not from a routing engine", () => {
  assert.equal(phrases.arrival(words, { seconds: 0, confidence: "high" }), "1 minutes");
  assert.equal(phrases.arrival(words, { seconds: 61, confidence: "low" }), "minutes_about 2");
  assert.equal(phrases.arrival(words, { seconds: 3700, confidence: "low" }), "62 minutes");
});

test("trips without a driver come first, and of each kind the one that waits longest", () => {
  const trip = (id, created, driver = null) => ({ id, created_at: `2026-11-28T12:0${created}:00Z`, driver });
  const driver = { userId: 19 };
  const trips = [trip(1, 0, driver), trip(2, 5), trip(3, 2), trip(4, 1, driver), trip(5, 2)];
  assert.deepEqual(phrases.inOrder(trips).map(({ id }) => id), [3, 5, 2, 1, 4]);
});

test("the stream updates a row: a new state counts from now on", () => {
  const row = { userId: 19, name: "Ada", status: "live", state: "available", since: "then", trip: null };
  const at = { status: "live", state: "available", trip: null, latitude: 1, longitude: 2 };
  assert.equal(phrases.patch(row, at, "now"), false);
  assert.deepEqual(phrases.placeOf(row), { latitude: 1, longitude: 2 });
  assert.equal(row.since, "then");
  assert.equal(phrases.patch(row, { ...at, state: "reserved", trip: 7 }, "now"), true);
  assert.deepEqual([row.state, row.since, row.trip.id], ["reserved", "now", 7]);
  assert.equal(phrases.patch(row, { ...at, state: "reserved", trip: 7, name: null }, "later"), false);
  assert.deepEqual([row.name, row.since], ["Ada", "now"]);
});

test("a new trip is assigned once it has a driver", () => {
  assert.equal(phrases.progress(words, { status: "new" }, false), "trip_new");
  assert.equal(phrases.progress(words, { status: "new" }, true), "trip_assigned");
  assert.equal(phrases.progress(words, { status: "complete" }, true), "trip_complete");
});

test("a pickup is where the nearest cars are searched", () => {
  const waypoints = [
    { kind: "stop", lat: 3, lon: 4, name: null },
    { kind: "pickup", lat: 1, lon: 2, name: "Station" },
  ];
  assert.deepEqual(phrases.pickupOf({ waypoints }), { latitude: 1, longitude: 2, name: "Station" });
  assert.equal(phrases.pickupOf({ waypoints: [] }), null);
  assert.equal(phrases.placeOf({ location_lat: null, location_lon: null }), null);
});

test("each entry of a timeline has a text", () => {
  const say = (entry) => phrases.happened(words, entry);
  assert.equal(say({ kind: "state", state: "available" }), "state_available");
  assert.equal(say({ kind: "trip", status: "new" }), "trip_assigned");
  assert.equal(say({ kind: "zone", step: "entered", zone: { id: 1, name: "Port" } }), "zone_entered Port");
  assert.equal(say({ kind: "waypoint", step: "arrived", waypoint: "pickup", name: null }), "waypoint_arrived place_pickup");
  assert.equal(say({ kind: "alert", step: "raised", alert: "silent" }), "raised_silent");
});

test("URLs of one thing are below that of the list", () => {
  assert.equal(below("/fleet/drivers/", 19), "/fleet/drivers/19/");
  assert.equal(below("/trips/", "a/b", "assign"), "/trips/a%2Fb/assign/");
});

/** An API whose server gives these answers in turn; `asked` are the requests. */
function served(...answers) {
  const asked = [];
  globalThis.location = { href: "https://rides.example.com/driver/fleet/" };
  globalThis.fetch = async (url, options) => {
    asked.push({ url: String(url), ...options });
    const { status = 200, body = {}, etag } = answers.shift();
    return {
      ok: status < 300,
      status,
      headers: { get: (name) => (name === "ETag" ? (etag ?? null) : null) },
      json: async () => body,
    };
  };
  const tokens = [];
  const getToken = async ({ refresh }) => tokens.push(refresh) && `token ${tokens.length}`;
  return { api: createApi(getToken, () => undefined), asked, tokens };
}

test("a request repeats the entity tag, and 304 is the answer before", async () => {
  const { api, asked } = served({ body: { results: [1] }, etag: '"a"' }, { status: 304 });
  assert.deepEqual(await api.get("/fleet/alerts/", { open: true, zone: "" }), { results: [1] });
  assert.deepEqual(await api.get("/fleet/alerts/", { open: true, zone: "" }), { results: [1] });
  assert.equal(asked[1].headers["If-None-Match"], '"a"');
  assert.equal(asked[0].url, "https://rides.example.com/fleet/alerts/?open=true");
});

test("an expired token is renewed once", async () => {
  const { api, asked, tokens } = served({ status: 401 }, { body: { total: 0 } });
  assert.deepEqual(await api.get("/fleet/drivers/"), { total: 0 });
  assert.deepEqual(tokens, [false, true]);
  assert.equal(asked[1].headers.Authorization, "Bearer token 2");
});

test("a refusal has the server's problem", async () => {
  const { api } = served({ status: 409, body: { code: "driver_taken", trip: 7 } });
  await assert.rejects(api.post("/trips/8/assign/", { driver: 19 }), (error) => {
    assert.ok(error instanceof RequestFailed);
    return error.status === 409 && error.problem.trip === 7;
  });
});
