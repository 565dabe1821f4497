import assert from "node:assert/strict";
import { test } from "node:test";

import {
  distance,
  navigationUrl,
  nextPlace,
  nextSteps,
  stopsAfter,
} from "../../tracking/static/tracking/share-trip.js";
import { Steps } from "../../tracking/static/tracking/share-steps.js";
import { isFresh, MAX_AGE, MAX_AGE_ENDED, strip } from "../../tracking/static/tracking/trip-memory.js";
import { settle } from "./fakes.js";

const place = (kind, name = null) => ({ kind, lat: 1, lon: 2, name });
const trip = (status, stops = 0) => ({
  status,
  waypoints: [
    place("pickup", "Market"),
    ...Array.from({ length: stops }, (_, index) => place("stop", `Stop ${index}`)),
    place("dropoff", "Airport"),
  ],
});

/** Drive a trip by its first step each; return the statuses. */
function driven(stops) {
  let [status, done] = ["new", 0];
  const passed = [];
  while (nextSteps(trip(status, stops), done).length) {
    const [{ to }] = nextSteps(trip(status, stops), done);
    done = stopsAfter(status, to, done);
    passed.push((status = to));
  }
  return passed;
}

const TO_STOP = "enroute_to_intermediate_destination";
const AT_STOP = "arrived_at_intermediate_destination";

test("a trip is driven from the pickup to its end, over each of its stops", () => {
  const before = ["enroute_to_pickup", "arrived_at_pickup"];
  const after = ["enroute_to_dropoff", "complete"];
  assert.deepEqual(driven(0), [...before, ...after]);
  assert.deepEqual(driven(1), [...before, TO_STOP, AT_STOP, ...after]);
  assert.deepEqual(driven(2), [...before, TO_STOP, AT_STOP, TO_STOP, AT_STOP, ...after]);
});

test("at one of several stops the driver may go on to the next one or to the destination", () => {
  const names = (done) => nextSteps(trip(AT_STOP, 2), done).map(({ name }) => name);
  assert.deepEqual(names(0), ["step_next_stop", "step_dropoff"]);
  assert.deepEqual(names(1), ["step_dropoff", "step_next_stop"]);
});

test("the next place is that of the status, and of several stops the one that is due", () => {
  assert.equal(nextPlace(trip("new"), 0).waypoint.name, "Market");
  assert.equal(nextPlace(trip(TO_STOP, 2), 1).waypoint.name, "Stop 1");
  assert.equal(nextPlace(trip(TO_STOP, 2), 7).waypoint.name, "Stop 1");
  assert.equal(nextPlace(trip("enroute_to_dropoff"), 0).waypoint.name, "Airport");
  assert.equal(nextPlace({ status: "new", waypoints: [] }, 0).waypoint, null);
});

test("navigation opens in the phone's own app, with the place and nothing else", () => {
  const to = { lat: 0.5, lon: 101.25, name: "Café (north)" };
  const link = (userAgent, maxTouchPoints) => navigationUrl(to, { userAgent, maxTouchPoints });
  assert.equal(link("Linux; Android 12"), "geo:0.5,101.25?q=0.5,101.25(Caf%C3%A9%20%20north)");
  const apple = "https://maps.apple.com/?daddr=0.5%2C101.25&dirflg=d";
  assert.equal(link("iPhone; CPU iPhone OS 15_0"), apple);
  assert.equal(link("Macintosh; Intel Mac OS X", 5), apple);
  const other = "https://www.openstreetmap.org/directions?to=0.5%2C101.25";
  assert.equal(link("Macintosh; Intel Mac OS X", 0), other);
  assert.equal(link("X11; Linux x86_64"), other);
});

test("the distance of a degree is that of a great circle", () => {
  assert.equal(Math.round(distance({ lat: 0, lon: 0 }, { lat: 0, lon: 1 })), 111_195);
});

