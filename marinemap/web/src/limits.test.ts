import assert from "node:assert/strict";
import test from "node:test";

import { excessInWords, excessOf, usedUp, type Limit } from "./limits.ts";

const estimate = { features: 4000, exact: true, size_bytes: 10, layers: [] };
const features: Limit = { id: "run-features", title: "One extract", most: 1000, unit: "features" };

test("the limit that is passed most says by how much", () => {
  const bytes: Limit = { id: "run-bytes", title: "Files", most: 5, unit: "bytes" };
  assert.equal(excessOf(estimate, [features, bytes]), 4);
  assert.equal(excessOf(estimate, [bytes]), 2);
  assert.equal(excessOf(estimate, [{ ...features, id: "body" }]), 0);
  assert.equal(excessInWords(4), "That is 4 times too much.");
  assert.equal(excessInWords(1.234), "That is 24 % too much.");
  assert.equal(excessInWords(1), "");
});

test("what is used up is told with the way out", () => {
  const waiting: Limit = { id: "waiting-person", title: "Waiting, of you", most: 5, used: 5, unit: "jobs" };
  assert.deepEqual(usedUp([waiting, features, { ...waiting, used: 4 }]), [
    "Waiting, of you: 5 of 5 jobs. Wait until one has ended, or cancel one.",
  ]);
});
