import assert from "node:assert/strict";
import { test } from "node:test";

import { Fleet, isInside } from "../../tracking/static/tracking/fleet.js";
import { stateText } from "../../tracking/static/tracking/fleet-details.js";
import { mercator } from "../../tracking/static/tracking/mercator.js";

const METRE = 1 / 111_195; // degrees

function at(userId, longitude, receivedAt = 1, more = {}) {
  return { userId, latitude: 0, longitude, receivedAt, heading: null, status: "live", ...more };
}

/** A fleet with a snapshot of drivers 1, 2, 3 at 1, 2, 3 degrees east. */
function three() {
  const fleet = new Fleet({ mercator, smooth: true });
  fleet.replace([at(1, 1), at(2, 2), at(3, 3)], 0, () => true);
  return fleet;
}

const ids = (fleet) => fleet.locations.map(({ userId }) => userId).sort();
const east = ({ longitude }) => longitude >= 2;

test("drivers in the new view stay until the snapshot is complete", () => {
  const fleet = three();
  fleet.replace([at(4, 4)], 100, east);
  assert.deepEqual(ids(fleet), [2, 3, 4]);
  fleet.update([at(3, 3)], 200);
  assert.deepEqual(ids(fleet), [2, 3, 4]);
  fleet.settle();
  assert.deepEqual(ids(fleet), [3, 4]);
});

test("a second settle removes nothing", () => {
  const fleet = three();
  fleet.settle();
  fleet.settle();
  assert.deepEqual(ids(fleet), [1, 2, 3]);
});

test("a driver who was removed and came again since the snapshot is there", () => {
  const fleet = three();
  fleet.replace([at(1, 1)], 100, () => true);
  fleet.remove([2]);
  fleet.update([at(2, 2)], 200);
  fleet.settle();
  assert.deepEqual(ids(fleet), [1, 2]);
});

test("a known fix in a new snapshot disturbs neither glide nor heading", () => {
  const fleet = three();
  fleet.update([at(1, 1 + 20 * METRE, 2)], 1000);
  const row = fleet.row(1);
  assert.equal(fleet.progress(row, 1500), 0.5);
  fleet.replace([at(1, 1 + 20 * METRE, 2, { status: "stale" })], 1500, () => true);
  assert.equal(fleet.progress(fleet.row(1), 1750), 0.75);
  assert.equal(fleet.heading[fleet.row(1)], 90);
  assert.equal(fleet.status[fleet.row(1)], 1);
});

test("a driver crosses the antimeridian by the short way, and is found on it", () => {
  const fleet = new Fleet({ mercator, smooth: true });
  fleet.update([at(1, 180 - 10 * METRE)], 0);
  fleet.update([at(1, -180 + 10 * METRE, 2)], 1000);
  const wrapped = (now) => Math.abs(fleet.at(0, now)[0] - Math.round(fleet.at(0, now)[0]));
  assert.ok([1000, 1250, 1500, 1750, 2000].every((now) => wrapped(now) < 11 * METRE / 360));
  assert.ok(wrapped(1500) < METRE / 360);
  assert.equal(fleet.heading[0], 90);
  for (const x of [0.000_000_01, 0.999_999_99]) {
    assert.equal(fleet.nearest(x, 0.5, 1e-7, 1500)?.userId, 1);
  }
});

test("a bbox has its edges, and may cross the antimeridian", () => {
  const place = (longitude, latitude = 0) => ({ longitude, latitude });
  assert.ok(isInside(null, place(5)));
  assert.ok(isInside([1, -1, 2, 1], place(2, 1)));
  assert.ok(!isInside([1, -1, 2, 1], place(2.1)));
  assert.ok(!isInside([1, -1, 2, 1], place(2, -1.1)));
  assert.ok(isInside([179, -1, -179, 1], place(-179.5)));
  assert.ok(isInside([179, -1, -179, 1], place(179.5)));
  assert.ok(!isInside([179, -1, -179, 1], place(0)));
});

test("drivers are busy while they are reserved or on a trip, wherever their row moves", () => {
  const fleet = new Fleet({ mercator, smooth: true });
  fleet.replace([at(1, 1, 1, { state: "available" }), at(2, 2), at(3, 3)], 0, () => true);
  assert.ok(!fleet.hasBusy());
  fleet.update([at(3, 3, 1, { state: "reserved", trip: 7 })], 100); // the same fix
  assert.ok(fleet.hasBusy());
  fleet.remove([1]);
  assert.deepEqual([fleet.busy[fleet.row(2)], fleet.busy[fleet.row(3)]], [0, 1]);
  fleet.update([at(3, 3.1, 2, { state: "on_trip", trip: 7 })], 200);
  assert.equal(fleet.busy[fleet.row(3)], 1);
  fleet.update([at(3, 3.2, 3, { state: "available", trip: null })], 300);
  assert.ok(!fleet.hasBusy());
});

test("drivers that a filter does not want are faint, also after they change", () => {
  const fleet = new Fleet({ mercator, smooth: false });
  const at = (userId, state) => ({ userId, latitude: 0, longitude: 0, state, receivedAt: null, heading: null });
  fleet.replace([at(1, "available"), at(2, "on_trip")], 0, () => true);
  fleet.filter(({ state }) => state === "available");
  const faint = (id) => fleet.faint[fleet.row(id)];
  assert.deepEqual([faint(1), faint(2)], [0, 1]);
  // A click is for the one that is looked for.
  assert.equal(fleet.nearest(0.5, 0.5, 1, 0).userId, 1);
  fleet.update([at(1, "reserved"), at(2, "available")], 0);
  assert.deepEqual([faint(1), faint(2)], [1, 0]);
  fleet.remove([1]);
  assert.equal(faint(2), 0);
  fleet.filter(null);
  assert.equal(faint(2), 0);
});

test("a removed busy driver leaves none behind", () => {
  const fleet = three();
  fleet.update([at(3, 3, 1, { state: "on_trip" })], 100);
  fleet.remove([3]);
  assert.ok(!fleet.hasBusy());
});

test("the details have a driver's state, and the trip that it is reserved for", () => {
  const words = { say: (name, values) => [name, ...Object.values(values ?? {})].join(" ") };
  assert.equal(stateText(words, { state: "available", trip: null }), "state_available");
  assert.equal(stateText(words, { state: "reserved", trip: 7 }), "state_reserved_for 7");
  assert.equal(stateText(words, { state: "reserved", trip: null }), "state_reserved");
  assert.equal(stateText(words, { state: "on_trip", trip: 7 }), "state_on_trip");
  assert.equal(stateText(words, { state: null, trip: null }), "");
  assert.equal(stateText(words, {}), ""); // a result of the search
});
