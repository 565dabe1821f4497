import assert from "node:assert/strict";
import { test } from "node:test";

import { Clock, Day, wrapped } from "../../tracking/static/tracking/history-day.js";
import { LIMITS, Line, STOP } from "../../tracking/static/tracking/history-line.js";
import { Track } from "../../tracking/static/tracking/history-load.js";
import { Past, stepOf } from "../../tracking/static/tracking/history-past.js";
import { Player, SPEEDS } from "../../tracking/static/tracking/history-player.js";
import { dateAt, dayOf, knownZone, offsetsOf, ownZone } from "../../tracking/static/tracking/history-zone.js";
import { mercator } from "../../tracking/static/tracking/mercator.js";

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

// The replay.

const HELSINKI = "Europe/Helsinki";
const DAYS = [
  ["2026-11-27", HELSINKI, "2026-11-26T22:00:00Z", 24, [[0, 2]]],
  ["2026-03-29", HELSINKI, "2026-03-28T22:00:00Z", 23, [[0, 2], [3, 3]]],
  ["2026-10-25", HELSINKI, "2026-10-24T21:00:00Z", 25, [[0, 3], [4, 2]]],
  ["2026-11-27", "America/St_Johns", "2026-11-27T03:30:00Z", 24, [[0, -3.5]]],
  // There the clocks skip midnight.
  ["2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", 23, [[0, -2]]],
];
for (const [date, zone, start, hours, offsets] of DAYS) {
  test(`${date} in ${zone} has ${hours} hours`, () => {
    const [found, length] = dayOf(date, zone);
    assert.equal(found, Date.parse(start));
    assert.equal(length, hours * HOUR);
    const wanted = offsets.map(([at, offset]) => [at * HOUR, offset * HOUR]);
    assert.deepEqual(offsetsOf(found, length, zone), wanted);
    assert.equal(dateAt(found, zone), date);
    assert.equal(dateAt(found + length - 1, zone), date);
  });
}

test("a zone that the browser does not know is the viewer's own", () => {
  assert.equal(knownZone("Europe/Helsinki"), "Europe/Helsinki");
  assert.equal(knownZone("Nowhere/Town"), ownZone());
  assert.equal(knownZone(""), ownZone());
});

test("a window across midnight has times of both days", () => {
  const start = Date.parse("2026-11-26T21:50:00Z");
  const night = new Clock(start, 30 * MINUTE, offsetsOf(start, 30 * MINUTE, HELSINKI));
  assert.equal(night.crossesMidnight, true);
  assert.equal(plain.crossesMidnight, false);
  assert.equal(night.text(0), "23:50:00");
  assert.equal(night.at("00:05"), 15 * MINUTE);
  assert.deepEqual(night.ticks(3), [
    [0, "23:50"],
    [10 * MINUTE, "00:00"],
    [20 * MINUTE, "00:10"],
  ]);
});

test("labels of the timeline are round times, and a repeated hour is there once", () => {
  assert.deepEqual(plain.ticks(4).map(([, text]) => text), ["00:00", "06:00", "12:00", "18:00"]);
  assert.equal(autumn.ticks(30).filter(([, text]) => text === "03:00").length, 1);
  assert.equal(spring.ticks(30).some(([, text]) => text === "03:00"), false);
});

test("playing jumps over gaps, says so, and ends with the last fix", () => {
  const player = new Player(day());
  player.speed = 60;
  player.play();
  assert.equal(player.moment, 10_000);
  assert.deepEqual(player.advance(200), { skipped: undefined, ended: false });
  assert.equal(player.moment, 22_000);
  assert.deepEqual(player.advance(200), { skipped: { since: 30_000, until: 400_000 }, ended: false });
  assert.equal(player.moment, 404_000);
  assert.equal(player.advance(200).ended, true);
  assert.equal(player.moment, 410_000);
  assert.equal(player.isPlaying, false);
  player.play();
  assert.equal(player.moment, 10_000);
});

test("playing goes on after a pause of the browser, without a leap", () => {
  const player = new Player(day());
  player.play();
  player.speed = 1;
  player.advance(60_000);
  assert.equal(player.moment, 10_250);
});

test("speeds stay within 1 and 60 times", () => {
  const player = new Player(day());
  const up = Array.from({ length: 4 }, () => player.change(1));
  assert.deepEqual(up, [30, 60, 60, 60]);
  const down = Array.from({ length: 7 }, () => player.change(-1));
  assert.deepEqual(down, [30, 10, 5, 2, 1, 1, 1]);
});

test("the car glides between fixes, but in no gap and not with reduced motion", () => {
  assert.equal(day().placeAt(15_000, true).latitude, -1.4353995);
  assert.equal(day().placeAt(15_000, false).latitude, -1.4354);
  const inGap = day().placeAt(200_000, true);
  assert.equal(inGap.latitude, -1.435398);
  assert.equal(inGap.fix.at, 30_000);
});

const mercatorOf = { mercator };

