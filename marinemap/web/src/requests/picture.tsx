/** A small picture of an area: its shape, and in the corner where in the world it lies. */

import type { JSX } from "preact";

import type { Ring } from "../antimeridian.ts";
import type { AskedArea } from "../api/requests.ts";
import { boundsOf } from "../area.ts";
import { wrapped } from "../crs.ts";
import { placeInWords as degreesInWords } from "../degrees.ts";
import { outlineOf, type Outline } from "./outline.ts";

const WIDTH = 96;
const HEIGHT = 72;
const MARGIN = 8;
/** The world in the corner. */
const WORLD = { width: 36, height: 18 };

export function AreaPicture({ area }: { area: AskedArea }): JSX.Element {
  const outline = outlineOf(area);
  if (outline.length === 0) return <span class="area-picture" />;
  return (
    <svg class="area-picture" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} role="img" aria-label={placeInWords(outline)}>
      <path class="shape" d={shapePath(outline)} fill-rule="evenodd" />
      <g transform={`translate(${WIDTH - WORLD.width - 1} ${HEIGHT - WORLD.height - 1})`}>
        <path class="world" d={`M0 0h${WORLD.width}v${WORLD.height}h${-WORLD.width}zM0 ${WORLD.height / 2}h${WORLD.width}M${WORLD.width / 2} 0v${WORLD.height}`} />
        <circle class="spot" {...spotOf(outline)} r="2" />
      </g>
    </svg>
  );
}

/** "38.5° N, 24.1° E": the middle of an area. */
export function placeInWords(outline: Outline): string {
  const [longitude, latitude] = middleOf(outline);
  return degreesInWords(wrapped(longitude), latitude, 1);
}

/** The area as large as it fits, as wide as it is on the ground in its middle. */
function shapePath(outline: Outline): string {
  const { west, south, east, north } = boundsOf(outline.flatMap(([outer]) => outer!));
  const narrowing = Math.max(0.1, Math.cos(((south + north) * Math.PI) / 360));
  const scale = Math.min((WIDTH - 2 * MARGIN) / ((east - west) * narrowing || 1), (HEIGHT - 2 * MARGIN) / (north - south || 1));
  const left = (WIDTH - (east - west) * narrowing * scale) / 2;
  const top = (HEIGHT - (north - south) * scale) / 2;
  const place = (longitude: number, latitude: number): string =>
    `${(left + (longitude - west) * narrowing * scale).toFixed(1)} ${(top + (north - latitude) * scale).toFixed(1)}`;
  return outline.flat().map((ring) => ringPath(ring, place)).join("");
}

// Corners that fall on one point of the picture are one: an area may have a hundred thousand.
function ringPath(ring: Ring, place: (longitude: number, latitude: number) => string): string {
  const points = ring.map(([longitude, latitude]) => place(longitude, latitude));
  return `M${points.filter((point, index) => point !== points[index - 1]).join("L")}Z`;
}

function spotOf(outline: Outline): { cx: number; cy: number } {
  const [longitude, latitude] = middleOf(outline);
  return { cx: ((wrapped(longitude) + 180) / 360) * WORLD.width, cy: ((90 - latitude) / 180) * WORLD.height };
}

function middleOf(outline: Outline): [longitude: number, latitude: number] {
  const { west, south, east, north } = boundsOf(outline.flatMap(([outer]) => outer!));
  return [(west + east) / 2, (south + north) / 2];
}
