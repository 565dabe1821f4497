import assert from "node:assert/strict";
import { test } from "node:test";

import { initials, splitVehicle } from "../../tracking/static/tracking/trip-driver.js";
import { Lateness } from "../../tracking/static/tracking/trip-lateness.js";
import { rideOf } from "../../tracking/static/tracking/trip-summary.js";
import { todoOf } from "../../tracking/static/tracking/trip-words.js";

const MINUTE = 60_000;

for (const [text, vehicle, plate] of [
  ["white Prius, AB 123", "white Prius", "AB 123"],
  ["Toyota Prius, white, BM 1234 AB", "Toyota Prius, white", "BM 1234 AB"],
  ["تويوتا, ١٢٣ أ ب", "تويوتا", "١٢٣ أ ب"],
  ["white Prius", "white Prius", ""],
  ["Prius, white", "Prius, white", ""],
  ["Peugeot 208", "Peugeot 208", ""],
  ["van, with room for 7 people and bags", "van, with room for 7 people and bags", ""],
  [", AB 123", ", AB 123", ""],
  ["white Prius,", "white Prius,", ""],
  ["", "", ""],
  [null, "", ""],
]) {
  test(`"${text}" is the vehicle "${vehicle}" with the plate "${plate}"`, () => {
    assert.deepEqual(splitVehicle(text), { vehicle, plate });
  });
}

for (const [name, letters] of [
  ["Mia", "M"],
  ["Mia Oliveira", "MO"],
  ["ana maria de souza", "AS"],
  ["𝒜lva Ek", "𝒜E"],
  ["أحمد علي", "أع"],
  ["42", ""],
  ["", ""],
  [null, ""],
]) {
  test(`the initials of ${name} are "${letters}"`, () => assert.equal(initials(name), letters));
}

/** Return whether each of these estimates, `[minute now, minute of arrival, sure]`, is late. */
function late(...estimates) {
  const lateness = new Lateness();
  return estimates.map(([now, arrival, isSure = true, leg = "19 pickup"]) => {
    const at = arrival === null ? null : arrival * MINUTE;
    lateness.push(leg, at, isSure);
    return lateness.isLate(at, now * MINUTE);
  });
}

test("a driver is late more than five minutes after the promise", () => {
  assert.deepEqual(late([0, 4], [1, 9], [1, 9.5], [2, 10]), [false, false, true, true]);
});

test("a driver is late once the promised time has passed", () => {
  assert.deepEqual(late([0, 4], [4.5, 6], [5.5, 7]), [false, false, true]);
});

test("a driver who arrives is not late", () => {
  assert.deepEqual(late([0, 4], [5.5, 6]), [false, false]);
});

test("a driver who catches up is not late any more", () => {
  assert.deepEqual(late([0, 4], [1, 10], [2, 8], [3, 5]), [false, true, true, false]);
});

test("the earliest sure estimate is the promise", () => {
  assert.deepEqual(late([0, 10], [1, 4], [2, 9.5]), [false, false, true]);
  assert.deepEqual(late([0, 2, false], [1, 8], [2, 9]), [false, false, false]);
  assert.deepEqual(late([0, 8], [1, 2, false], [2, 9]), [false, false, false]);
});

test("another driver and another leg have a promise of their own", () => {
  assert.deepEqual(late([0, 4], [1, 12, true, "20 pickup"]), [false, false]);
  assert.deepEqual(late([0, 4], [1, null], [2, 9]), [false, false, false]);
});

const words = { say: (name, values = {}) => [name, ...Object.values(values)].join(" ") };
const pickup = { kind: "pickup", lat: 0.5, lon: 101.4, name: "12 Market Street" };

for (const [trip, text] of [
  [{ status: "new", driver: null, waypoints: [pickup] }, "looking_hint"],
  [{ status: "new", driver: {}, waypoints: [pickup] }, "meet_at 12 Market Street"],
  [{ status: "arrived_at_pickup", driver: {}, waypoints: [{ ...pickup, name: null }] }, "meet"],
  [{ status: "enroute_to_pickup", driver: {}, waypoints: [] }, ""],
  [{ status: "enroute_to_dropoff", driver: {}, waypoints: [pickup] }, ""],
  [{ status: "complete", driver: null, waypoints: [pickup] }, ""],
]) {
  test(`a rider of a trip that is ${trip.status} reads "${text}"`, () => {
    assert.equal(todoOf(words, trip), text);
  });
}

function track(...points) {
  return {
    geometry: { coordinates: points.map(([, lat]) => [101.4, lat]) },
    properties: { datetimes: points.map(([minute]) => `2026-11-28T12:${minute}:00.000Z`) },
  };
}

test("the ride begins when the car leaves the pickup", () => {
  const ride = rideOf(track(["00", 0.52], ["03", 0.5], ["05", 0.5], ["09", 0.49]), [pickup]);
  assert.deepEqual(ride.line, [
    [0.5, 101.4],
    [0.49, 101.4],
  ]);
  assert.ok(Math.abs(ride.metres - 1112) < 1);
  assert.equal(ride.until - ride.since, 4 * MINUTE);
});

test("a round trip is not empty", () => {
  const ride = rideOf(track(["00", 0.5], ["03", 0.51], ["09", 0.5]), [pickup]);
  assert.equal(ride.line.length, 3);
});

for (const none of [null, {}, { geometry: null, properties: {} }, track(["00", 0.5])]) {
  test(`there is no ride in ${JSON.stringify(none)}`, () => assert.equal(rideOf(none, []), null));
}
