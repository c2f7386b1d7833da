import assert from "node:assert/strict";
import { test } from "node:test";

import { fieldsInWords } from "./fields.ts";

test("each kind of value has words", () => {
  const properties = { year: 2024, depth: -1.5, none: null, empty: "", open: false, zero: 0, list: [1, "a"], name: "<b>Récif</b>" };
  assert.deepEqual(fieldsInWords(properties), [
    ["year", "2024"], ["depth", "-1.5"], ["none", "–"], ["empty", "–"], ["open", "no"], ["zero", "0"],
    ["list", '[1,"a"]'], ["name", "<b>Récif</b>"],
  ]);
});

test("a feature without fields has none", () => {
  assert.deepEqual(fieldsInWords(null), []);
});