test("the line has a piece between fixes, none in a gap, in the colour of its speed", () => {
  const line = new Line(day(), mercatorOf);
  assert.equal(line.parts, 2);
  assert.deepEqual(line.gaps, [[2, 3]]);
  // Within the stop, and after the gap at 50 km/h.
  assert.deepEqual([...line.kind].slice(1, 3), [STOP, STOP]);
  assert.equal(line.kind[4], LIMITS.findIndex((limit) => 50 < limit));
  const everywhere = { left: -1, top: -1, right: 2, bottom: 2 };
  const { from, to, count } = line.pieces(22, everywhere);
  const pieces = Array.from({ length: count }, (_, i) => [from[i], to[i]]);
  assert.ok(pieces.every(([a, b]) => !(a < 3 && b >= 3)));
});

test("a long day has few points far away, all in reach, and none outside of the view", () => {
  const count = 36_000;
  const fixes = columns({
    time: Array(count).fill(1000),
    latitude: Array(count).fill(100),
    longitude: Array(count).fill(0),
  });
  const long = new Line(day({ fixes, stops: [], gaps: [] }), mercatorOf);
  assert.ok(long.level(10).length < 3_000);
  assert.equal(long.level(19).length, count);
  const [x, y] = mercator(0, 1.8);
  const near = 1e-6;
  const view = { left: x - near, top: y - near, right: x + near, bottom: y + near };
  assert.ok(long.pieces(19, view).count < 20);
  const found = long.nearest(x, y, 1e-6);
  assert.ok(Math.abs(long.y[found] - y) < 1e-6);
  assert.equal(long.nearest(x + 0.1, y, 1e-6), -1);
});

/** A page of the track endpoint. */
function feature(fixes, more = {}) {
  const column = (name, none) => fixes.map((fix) => fix[name] ?? none);
  return {
    geometry: { coordinates: fixes.map(() => [24.94, 60.17]) },
    properties: {
      datetimes: fixes.map(({ at }) => new Date(at).toISOString()),
      ...{ speed: column("speed", null), heading: column("heading", null) },
      ...{ accuracy: column("accuracy", null), battery: column("battery", null) },
      ...{ charging: column("charging", null), flags: column("flags", []) },
      ...{ distance: 100, stops: [], gaps: [], ...more },
    },
  };
}

function trackOf(...pages) {
  const track = new Track(0);
  for (const page of pages) for (const _ of track.add(page));
  return track.finish();
}

test("pages of a track are one day: gaps and stops go over their border", () => {
  const stop = (from, to) => [{ from: new Date(from), to: new Date(to), lat: 60.17, lon: 24.94 }];
  const found = trackOf(
    feature([{ at: 0, speed: 10, battery: 80, charging: true }, { at: 50_000 }], { stops: stop(0, 50_000) }),
    feature([{ at: 90_000 }, { at: 200_000, flags: ["mock"] }, { at: 300_000 }], { stops: stop(90_000, 300_000) }),
  );
  assert.deepEqual(found.fixes.time, [0, 50_000, 40_000, 210_000]);
  assert.equal(found.fixes.speed[0], 36);
  assert.deepEqual([found.fixes.battery[0], found.fixes.charging[0]], [80, 1]);
  assert.deepEqual(found.gaps, [[90_000, 300_000]]);
  assert.deepEqual(found.stops, [[0, 300_000, 60.17, 24.94]]);
  assert.deepEqual(found.flagged.flags, [2]);
  assert.equal(found.distance, 200);
  assert.equal(found.flaggedCount, 1);
});

test("from one driver of a trip to the next the way is a gap", () => {
  const drivers = [{ from: new Date(0) }, { from: new Date(25_000) }];
  const found = trackOf(feature([{ at: 0 }, { at: 20_000 }, { at: 30_000 }], { drivers }));
  assert.deepEqual(found.gaps, [[20_000, 30_000]]);
});

test("the fleet is asked for once for each moment, and again after a failure", async () => {
  const asked = [];
  let isDown = false;
  const past = new Past("/fleet/at/", async (url) => {
    asked.push(url);
    if (isDown) return { ok: false, status: 429, headers: new Headers({ "Retry-After": "3" }) };
    const driver = { userId: 7, location_lat: "1.5", location_lon: "2.5", recorded_at: "1970-01-01T00:00:05Z" };
    return { ok: true, json: async () => ({ results: [{ ...driver, status: "live" }] }) };
  });
  const moment = Past.moment(19_999);
  assert.equal(moment, 10_000);
  const [[driver]] = await Promise.all([past.at(moment), past.at(moment)]);
  assert.deepEqual([driver.id, driver.latitude, driver.at], [7, 1.5, 5000]);
  assert.deepEqual(asked, ["/fleet/at/?time=1970-01-01T00%3A00%3A10.000Z"]);
  assert.equal(past.known(moment)[0], driver);
  isDown = true;
  await assert.rejects(past.at(20_000), ({ status, retryAfter }) => status === 429 && retryAfter === 3);
  isDown = false;
  assert.equal((await past.at(20_000)).length, 1);
});

test("playing the fleet asks for at most 30 moments a minute", () => {
  for (const speed of SPEEDS) assert.ok(60_000 / (stepOf(speed) / speed) <= 30);
});
