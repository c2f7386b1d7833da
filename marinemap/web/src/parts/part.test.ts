import assert from "node:assert/strict";
import { test } from "node:test";

import { readParts } from "./part.ts";
import { partInWords } from "./words.ts";

test("parts from anywhere: what is odd is passed over", () => {
  const filter = { op: ">", args: [{ property: "depth" }, 5] };
  const sound = [{ name: "reefs", fields: ["name"], filter }, { name: "ports", fields: [] }, { name: "wrecks", filter: "depth > 5" }];
  const odd = [null, 5, "reefs", [], { fields: ["a"] }, { name: "UPPER", fields: [] }, { name: "x" }, { name: "y", fields: "name", filter: 7 }, { name: "z", fields: [5] }, { name: "q", filter: "x".repeat(10_001) }];
  assert.deepEqual(readParts(JSON.stringify([...odd, ...sound])), sound);
  for (const text of ["", "{", "null", "{}", '"x"']) assert.deepEqual(readParts(text), []);
});

test("a part in words", () => {
  assert.equal(partInWords({}), "");
  assert.equal(partInWords({ fields: [] }, 5), "no fields");
  const between = { op: "between", args: [{ property: "depth" }, 1, 5] };
  const countries = { op: "in", args: [{ property: "country" }, ["a", "b", "c", "d", "e"]] };
  assert.equal(partInWords({ fields: ["name"], filter: { op: "and", args: [between, countries] } }, 5), "1 of 5 fields, where depth is between 1 and 5 and country is one of a, b, c and 2 more");
  assert.equal(partInWords({ filter: "depth > 5" }), "filtered");
  const long = { op: "=", args: [{ property: "name" }, "x".repeat(900)] };
  assert.equal(partInWords({ filter: long }), `where name is ${"x".repeat(39)}…`);
});
