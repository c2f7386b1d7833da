import assert from "node:assert/strict";
import { test } from "node:test";

import Feature from "ol/Feature.js";
import Polygon, { fromExtent } from "ol/geom/Polygon.js";
import RenderFeature from "ol/render/Feature.js";
import type Style from "ol/style/Style.js";

import { isCrowd, layerStyle } from "./symbols.ts";

const SQUARE = fromExtent([0, 0, 100, 100]);
const STYLE = layerStyle({ colour: "#123456", mark: 0 });

/** As a tile has it. */
function drawn(id: number | undefined): RenderFeature {
  return new RenderFeature("Polygon", SQUARE.getFlatCoordinates(), [10], 2, {}, id);
}

function hasOutline(feature: RenderFeature | Feature<Polygon>): boolean {
  return (STYLE(feature, 1) as Style).getStroke() !== null;
}

test("a feature whose id is 0 is one, and read and outlined as others", () => {
  for (const id of [0, 1, 4_294_967_296]) {
    assert.equal(isCrowd(drawn(id)), false);
    assert.equal(hasOutline(drawn(id)), true);
  }
});

test("what bears no id in a tile is many, and filled only", () => {
  assert.equal(isCrowd(drawn(undefined)), true);
  assert.equal(hasOutline(drawn(undefined)), false);
});

test("a feature that was read is one, with an id or without", () => {
  const read = new Feature(SQUARE);
  assert.equal(isCrowd(read), false);
  assert.equal(hasOutline(read), true);
  read.setId(0);
  assert.equal(hasOutline(read), true);
});
