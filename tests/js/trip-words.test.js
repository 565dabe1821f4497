import assert from "node:assert/strict";
import { test } from "node:test";

import { describeTrip, nextKind } from "../../tracking/static/tracking/trip-words.js";

/** Says the name of a text and its values. */
const words = {
  say: (name, values = {}) => [name, ...Object.values(values)].filter(Boolean).join(" "),
};
const MIA = { userId: 19, name: "Mia", vehicle: "white Prius" };
const stop = (name) => ({ kind: "stop", lat: 1, lon: 2, name });
const dropoff = (name) => ({ kind: "dropoff", lat: 1, lon: 2, name });

/** Return headline and car of a trip with these keys. */
function described(keys) {
  const { headline, car } = describeTrip(words, { status: "new", driver: MIA, waypoints: [], ...keys });
  return [headline, car];
}

for (const [keys, headline, car] of [
  [{ driver: null }, "looking", "looking_hint"],
  [{}, "assigned Mia", "white Prius"],
  [{ status: "enroute_to_pickup" }, "on_the_way Mia", "white Prius"],
  [{ status: "arrived_at_pickup" }, "here Mia", "white Prius"],
  [{ status: "arrived_at_pickup", driver: { ...MIA, name: null } }, "here_unnamed", "white Prius"],
  [{ status: "enroute_to_dropoff" }, "to_destination", "Mia · white Prius"],
  [
    { status: "enroute_to_dropoff", waypoints: [stop("Ana's"), dropoff("Airport")] },
    "to_place Airport",
    "Mia · white Prius",
  ],
  [
    { status: "enroute_to_dropoff", driver: { ...MIA, name: null, vehicle: "" } },
    "to_destination",
    "",
  ],
  [
    { status: "enroute_to_intermediate_destination", waypoints: [stop("Ana's")] },
    "to_place Ana's",
    "Mia · white Prius",
  ],
  [
    { status: "arrived_at_intermediate_destination", waypoints: [stop("Ana's"), stop("Ben's")] },
    "at_stop",
    "Mia · white Prius",
  ],
  [{ status: "complete" }, "complete", ""],
  [{ status: "canceled", driver: null }, "canceled", ""],
]) {
  test(`a trip with ${JSON.stringify(keys)} reads ${headline}`, () => {
    assert.deepEqual(described(keys), [headline, car]);
  });
}

test("the next place is the pickup until the ride begins, and none after it", () => {
  const kinds = ["new", "arrived_at_pickup", "enroute_to_dropoff", "complete"].map(nextKind);
  assert.deepEqual(kinds, ["pickup", "pickup", "dropoff", ""]);
});
