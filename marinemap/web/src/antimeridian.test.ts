import assert from "node:assert/strict";
import test from "node:test";

import { joinedAt, normaliseArea, splitAt, withPole, type AreaGeometry, type Position, type Ring } from "./antimeridian.ts";

function rectangle(west: number, south: number, east: number, north: number): Ring {
  return [[west, south], [east, south], [east, north], [west, north]];
}

function planarArea(ring: Position[]): number {
  const doubled = ring.reduce((sum, [x, y], index) => {
    const [nextX, nextY] = ring[(index + 1) % ring.length]!;
    return sum + x * nextY - nextX * y;
  }, 0);
  return Math.abs(doubled) / 2;
}

function pieces(geometry: AreaGeometry): Position[][] {
  return geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.map(([ring]) => ring!);
}

function extentOf(ring: Position[]): number[] {
  const xs = ring.map(([x]) => x);
  const ys = ring.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** A star-shaped ring around (180, 0): concave, simple, with many crossings. */
function star(corners: number, random: () => number): Ring {
  return Array.from({ length: corners }, (_, index) => {
    const angle = (2 * Math.PI * index) / corners;
    const radius = 5 + 60 * random();
    return [180 + radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

/** Numbers that are the same in every run (a linear congruential generator). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;
}

test("an area inside the world stays as it is, closed and anticlockwise", () => {
  assert.deepEqual(normaliseArea(rectangle(10, 50, 12, 52).reverse()), {
    type: "Polygon",
    coordinates: [[[10, 50], [12, 50], [12, 52], [10, 52], [10, 50]]],
  });
});

for (const world of [-2, -1, 1, 3]) {
  test(`an area in world copy ${world} is moved back`, () => {
    const drawn = rectangle(10 + 360 * world, 50, 12 + 360 * world, 52);
    assert.deepEqual(normaliseArea(drawn), normaliseArea(rectangle(10, 50, 12, 52)));
  });
}

test("a rectangle over 180 becomes two that meet there", () => {
  for (const drawn of [rectangle(170, -20, 190, -10), rectangle(-190, -20, -170, -10)]) {
    const area = normaliseArea(drawn);
    assert.equal(area.type, "MultiPolygon");
    assert.deepEqual(pieces(area).map(extentOf), [[170, -20, 180, -10], [-180, -20, -170, -10]]);
  }
});

test("an area that ends at 180 is not cut", () => {
  assert.equal(normaliseArea(rectangle(170, 0, 180, 10)).type, "Polygon");
  assert.deepEqual(extentOf(pieces(normaliseArea(rectangle(180, 0, 190, 10)))[0]!), [-180, 0, -170, 10]);
});

test("what was cut at 180 is put together again", () => {
  const slanting: Ring = [[170, 0], [190, 3], [185.1234567, 10], [172, 12]];
  for (const ring of [rectangle(175, 40, 185, 43), rectangle(179.9999999, -0.1, 180.0000001, 0.1), slanting]) {
    const { west, east } = splitAt(ring, 180);
    assert.deepEqual(joinedAt(west[0]!, east[0]!, 180), ring);
    assert.deepEqual(joinedAt(east[0]!, west[0]!, 180), ring);
  }
});

test("what no cut made is left apart", () => {
  const [west, east] = [rectangle(170, 0, 180, 10), rectangle(180, 0, 190, 9)];
  for (const other of [east, rectangle(190, 0, 200, 10), [[180, 5], [190, 0], [190, 10]] as Ring]) assert.equal(joinedAt(west, other, 180), null);
});

test("the whole world stays whole", () => {
  assert.deepEqual(extentOf(pieces(normaliseArea(rectangle(-180, -90, 180, 90)))[0]!), [-180, -90, 180, 90]);
});

test("more than once around the world is refused", () => {
  assert.throws(() => normaliseArea(rectangle(-200, 0, 161, 10)), RangeError);
});

test("a concave area is cut into separate pieces, not joined along the line", () => {
  const comb: Ring = [[170, 0], [190, 0], [190, 10], [175, 10], [175, 20], [190, 20], [190, 30], [170, 30]];
  const { west, east } = splitAt(comb, 180);
  assert.equal(west.length, 1);
  assert.deepEqual(east.map(extentOf).sort(), [[180, 0, 190, 10], [180, 20, 190, 30]].sort());
});

test("corners and edges on the line leave no spikes", () => {
  const tipOnLine: Ring = [[170, 0], [180, 5], [170, 10]];
  assert.deepEqual(splitAt(tipOnLine, 180).east, []);
  const notchToLine: Ring = [[170, 0], [190, 0], [190, 10], [180, 5], [190, 12], [170, 12]];
  assert.equal(splitAt(notchToLine, 180).east.length, 2);
  const edgeOnLine: Ring = [[170, 0], [180, 0], [180, 5], [190, 6], [190, 8], [170, 8]];
  const { east } = splitAt(edgeOnLine, 180);
  assert.deepEqual(east.map(extentOf), [[180, 5, 190, 8]]);
});

test("cutting keeps the area and puts every piece on its side", () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const ring = star(5 + (seed % 40), seeded(seed));
    const { west, east } = splitAt(ring, 180);
    const total = [...west, ...east].reduce((sum, piece) => sum + planarArea(piece), 0);
    // Corners are rounded to 1e-7 degrees: on rings of up to 130 degrees that moves 1e-4 at most.
    assert.ok(Math.abs(total - planarArea(ring)) < 1e-4, `seed ${seed}: ${total}, ${planarArea(ring)}`);
    assert.ok(west.flat().every(([x]) => x <= 180) && east.flat().every(([x]) => x >= 180));
  }
});

test("a circle around a pole encloses it", () => {
  // Ten degrees around 85 north, 20 east, corner by corner: over the pole their longitudes jump.
  const circle = Array.from({ length: 72 }, (_, index): Position => {
    const [turn, far, from] = [(index * 5 * Math.PI) / 180, (10 * Math.PI) / 180, (85 * Math.PI) / 180];
    const sine = Math.sin(from) * Math.cos(far) + Math.cos(from) * Math.sin(far) * Math.cos(turn);
    const aside = Math.atan2(Math.sin(turn) * Math.sin(far) * Math.cos(from), Math.cos(far) - Math.sin(from) * sine);
    return [20 + (aside * 180) / Math.PI, (Math.asin(sine) * 180) / Math.PI];
  });
  for (const [ring, pole] of [[withPole(circle, [20, 85]), 90], [withPole(circle.map(([x, y]) => [x, -y]), [20, -85]), -90]] as const) {
    const places = pieces(normaliseArea(ring)).flat();
    assert.deepEqual(extentOf(places), [-180, Math.min(75, pole), 180, Math.max(-75, pole)].map((n) => Math.round(n * 1e7) / 1e7));
    const longitudes = ring.slice(0, -3).map(([longitude]) => longitude);
    assert.deepEqual(longitudes, [...longitudes].sort((one, other) => one - other));
    assert.deepEqual(ring.slice(-2), [[200, pole], [-160, pole]]);
  }
  const small = rectangle(10, 80, 20, 85);
  assert.equal(withPole(small, [15, 82]), small);
});
