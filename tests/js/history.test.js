import assert from "node:assert/strict";
import { test } from "node:test";

import { Clock, Day, wrapped } from "../../tracking/static/tracking/history-day.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** A day in Helsinki: without a change of the clocks, and with one in each direction. */
const plain = new Clock(Date.parse("2026-11-26T22:00:00Z"), 24 * HOUR, [[0, 2 * HOUR]]);
const spring = new Clock(Date.parse("2026-03-28T22:00:00Z"), 23 * HOUR, [
  [0, 2 * HOUR],
  [3 * HOUR, 3 * HOUR],
]);
const autumn = new Clock(Date.parse("2026-10-24T21:00:00Z"), 25 * HOUR, [
  [0, 3 * HOUR],
  [4 * HOUR, 2 * HOUR],
]);
/** West of Greenwich, and half an hour off. */
const newfoundland = new Clock(Date.parse("2026-11-27T03:30:00Z"), 24 * HOUR, [[0, -3.5 * HOUR]]);

const TIMES = [
  ["midnight", plain, "00:00", 0],
  ["a minute", plain, "18:42", 18 * HOUR + 42 * MINUTE],
  ["a second", plain, "18:42:10", 18 * HOUR + 42 * MINUTE + 10 * SECOND],
  ["one digit", plain, "8:05", 8 * HOUR + 5 * MINUTE],
  ["no colon", plain, "1842", 18 * HOUR + 42 * MINUTE],
  ["no colons", plain, "184210", 18 * HOUR + 42 * MINUTE + 10 * SECOND],
  ["dots", plain, " 18.42 ", 18 * HOUR + 42 * MINUTE],
  ["half an hour off", newfoundland, "18:42", 18 * HOUR + 42 * MINUTE],
  ["before the clocks are set forward", spring, "02:59:59", 3 * HOUR - SECOND],
  ["after the clocks are set forward", spring, "04:00", 3 * HOUR],
  ["a skipped time", spring, "03:30", 3 * HOUR],
  ["the last minute of 23 hours", spring, "23:59", 23 * HOUR - MINUTE],
  ["the first of two", autumn, "03:30", 3.5 * HOUR],
  ["the second of two", autumn, "03:30+02:00", 4.5 * HOUR],
  ["an offset that is not the day's", autumn, "03:30+05:00", 3.5 * HOUR],
  ["the last minute of 25 hours", autumn, "23:59", 25 * HOUR - MINUTE],
];
for (const [name, clock, text, at] of TIMES) {
  test(`${name} is found on the clock`, () => assert.equal(clock.at(text), at));
}

for (const text of ["", "noon", "24:00", "18:60", "18:42:60", "18:4", "-1:00", "18:42+02:0", "1", "99999999"]) {
  test(`"${text}" is no time`, () => assert.equal(plain.at(text), null));
}

for (const clock of [plain, spring, autumn, newfoundland]) {
  test(`every minute of ${clock.length / HOUR} hours leads back to itself`, () => {
    for (let at = 0; at < clock.length; at += MINUTE) {
      assert.equal(clock.at(clock.moment(at)), at);
    }
  });
}

test("only the second of two equal times has its offset in the URL", () => {
  assert.equal(plain.moment(18.7 * HOUR), "18:42:00");
  assert.equal(autumn.moment(3.5 * HOUR), "03:30:00");
  assert.equal(autumn.moment(4.5 * HOUR), "03:30:00+02:00");
  assert.equal(autumn.isAmbiguous(4.5 * HOUR), true);
  assert.equal(autumn.isAmbiguous(5.5 * HOUR), false);
});

test("an offset west of Greenwich has a minus sign", () => {
  assert.equal(newfoundland.offsetText(0), "-03:30");
});

test("the hours of the timeline are where the clock shows them", () => {
  assert.deepEqual(plain.hours(6), [
    [0, "00:00"],
    [6 * HOUR, "06:00"],
    [12 * HOUR, "12:00"],
    [18 * HOUR, "18:00"],
  ]);
  assert.deepEqual(autumn.hours(6)[1], [7 * HOUR, "06:00"]);
  // 03:00 was skipped.
  assert.deepEqual(spring.hours(3)[1], [5 * HOUR, "06:00"]);
});

