import assert from "node:assert/strict";
import test from "node:test";

import type { Ring } from "./antimeridian.ts";
import { areaKm2, crossesItself, densified, ringOfBounds, sizeInWords } from "./area.ts";

test("edges along meridians and parallels get no extra points", () => {
  const ring = ringOfBounds({ west: -20, south: 30, east: 40, north: 75 });
  assert.deepEqual(densified(ring), ring);
});

test("a slanting edge follows the straight line of the map to within ten metres", () => {
  const ring: Ring = [[0, 40], [40, 70], [0, 70]];
  const points = densified(ring).filter(([longitude, latitude]) => longitude > 0 && latitude < 70);
  const y = (latitude: number): number => Math.asinh(Math.tan((latitude * Math.PI) / 180));
  const slope = (y(70) - y(40)) / 40;
  assert.ok(points.length > 100);
  points.forEach(([longitude, latitude], index) => {
    assert.ok(Math.abs(y(latitude) - (y(40) + slope * longitude)) < 1e-9);
    const next = points[index + 1];
    if (!next) return;
    const middle = (Math.atan(Math.sinh((y(latitude) + y(next[1])) / 2)) * 180) / Math.PI;
    assert.ok(Math.abs(middle - (latitude + next[1]) / 2) * 111_000 < 10);
  });
});

test("area of a rectangle is that of the zone of the ellipsoid", () => {
  // By PROJ: one degree by one, in the equal-area EPSG:6933.
  assert.ok(Math.abs(areaKm2(ringOfBounds({ west: 0, south: 40, east: 1, north: 41 })) - 9412.851604) < 1e-5);
  const overTheLine = areaKm2(ringOfBounds({ west: 179, south: -41, east: 181, north: -40 }));
  assert.ok(Math.abs(overTheLine - 2 * 9412.851604) < 1e-5);
});

test("sizes are written with the digits that matter", () => {
  assert.equal(sizeInWords(0.1234), "0.12 km²");
  assert.equal(sizeInWords(12.345), "12.3 km²");
  assert.equal(sizeInWords(1234567.8), "1,234,568 km²");
  // A degree of latitude is 60 nautical miles, about.
  assert.equal(sizeInWords(3.429904 * 3600, true), "3,600 nmi²");
  assert.equal(sizeInWords(1, true), "0.29 nmi²");
  // None is nothing, however small.
  assert.equal(sizeInWords(0.00876), "8,800 m²");
  assert.equal(sizeInWords(8.7654e-9, true), "0.0088 m²");
  assert.match(sizeInWords(NaN), /crosses itself/);
});

test("an outline that crosses itself is told from one that touches itself", () => {
  assert.ok(crossesItself([[1, 41], [3, 43], [3, 41], [1, 43]]));
  assert.ok(crossesItself([[0, 0], [4, 0], [4, 4], [2, -1], [0, 4]]));
  assert.ok(!crossesItself([[0, 0], [4, 0], [4, 4], [0, 4]]));
  assert.ok(!crossesItself([[0, 0], [4, 0], [4, 4], [2, 0], [0, 4]]));
  assert.ok(!crossesItself([[0, 0], [4, 0], [2, 0]]));
});
