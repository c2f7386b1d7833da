/** What is asked about a drawn area: its outline on the ground, its size, its bounds. */

import type { Position, Ring } from "./antimeridian.ts";
import { number, t } from "./words.ts";

export interface Bounds {
  west: number;
  south: number;
  east: number;
  north: number;
}

/** Of WGS 84. */
const ECCENTRICITY = 0.0818191908426215;
const AUTHALIC_RADIUS_KM = 6371.0071809184747;
const KM2_OF_NMI2 = 1.852 ** 2;
/** Below this a size is told in square metres. */
const LEAST_KM2 = 0.01;

/** One millionth of a radian is about six metres on the ground. */
const TOLERANCE_RADIANS = 1e-6;
const MOST_STEPS_PER_EDGE = 500;

export function ringOfBounds({ west, south, east, north }: Bounds): Ring {
  return [[west, south], [east, south], [east, north], [west, north]];
}

/** Whether the sides of a ring of four run along meridians and parallels. */
export function isRectangle(ring: Ring): boolean {
  if (ring.length !== 4) return false;
  const [[west, south], [east], [, north]] = ring as [Position, Position, Position, Position];
  return ringOfBounds({ west, south, east, north }).every(([x, y], n) => x === ring[n]![0] && y === ring[n]![1]);
}

export function boundsOf(ring: Ring): Bounds {
  const bounds = { west: Infinity, south: Infinity, east: -Infinity, north: -Infinity };
  // One by one: as arguments, a hundred thousand corners would not fit the stack.
  for (const [longitude, latitude] of ring) {
    bounds.west = Math.min(bounds.west, longitude);
    bounds.south = Math.min(bounds.south, latitude);
    bounds.east = Math.max(bounds.east, longitude);
    bounds.north = Math.max(bounds.north, latitude);
  }
  return bounds;
}

/**
 * Add points to long slanting edges, so that the area cut is the area seen.
 *
 * An edge is straight on the Mercator map, the data are cut along lines that
 * are straight in longitude and latitude: at 60° north the two lie 100 km apart
 * in the middle of an edge of 15° each way.
 */
export function densified(ring: Ring): Ring {
  return ring.flatMap((start, index) => stepsAlong(start, ring[(index + 1) % ring.length]!));
}

/**
 * Area on the ellipsoid in square kilometres, its edges straight in an equal-area projection.
 *
 * Snyder, Map Projections (USGS Professional Paper 1395), equations 3-11 and 3-12: on a sphere of the
 * ellipsoid's surface, with authalic latitudes, areas are true.
 */
export function areaKm2(ring: Ring): number {
  const strips = ring.map(([longitude, latitude], index) => {
    const [nextLongitude, nextLatitude] = ring[(index + 1) % ring.length]!;
    return radians(nextLongitude - longitude) * (authalicSine(latitude) + authalicSine(nextLatitude));
  });
  return Math.abs(strips.reduce((sum, strip) => sum + strip, 0) / 2) * AUTHALIC_RADIUS_KM ** 2;
}

/** Whether two edges of a ring cross, so that its inside is a matter of opinion. */
export function crossesItself(ring: Ring): boolean {
  const edges = ring.map((start, index): Edge => [start, ring[(index + 1) % ring.length]!]);
  return edges.some((edge, index) => edges.slice(index + 2).some((other) => doCross(edge, other)));
}

/** In km², m² where it is little, or nmi²: an international nautical mile has 1,852 metres. NaN is no size. */
export function sizeInWords(km2: number, isNautical = false): string {
  if (Number.isNaN(km2)) return t("of unknown size (the outline crosses itself)");
  if (km2 < LEAST_KM2) return `${number(km2 * 1e6, { maximumSignificantDigits: 2 })} m²`;
  const [size, unit] = isNautical ? [km2 / KM2_OF_NMI2, "nmi²"] : [km2, "km²"];
  const digits = size < 10 ? 2 : size < 100 ? 1 : 0;
  return `${number(size, { maximumFractionDigits: digits })} ${unit}`;
}

type Edge = [start: Position, end: Position];

function doCross([a, b]: Edge, [c, d]: Edge): boolean {
  return turn(a, b, c) * turn(a, b, d) < 0 && turn(c, d, a) * turn(c, d, b) < 0;
}

/** Positive where the way from one place over the next to a third turns left. */
function turn([x, y]: Position, [nextX, nextY]: Position, [thirdX, thirdY]: Position): number {
  return Math.sign((nextX - x) * (thirdY - y) - (nextY - y) * (thirdX - x));
}

function stepsAlong(start: Position, end: Position): Ring {
  const steps = stepsNeeded(start, end);
  const [startY, endY] = [mercatorY(start[1]), mercatorY(end[1])];
  const inner = Array.from({ length: steps - 1 }, (_, index): Position => {
    const share = (index + 1) / steps;
    const longitude = start[0] + share * (end[0] - start[0]);
    return [longitude, latitudeOfY(startY + share * (endY - startY))];
  });
  return [start, ...inner];
}

/** A chord over Δφ leaves the curve by Δφ²/8 times its second derivative, here tan φ. */
function stepsNeeded(start: Position, end: Position): number {
  const height = radians(end[1] - start[1]);
  const width = radians(end[0] - start[0]);
  if (height === 0 || width === 0) return 1;
  const steepest = Math.tan(radians(Math.min(85, Math.max(Math.abs(start[1]), Math.abs(end[1])))));
  const apart = ((height * height) / 8) * steepest * (Math.abs(width) / Math.hypot(height, width));
  return Math.min(MOST_STEPS_PER_EDGE, Math.max(1, Math.ceil(Math.sqrt(apart / TOLERANCE_RADIANS))));
}

/** The sine of the authalic latitude. */
function authalicSine(latitude: number): number {
  return authalicQ(Math.sin(radians(latitude))) / authalicQ(1);
}

function authalicQ(sine: number): number {
  const e = ECCENTRICITY;
  return (1 - e * e) * (sine / (1 - (e * sine) ** 2) + Math.atanh(e * sine) / e);
}

function mercatorY(latitude: number): number {
  return Math.asinh(Math.tan(radians(latitude)));
}

function latitudeOfY(y: number): number {
  return (Math.atan(Math.sinh(y)) * 180) / Math.PI;
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
