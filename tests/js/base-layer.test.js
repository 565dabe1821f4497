import assert from "node:assert/strict";
import { test } from "node:test";

import { readRings } from "../../tracking/static/tracking/coastlines.js";
import { describe, linesWithin } from "../../tracking/static/tracking/graticule.js";
import { mercator } from "../../tracking/static/tracking/mercator.js";

const WORDS = {
  say: (name, { count }) => `${count} ${name}`,
  decimal: (value, decimals) => value.toFixed(decimals),
};

/** Bounds with the methods of Leaflet's that are called. */
function bounds(west, south, east, north) {
  return { getWest: () => west, getSouth: () => south, getEast: () => east, getNorth: () => north };
}

/** The degrees of the labelled lines in a view of a phone's size around a place. */
function labelled(kind, latitude, longitude, zoom) {
  const wide = (390 / (256 * 2 ** zoom)) * 180;
  const high = 2 * wide * Math.cos((latitude * Math.PI) / 180);
  const view = bounds(longitude - wide, latitude - high, longitude + wide, latitude + high);
  const lines = [...linesWithin(view, latitude, zoom)];
  return lines.filter((line) => line.kind === kind && !line.isFine).map(({ degrees }) => degrees);
}

for (const latitude of [0, 6.45, -35.5, 69.65]) {
  test(`lines are at a fitting distance at each zoom at latitude ${latitude}`, () => {
    for (let zoom = 4; zoom <= 19; zoom += 1) {
      const pixels = (256 * 2 ** zoom) / 360;
      const meridians = labelled("meridian", latitude, 18.955, zoom);
      const parallels = labelled("parallel", latitude, 18.955, zoom);
      assert.ok(meridians.length >= 1 && meridians.length <= 4, `${meridians.length} at ${zoom}`);
      assert.ok(parallels.length >= 2 && parallels.length <= 9, `${parallels.length} at ${zoom}`);
      for (const [lines, stretch] of [
        [meridians, 1],
        [parallels, 1 / Math.cos((latitude * Math.PI) / 180)],
      ]) {
        for (let i = 1; i < lines.length; i += 1) {
          const spacing = (lines[i] - lines[i - 1]) * pixels * stretch;
          assert.ok(spacing >= 109 && spacing <= 280, `${spacing} px at ${zoom}`);
        }
      }
    }
  });
}

test("fine lines are there where coastlines are not", () => {
  const view = bounds(3.39, 6.45, 3.4, 6.46);
  assert.ok([...linesWithin(view, 6.455, 16)].some(({ isFine }) => isFine));
  assert.ok(![...linesWithin(bounds(-10, 0, 10, 10), 5, 6)].some(({ isFine }) => isFine));
});

test("no parallel is beyond the edge of the map", () => {
  const all = [...linesWithin(bounds(-300, -89, 300, 89), 0, 2)];
  assert.ok(all.every(({ kind, degrees }) => kind === "meridian" || Math.abs(degrees) <= 85));
});

test("degrees are described with as many decimals as their line needs", () => {
  const said = (kind, degrees, decimals) => describe({ kind, degrees, decimals }, WORDS);
  assert.equal(said("parallel", -1.435, 3), "1.435 degrees_south");
  assert.equal(said("parallel", 6.46, 3), "6.460 degrees_north");
  assert.equal(said("meridian", 30, 0), "30 degrees_east");
  assert.equal(said("meridian", -30, 0), "30 degrees_west");
});

test("longitudes wrap around the world, and 0 and 180 degrees have no direction", () => {
  const said = (degrees, decimals = 0) => describe({ kind: "meridian", degrees, decimals }, WORDS);
  assert.equal(said(190), "170 degrees_west");
  assert.equal(said(-190), "170 degrees_east");
  assert.equal(said(-330), "30 degrees_east");
  for (const degrees of [0, 360]) assert.equal(said(degrees), "0 degrees");
  for (const degrees of [180, -180, 540]) assert.equal(said(degrees), "180 degrees");
  assert.equal(said(-0.00000001, 3), "0.000 degrees");
});

test("a ring that crosses the antimeridian is whole at both edges of the world", () => {
  // An island from 170° east to 170° west.
  const ring = [17000, 0, 2000 - 36000, 0, 0, 1000, 36000 - 2000, 0, 0, -1000];
  const found = [...readRings({ unit: 0.01, rings: [ring] }, mercator)];
  const east = found.map((points) => [...points].filter((_, i) => i % 2 === 0));
  const rounded = east.map((all) => all.map((x) => Math.round(x * 360 - 180)));
  assert.deepEqual(rounded, [
    [170, 190, 190, 170, 170],
    [-190, -170, -170, -190, -190],
  ]);
});

test("a ring that does not cross the antimeridian is there once", () => {
  const ring = [17000, 0, 500, 0, 0, 1000, -500, 0, 0, -1000];
  assert.equal([...readRings({ unit: 0.01, rings: [ring] }, mercator)].length, 1);
});
