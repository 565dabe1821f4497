import assert from "node:assert/strict";
import { test } from "node:test";

import {
  areaOf,
  crossesItself,
  formatCorners,
  parseCorners,
  twoDigits,
  Undo,
  unwrap,
} from "../../tracking/static/tracking/zone-shape.js";

const SQUARE = [
  [60, 24.9],
  [60, 25],
  [60.1, 25],
  [60.1, 24.9],
];
const LINES = "60, 24.9\n60, 25\n60.1, 25\n60.1, 24.9";
const RING = [...SQUARE, SQUARE[0]].map(([lat, lon]) => [lon, lat]);
const GEOMETRY = { type: "Polygon", coordinates: [RING] };
const FEATURE = { type: "Feature", properties: {}, geometry: GEOMETRY };

for (const text of [
  LINES,
  `${LINES}\r\n\r\n`,
  `${LINES}\n60, 24.9`,
  JSON.stringify(SQUARE),
  JSON.stringify(GEOMETRY),
  JSON.stringify(FEATURE),
  JSON.stringify({ type: "FeatureCollection", features: [FEATURE] }),
  JSON.stringify({ type: "MultiPolygon", coordinates: [[RING]] }),
]) {
  test(`corners are read from ${text.slice(0, 30)}`, () => {
    assert.deepEqual(parseCorners(text), SQUARE);
  });
}

test("text that cannot be read is told from an empty one", () => {
  assert.deepEqual(parseCorners(" \n"), []);
  for (const text of ["here", "60; x", "91, 0\n1, 1", "{", '{"type": "Point"}', "[[1]]", "[null]"]) {
    assert.equal(parseCorners(text), null, text);
  }
});

test("corners are written with six decimals and longitudes in range", () => {
  assert.equal(formatCorners([[1.23456789, 181], [0, -180]]), "1.234568, -179\n0, -180");
});

test("corners beyond the antimeridian follow the others", () => {
  const corners = [[-16.8, 179.9], [-16.9, -179.9], [-16.8, -179.8]];
  const drawn = unwrap(corners).map(([, lon]) => Number(lon.toFixed(6)));
  assert.deepEqual(drawn, [179.9, 180.1, 180.2]);
  assert.equal(formatCorners(unwrap(corners)), formatCorners(corners));
});

test("the area is that of the square, also across the antimeridian", () => {
  for (const east of [24.9, 179.95]) {
    const corners = SQUARE.map(([lat, lon]) => [lat, lon - 24.9 + east]);
    const area = areaOf(corners.map(([lat, lon]) => [lat, lon > 180 ? lon - 360 : lon]));
    const expected = (0.1 * 111_195) ** 2 * Math.cos((60.05 * Math.PI) / 180);
    assert.ok(Math.abs(area / expected - 1) < 1e-6);
  }
});

test("a border that crosses itself is noticed", () => {
  assert.equal(crossesItself(SQUARE), false);
  assert.equal(crossesItself([SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]]), true);
  assert.equal(crossesItself(SQUARE.slice(1)), false);
});

test("lengths have two digits", () => {
  assert.deepEqual([7.3, 42.4, 128, 1540, 48_700].map(twoDigits), [7, 42, 130, 1500, 49_000]);
});

test("undo goes back in steps, and forgets the oldest when it is full", () => {
  const undo = new Undo(2);
  for (const state of [1, 2, 2, 3]) undo.push({ state });
  assert.deepEqual([undo.pop(), undo.pop(), undo.pop()], [{ state: 3 }, { state: 2 }, undefined]);
  assert.equal(undo.isEmpty, true);
});
