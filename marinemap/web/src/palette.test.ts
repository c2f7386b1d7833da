import assert from "node:assert/strict";
import { test } from "node:test";

import { COLOURS, freeLook, isSame, MARKS, type Look } from "./palette.ts";

type Triple = [number, number, number];

// Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
const SIGHTS: Record<string, Triple[]> = {
  usual: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

test("no two of as many layers as there are looks are alike", () => {
  const looks: Look[] = [];
  for (let n = 0; n < COLOURS.length * MARKS.length; n++) looks.push(freeLook(looks));
  looks.forEach((look, n) => assert.ok(!looks.slice(0, n).some((earlier) => isSame(earlier, look))));
  // One more is like another, rather than like two.
  assert.deepEqual(freeLook(looks), looks[0]);
});

test("a look that was given back is given again first", () => {
  const looks = [0, 1, 2].reduce<Look[]>((used) => [...used, freeLook(used)], []);
  assert.deepEqual(freeLook([looks[0]!, looks[2]!]), looks[1]);
});

test("colours are told apart by everybody", () => {
  for (const [sight, matrix] of Object.entries(SIGHTS)) {
    const seen = COLOURS.map((colour) => oklab(times(matrix, linear(colour)).map((part) => Math.max(0, part)) as Triple));
    seen.forEach((one, n) =>
      // 0.02 is just noticed side by side; across a map it takes several times that.
      seen.slice(0, n).forEach((other) => assert.ok(Math.hypot(...minus(one, other)) > 0.08, `${sight}: ${COLOURS[n]}`)),
    );
  }
});

function linear(colour: string): Triple {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  return parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)) as Triple;
}

// Ottosson 2020.
function oklab(rgb: Triple): Triple {
  const cones = times(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]],
    rgb,
  );
  return times(
    [[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099], [0.0259040371, 0.7827717662, -0.808675766]],
    cones.map(Math.cbrt) as Triple,
  );
}

function times(matrix: Triple[], [x, y, z]: Triple): Triple {
  return matrix.map(([a, b, c]) => a * x + b * y + c * z) as Triple;
}

function minus(one: Triple, other: Triple): Triple {
  return one.map((part, n) => part - other[n]!) as Triple;
}