/** Steps with a server that gives the answers in turn; an Error is a lost connection. */
function stepping(answers, kept = null) {
  const made = { requests: [], trips: [], refused: [], timers: [], kept };
  made.steps = new Steps({
    url: "/trips/",
    getToken: async ({ refresh }) => (refresh ? "new" : "old"),
    storage: (text) => (text === undefined ? made.kept : void (made.kept = text)),
    onChange: () => {},
    onTrip: (next) => made.trips.push(next.status),
    onRefused: (status) => made.refused.push(status),
    fetch: async (url, { body, headers }) => {
      made.requests.push([url, JSON.parse(body).status, headers.Authorization.split(" ")[1]]);
      const answer = answers.shift() ?? { id: 7, status: "stored" };
      if (answer instanceof Error) throw answer;
      if (typeof answer === "number") return { ok: false, status: answer };
      return { ok: true, status: 200, json: async () => answer };
    },
    setTimeout: (action, milliseconds) => made.timers.push([action, milliseconds]),
  });
  made.next = async () => {
    made.timers.shift()[0]();
    await settle();
  };
  return made;
}

const LOST = new TypeError("Failed to fetch");

test("a step is sent again until it is stored, later each time", async () => {
  const { steps, requests, timers, next, trips } = stepping([LOST, 503, 429]);
  steps.take(7, "arrived_at_pickup", 0);
  await settle();
  const delays = [];
  while (timers.length) {
    assert.ok(steps.isDelayed);
    delays.push(timers[0][1]);
    await next();
  }
  assert.deepEqual(delays, [1000, 2000, 4000]);
  assert.equal(requests.length, 4);
  assert.deepEqual(trips, ["stored"]);
  assert.ok(steps.isEmpty && !steps.isDelayed);
});

test("a double tap takes one step", async () => {
  const { steps, requests } = stepping([]);
  steps.take(7, "arrived_at_pickup", 0);
  steps.take(7, "arrived_at_pickup", 0);
  await settle();
  assert.equal(requests.length, 1);
});

test("steps taken without a connection are sent in order, also after a reload", async () => {
  const before = stepping([LOST]);
  before.steps.take(7, "arrived_at_pickup", 0);
  before.steps.take(7, "enroute_to_dropoff", 0);
  before.steps.take(7, "complete", 0);
  await settle();
  assert.equal(before.steps.target(7), "complete");
  const after = stepping([], before.kept);
  await settle();
  assert.deepEqual(after.requests, [
    ["/trips/7/status/", "arrived_at_pickup", "old"],
    ["/trips/7/status/", "enroute_to_dropoff", "old"],
    ["/trips/7/complete/", undefined, "old"],
  ]);
  assert.equal(after.kept, "[]");
});

test("steps that the server refuses are dropped, and the page asks how the trip stands", async () => {
  const { steps, refused, timers } = stepping([409]);
  steps.take(7, "arrived_at_pickup", 0);
  steps.take(7, "enroute_to_dropoff", 0);
  await settle();
  assert.deepEqual(refused, [409]);
  assert.ok(steps.isEmpty);
  assert.equal(timers.length, 0);
});

test("an expired token is renewed once", async () => {
  const { steps, requests, trips } = stepping([401]);
  steps.take(7, "arrived_at_pickup", 0);
  await settle();
  assert.deepEqual(requests.map(([, , token]) => token), ["old", "new"]);
  assert.deepEqual(trips, ["stored"]);
});

test("what is remembered of a trip has no route, and is dropped when it is old", () => {
  const kept = strip({ id: 7, status: "new", waypoints: [], route: "abc", eta: {} });
  assert.deepEqual(Object.keys(kept).sort(), ["driver", "id", "reference", "status", "waypoints"]);
  const state = (status) => ({ trip: { status }, at: 1000 });
  assert.ok(isFresh(state("new"), 1000 + MAX_AGE - 1));
  assert.ok(!isFresh(state("new"), 1000 + MAX_AGE));
  assert.ok(!isFresh(state("complete"), 1000 + MAX_AGE_ENDED));
  // The clock was set back: nobody knows how old it is.
  assert.ok(!isFresh(state("new"), 0));
});
