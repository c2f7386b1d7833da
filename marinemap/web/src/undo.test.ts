import assert from "node:assert/strict";
import test from "node:test";

import { Undo } from "./undo.ts";

test("steps go back and forth, and a new state forgets what was undone", () => {
  const undo = new Undo("none");
  assert.ok(!undo.canUndo && !undo.canRedo);
  undo.push("one");
  undo.push("two");
  assert.equal(undo.step(-1), "one");
  assert.equal(undo.step(-1), "none");
  assert.equal(undo.step(-1), "none");
  assert.equal(undo.step(1), "one");
  undo.push("three");
  assert.ok(!undo.canRedo);
  assert.equal(undo.step(-1), "one");
});

test("as many states are kept as people go back", () => {
  const undo = new Undo(0);
  for (let state = 1; state <= 250; state += 1) undo.push(state);
  let last = 250;
  while (undo.canUndo) last = undo.step(-1);
  assert.equal(last, 151);
});
