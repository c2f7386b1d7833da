import assert from "node:assert/strict";
import test from "node:test";

import { Turns } from "./turns.ts";

test("no more than so many are at work, and what was given up is not begun", async () => {
  const turns = new Turns(2);
  const ends: (() => void)[] = [];
  const begun: number[] = [];
  const work = (number: number) => (): Promise<void> => (begun.push(number), new Promise((end) => ends.push(end)));
  const givenUp = AbortSignal.abort(new Error("moved on"));
  const all = [turns.take(work(1)), turns.take(work(2)), turns.take(work(3), givenUp), turns.take(work(4))];
  const refused = assert.rejects(all[2]!, /moved on/);
  assert.deepEqual(begun, [1, 2]);
  ends[0]!();
  await refused;
  await all[0];
  assert.deepEqual(begun, [1, 2, 4]);
  for (const end of ends) end();
  await Promise.all([all[1], all[3]]);
  await turns.take(() => Promise.reject(new Error("broken"))).catch(() => {});
  // A failure gives its turn back.
  await Promise.all([turns.take(async () => {}), turns.take(async () => {})]);
});
