import assert from "node:assert/strict";
import { test } from "node:test";

import { moved, stacked } from "./stack.ts";

const LAYERS = [
  { id: "ports", level: 5 },
  { id: "land", level: 2 },
  { id: "lanes", level: 4 },
  { id: "reefs", level: 2 },
];

test("areas lie below lines and points, in the order of the service", () => {
  assert.deepEqual(stacked(LAYERS), ["land", "reefs", "lanes", "ports"]);
});

test("what somebody chose stands, and what comes later finds its place", () => {
  assert.deepEqual(stacked(LAYERS, ["ports", "reefs"]), ["ports", "reefs", "land", "lanes"]);
  assert.deepEqual(stacked(LAYERS.slice(0, 3), ["ports", "land"]), ["ports", "land", "lanes"]);
});

test("strange ids and ids that come twice change nothing", () => {
  assert.deepEqual(stacked(LAYERS, ["wrecks", "land", "land"]), stacked(LAYERS, ["land"]));
});

test("a layer goes a step, and no further than the last place", () => {
  assert.deepEqual(moved(["a", "b", "c"], "b", 1), ["a", "c", "b"]);
  assert.deepEqual(moved(["a", "b", "c"], "a", -1), ["a", "b", "c"]);
  assert.deepEqual(moved(["a", "b"], "z", 1), ["a", "b"]);
});
