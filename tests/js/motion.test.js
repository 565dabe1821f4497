import assert from "node:assert/strict";
import { test } from "node:test";

import { Motion, bearing, distance, turn } from "../../tracking/static/tracking/motion.js";

const START = { latitude: 0, longitude: 10 };
const METRE = 1 / 111_195; // degrees

/** A car that was at START at 0 ms, and 10 m further north at 1000 ms. */
function drivingNorth(options) {
  const motion = new Motion(options);
  motion.push(START, 0);
  motion.push({ latitude: 10 * METRE, longitude: 10 }, 1000);
  return motion;
}

const metresNorth = (motion, now) => Math.round(motion.at(now).latitude / METRE);

test("there is nothing to draw before the first fix", () => {
  assert.equal(new Motion().at(0), null);
});

test("the first fix is drawn where it is, at rest", () => {
  const motion = new Motion();
  assert.equal(motion.push(START, 0), true);
  assert.deepEqual(motion.at(0), { ...START, heading: null, moving: false });
});

test("the car glides to a fix for as long as that fix took to come", () => {
  const motion = drivingNorth();
  assert.deepEqual([1000, 1500, 2000, 9000].map((now) => metresNorth(motion, now)), [0, 5, 10, 10]);
  assert.equal(motion.at(1500).moving, true);
  assert.equal(motion.at(2000).moving, false);
});

test("a fix that comes early takes the car on from where it is drawn", () => {
  const motion = drivingNorth();
  motion.push({ latitude: 20 * METRE, longitude: 10 }, 1500);
  assert.equal(metresNorth(motion, 1500), 5);
  assert.equal(metresNorth(motion, 2000), 20);
});

test("the car jumps for people who prefer reduced motion", () => {
  assert.equal(metresNorth(drivingNorth({ smooth: false }), 1000), 10);
});

test("the car stops gliding at once when reduced motion becomes preferred", () => {
  const motion = drivingNorth();
  assert.equal(metresNorth(motion, 1500), 5);
  motion.smooth = false;
  assert.equal(metresNorth(motion, 1500), 10);
  assert.equal(motion.at(1500).moving, false);
});

test("the car jumps over more than 500 m", () => {
  const motion = new Motion();
  motion.push(START, 0);
  assert.equal(motion.push({ latitude: 499 * METRE, longitude: 10 }, 1000), false);
  assert.equal(motion.push({ latitude: 1000 * METRE, longitude: 10 }, 2000), true);
  assert.equal(metresNorth(motion, 2000), 1000);
});

test("the car jumps after more than 30 s", () => {
  const motion = drivingNorth();
  assert.equal(motion.push({ latitude: 20 * METRE, longitude: 10 }, 31_001), true);
  assert.equal(metresNorth(motion, 31_001), 20);
});

test("without a heading the car looks where it went", () => {
  assert.equal(Math.round(drivingNorth().at(2000).heading), 0);
});

test("a car that stands keeps its heading, however its position wanders", () => {
  const motion = drivingNorth();
  motion.push({ latitude: 10 * METRE, longitude: 10 + 2 * METRE }, 2000);
  assert.equal(Math.round(motion.at(3000).heading), 0);
});

test("a measured heading counts more than the movement", () => {
  const motion = drivingNorth();
  motion.push({ latitude: 20 * METRE, longitude: 10, heading: 90 }, 2000);
  assert.equal(motion.at(3000).heading, 90);
});

test("the car turns by the shorter way round", () => {
  assert.equal(turn(350, 10, 0.5), 0);
  assert.equal(turn(10, 350, 0.5), 0);
  assert.equal(turn(90, 180, 0.5), 135);
});

test("the car crosses the antimeridian by the short way, there and back", () => {
  const motion = new Motion();
  const rounded = (now) => Math.round(motion.at(now).longitude * 1e4) / 1e4;
  motion.push({ latitude: 0, longitude: 179.999 }, 0);
  assert.equal(motion.push({ latitude: 0, longitude: -179.999 }, 1000), false);
  assert.deepEqual([1000, 1500, 2000].map(rounded), [179.999, 180, 180.001]);
  motion.push({ latitude: 0, longitude: 179.999 }, 2000);
  assert.deepEqual([2500, 3000].map(rounded), [180, 179.999]);
  assert.equal(Math.round(motion.at(3000).heading), 270);
});

test("bearings are degrees clockwise from north, across the date line too", () => {
  const east = { latitude: 0, longitude: -179.999 };
  const west = { latitude: 0, longitude: 179.999 };
  assert.equal(bearing(west, east), 90);
  assert.equal(bearing(east, west), 270);
  assert.equal(Math.round(distance(west, east)), 222);
});
