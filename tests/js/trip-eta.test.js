import assert from "node:assert/strict";
import { test } from "node:test";

import { Eta } from "../../tracking/static/tracking/trip-eta.js";

const words = {
  say: (name, values = {}) => [name, ...Object.values(values)].join(" "),
  number: String,
  minute: (milliseconds) => `<${milliseconds}>`,
};
const NOW = 1_000_000;

function told(eta, { after = 0, isRiding = false } = {}) {
  const arrival = new Eta();
  arrival.set(eta, NOW);
  return arrival.text(words, { isRiding, now: NOW + after * 1000 });
}

function known(seconds, confidence = "high") {
  return { seconds, confidence, arrives_at: "2001-01-01T00:00:00Z" };
}

for (const [eta, options, text] of [
  [known(240), {}, "arrives_in 4"],
  [known(240, "low"), {}, "arrives_in_about 4"],
  [known(240), { after: 100 }, "arrives_in 2"],
  [known(240), { after: 170 }, "arrives_in 1"],
  [known(240), { after: 181 }, "arriving_now"],
  [known(240), { after: 299 }, "arriving_now"],
  [known(240), { after: 301 }, ""],
  [known(0), {}, "arriving_now"],
  [known(3600), {}, `arrives_at <${NOW + 3_600_000}>`],
  [known(600), { isRiding: true }, `arrives_at <${NOW + 600_000}>`],
  // The time of arrival stays as the seconds pass.
  [known(600), { isRiding: true, after: 60 }, `arrives_at <${NOW + 600_000}>`],
  [known(600, "low"), { isRiding: true }, `arrives_at_about <${NOW + 600_000}>`],
  [known(30), { isRiding: true }, "arriving_now"],
  [null, {}, ""],
  [undefined, {}, ""],
  [{ seconds: "soon" }, {}, ""],
]) {
  test(`${JSON.stringify(eta)} ${JSON.stringify(options)} reads "${text}"`, () => {
    assert.equal(told(eta, options), text);
  });
}

test("screen readers are told of few minutes", () => {
  const eta = new Eta();
  eta.set(known(12 * 60), NOW);
  const milestones = [];
  for (let second = 0; second < 12 * 60; second += 1) {
    const milestone = eta.milestone(NOW + second * 1000);
    if (milestone !== milestones[milestones.length - 1]) milestones.push(milestone);
  }
  assert.deepEqual(milestones, [10, 5, 3, 2, 1, 0]);
  eta.set(null, NOW);
  assert.equal(eta.milestone(NOW), -1);
});
