import assert from "node:assert/strict";
import test from "node:test";

import { bytesInWords, countInWords, estimateInWords, type Estimate } from "./estimate.ts";

const layer = { name: "reefs", features: 25, exact: true, size_bytes: 10_125, warnings: ["'a' would be named 'b'."] };
const estimate: Estimate = { features: 25, exact: true, size_bytes: 10_125, layers: [layer] };

test("an exact count is told as it is, a likely one in two digits", () => {
  assert.equal(estimateInWords(estimate), "25 features, about 10 kB before zipping.");
  const likely = { ...estimate, features: 76_978, exact: false, size_bytes: 34_875_383 };
  assert.equal(estimateInWords(likely), "About 77,000 features, 35 MB before zipping.");
  const one = { ...estimate, features: 1, size_bytes: 99 };
  assert.equal(estimateInWords(one), "1 feature, about 99 bytes before zipping.");
});

test("nothing is told as nothing, and only surely where it is sure", () => {
  assert.equal(estimateInWords({ ...estimate, features: 0 }), "There is nothing in this area.");
  const unsure = { ...estimate, features: 0, exact: false };
  assert.equal(estimateInWords(unsure), "There is probably nothing in this area.");
});

test("sizes have the unit that suits them", () => {
  assert.equal(bytesInWords(0), "0 bytes");
  assert.equal(bytesInWords(999), "1,000 bytes");
  assert.equal(bytesInWords(1_000), "1 kB");
  assert.equal(bytesInWords(1_540_000_000), "1.5 GB");
  assert.equal(bytesInWords(1e18), "1,000,000 TB");
});

test("the count of a layer is told with what is sure of it", () => {
  assert.equal(countInWords({ features: 1, exact: true }), "1 feature");
  assert.equal(countInWords({ features: 1234, exact: false }), "about 1,200 features");
  assert.equal(countInWords({ features: 0, exact: true }), "nothing in this area");
  assert.equal(countInWords({ features: 0, exact: false }), "probably nothing in this area");
});
