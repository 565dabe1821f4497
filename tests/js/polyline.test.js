import assert from "node:assert/strict";
import { test } from "node:test";

import { decodePolyline } from "../../tracking/static/tracking/polyline.js";
import { RouteLine } from "../../tracking/static/tracking/route-line.js";

/** Encode places, as a routing engine does. */
function encode(places) {
  let before = [0, 0];
  let text = "";
  for (const place of places) {
    const now = place.map((degrees) => Math.round(degrees * 1e6));
    for (const [i, value] of now.entries()) {
      let bits = (value - before[i]) << 1;
      if (value < before[i]) bits = ~bits;
      for (; bits >= 32; bits >>= 5) text += String.fromCharCode(((bits & 31) | 32) + 63);
      text += String.fromCharCode(bits + 63);
    }
    before = now;
  }
  return text;
}

const WAY = [
  [60.1699, 24.9384],
  [60.1705, 24.94],
  [60.172, 24.941],
];

test("places are decoded with six decimals", () => {
  // The documentation's own example, whose five decimals are here six.
  assert.deepEqual(decodePolyline("_p~iF~ps|U_ulLnnqC_mqNvxq`@"), [
    [3.85, -12.02],
    [4.07, -12.095],
    [4.3252, -12.6453],
  ]);
  assert.deepEqual(decodePolyline(encode(WAY)), WAY);
  const corners = [[90, 180], [-90, -180], [90, 180], [0, 0], [-0.000001, 0.000001]];
  assert.deepEqual(decodePolyline(encode(corners)), corners);
});

test("what is no polyline has no places", () => {
  for (const text of ["", null, undefined, "_", "_p~iF", "<html>", "\n", "é", "~".repeat(40)]) {
    assert.deepEqual(decodePolyline(text), [], String(text));
  }
});

/** Return a way along the equator, with a place each `step` degrees. */
const along = (step, count) => Array.from({ length: count }, (_, i) => [0, i * step]);

test("the way behind the car is taken off", () => {
  const line = new RouteLine(along(0.001, 5));
  assert.equal(line.pass([0.0001, 0.0015]), true);
  assert.deepEqual(line.ahead, [[0, 0.0015], [0, 0.002], [0, 0.003], [0, 0.004]]);
  assert.equal(line.pass([0, 0.0039]), true);
  assert.equal(line.ahead.length, 2);
  assert.equal(line.pass([0, 0.0045]), true);
  assert.deepEqual(line.ahead, [[0, 0.004]]);
});

test("a car that stands, drives back or leaves the route changes nothing", () => {
  const line = new RouteLine(along(0.001, 5));
  line.pass([0, 0.0015]);
  const before = line.ahead;
  for (const at of [[0, 0.0015], [0, 0.0005], [0.01, 0.003], [5, 5]]) {
    assert.equal(line.pass(at), false, String(at));
    assert.deepEqual(line.ahead, before);
  }
});

test("a way that comes back along the same street is not cut short", () => {
  const there = along(0.001, 21); // 2.2 km
  const line = new RouteLine([...there, ...along(0.001, 20).reverse()]);
  line.pass([0, 0.0025]);
  assert.equal(line.ahead.length, 1 + 18 + 20);
});

test("a page that is opened late finds the car far along the line, and looks near it from then on", () => {
  const line = new RouteLine(along(0.001, 31)); // 3.3 km
  assert.equal(line.pass([0, 0.0205]), true);
  assert.equal(line.ahead.length, 1 + 10);
  const before = line.ahead;
  assert.equal(line.pass([0, 0.0295]), false);
  assert.deepEqual(line.ahead, before);
});

test("the antimeridian and another copy of the world make no difference", () => {
  const line = new RouteLine([[0, 179.999], [0, -179.999], [0, -179.998]]);
  assert.equal(line.pass([0, -180]), true);
  const degrees = line.ahead.map(([, lon]) => Number(lon.toFixed(6)));
  assert.deepEqual(degrees, [180, 180.001, 180.002]);
  assert.equal(line.pass([0, 180.0005 - 720]), true);
  assert.equal(Number(line.at[1].toFixed(6)), 180.0005);
});

test("a route without a way has nothing ahead", () => {
  const line = new RouteLine([]);
  assert.equal(line.pass([0, 0]), false);
  assert.deepEqual(line.ahead, []);
});