const EMPTY = { time: [], latitude: [], longitude: [] };
const COLUMNS = ["accuracy", "heading", "speed", "battery", "charging"];
const columns = (fixes) => ({ ...Object.fromEntries(COLUMNS.map((name) => [name, []])), ...fixes });

/** A day with fixes at 10, 20, 30, 400, 410 s, and a gap after the third. */
function day(more = {}) {
  return new Day({
    ...{ start: plain.start, length: plain.length, offsets: plain.offsets },
    fixes: columns({
      time: [10_000, 10_000, 10_000, 370_000, 10_000],
      latitude: [-1_435_400, 1, 1, 1, 1],
      longitude: [987_100, -1, -1, -1, -1],
      speed: [36, null, 0, 50, 50],
    }),
    flagged: { ...columns(EMPTY), flags: [] },
    stops: [[15_000, 30_000, -1.4354, 0.9871]],
    gaps: [[30_000, 400_000]],
    ...more,
  });
}

test("fixes are the sums of the differences, unknown values null", () => {
  const [first, second] = day().fixes;
  const unknown = { accuracy: null, heading: null, battery: null, charging: null };
  assert.deepEqual(first, { at: 10_000, latitude: -1.4354, longitude: 0.9871, speed: 36, ...unknown });
  assert.deepEqual(second, { at: 20_000, latitude: -1.435399, longitude: 0.987099, speed: null, ...unknown });
});

test("the nearest fix is found before, between and after the fixes", () => {
  const found = [0, 10_000, 14_000, 16_000, 200_000, 399_000, 9_999_999];
  assert.deepEqual(found.map((at) => day().nearest(at)), [0, 0, 0, 1, 2, 3, 4]);
  assert.equal(day({ fixes: columns(EMPTY) }).nearest(0), -1);
});

test("a time is in a stop up to its ends, and in a gap between its fixes", () => {
  assert.equal(day().stopAt(15_000), 0);
  assert.equal(day().stopAt(31_000), -1);
  assert.equal(day().gapAt(30_000), undefined);
  assert.deepEqual(day().gapAt(30_001), { since: 30_000, until: 400_000 });
  assert.equal(day().gapAt(400_000), undefined);
});

test("a link leads to the fix or the stop that is in its second", () => {
  const time = [10_250, 5_500, 14_250, 370_250, 10_000];
  const columnsOf = columns({ ...{ time, latitude: time, longitude: time } });
  const real = day({ fixes: columnsOf, stops: [[15_750, 30_000, 0, 0]], gaps: [[30_000, 400_250]] });
  const leadsTo = (at) => real.at(real.clock.moment(at));
  for (const { at } of real.fixes.slice(2)) assert.equal(leadsTo(at), at);
  assert.equal(leadsTo(10_250), 10_250);
  assert.equal(real.stopAt(leadsTo(15_750)), 0);
  assert.equal(real.gapAt(leadsTo(400_250)), undefined);
  assert.equal(real.at("00:00:20"), 20_000);
  assert.equal(real.at("noon"), null);
});

test("the line ends at a gap and begins after it", () => {
  const lengths = day().parts().map((part) => part.length);
  assert.deepEqual(lengths, [3, 2]);
});

test("a track across the antimeridian is one line", () => {
  const fixes = columns({
    time: [0, 1000, 1000],
    latitude: [0, 0, 0],
    longitude: [179_999_500, -359_999_000, 359_999_000],
  });
  const longitudes = day({ fixes }).fixes.map(({ longitude }) => longitude);
  assert.deepEqual(longitudes, [179.9995, 180.0005, 179.9995]);
});

test("a longitude is written between -180 and 180", () => {
  assert.deepEqual([0, 179, 181, 540, -181].map(wrapped), [0, 179, -179, -180, 179]);
});

test("flagged fixes have their reasons", () => {
  const flagged = { ...columns({ time: [5], latitude: [1], longitude: [1] }), flags: [1] };
  assert.equal(day({ flagged }).flagged[0].flags, 1);
});
