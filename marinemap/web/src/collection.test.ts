import assert from "node:assert/strict";
import { test } from "node:test";

import { placeOf } from "./collection.ts";

const WORLD = { west: -180, south: -80, east: 180, north: 80 };
const AEGEAN = { west: 23, south: 36, east: 27, north: 40 };
const FIJI = { west: 177, south: -20, east: 182, north: -15 };

test("a layer within the map is in view, one beside it elsewhere", () => {
  assert.equal(placeOf(AEGEAN, { west: 20, south: 30, east: 30, north: 45 }), "in view");
  assert.equal(placeOf(AEGEAN, { west: 30, south: 30, east: 40, north: 45 }), "elsewhere");
  assert.equal(placeOf(AEGEAN, { west: 20, south: 50, east: 30, north: 60 }), "elsewhere");
});

test("a speck on the world's map is tiny, what is long one way is not", () => {
  assert.equal(placeOf(AEGEAN, WORLD), "tiny");
  assert.equal(placeOf({ west: -170, south: 1, east: 170, north: 2 }, WORLD), "in view");
});

test("other copies of the world count, also across 180 degrees", () => {
  for (const turns of [-720, -360, 0, 360]) {
    const view = { west: 170 + turns, south: -30, east: 190 + turns, north: 0 };
    assert.equal(placeOf(FIJI, view), "in view");
    assert.equal(placeOf(AEGEAN, view), "elsewhere");
    assert.equal(placeOf({ west: -179, south: -20, east: -175, north: -15 }, view), "in view");
  }
});

test("a map that shows the layer twice, or lies within it, has it in view", () => {
  assert.equal(placeOf(WORLD, { west: 500, south: 1, east: 501, north: 2 }), "in view");
  assert.equal(placeOf({ west: 23, south: 0, east: 120, north: 60 }, { west: -400, south: -80, east: 400, north: 80 }), "in view");
});
