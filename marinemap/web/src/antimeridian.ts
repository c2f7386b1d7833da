/**
 * Areas drawn over the 180th meridian.
 *
 * The map repeats the world sideways, so a drawn longitude may be 190 or -540.
 * GeoJSON wants -180 to 180, and an area over the line cut in two there
 * (RFC 7946, section 3.1.9).
 */

import { t } from "./words.ts";

export type Position = [longitude: number, latitude: number];
/** Corners in order; the first is not repeated at the end. */
export type Ring = Position[];
export type AreaGeometry =
  | { type: "Polygon"; coordinates: Position[][] }
  | { type: "MultiPolygon"; coordinates: Position[][][] };

/** Seven decimals are about a centimetre; less is noise of the map projection. */
const DECIMALS = 1e7;

/**
 * Bring a drawn ring into the longitudes -180 to 180, cut in two if it crosses 180.
 *
 * Throws a RangeError if the ring goes around the world more than once.
 */
export function normaliseArea(drawn: Ring): AreaGeometry {
  const ring = shiftToFirstWorld(drawn.map(rounded));
  const longitudes = ring.map(([longitude]) => longitude);
  const east = Math.max(...longitudes);
  if (east - Math.min(...longitudes) > 360) {
    throw new RangeError(t("The area goes around the world more than once. Draw a smaller one."));
  }
  if (east <= 180) return { type: "Polygon", coordinates: [closed(ring)] };
  const { west: before, east: beyond } = splitAt(ring, 180);
  const pieces = [...before, ...beyond.map((piece) => shifted(piece, -360))];
  return { type: "MultiPolygon", coordinates: pieces.map((piece) => [closed(piece)]) };
}

/** Return the ring of all that a circle encloses: where that is a pole, its corners go round the world, and it has two more there. */
export function withPole(circle: Ring, [middle, latitude]: Position): Ring {
  const isAround = circle.some(([longitude], index) => Math.abs(longitude - circle.at(index - 1)![0]) > 180);
  if (!isAround) return circle;
  const ring = [...circle].sort(([one], [other]) => one - other);
  const [west, east] = [middle - 180, middle + 180];
  const edge = ring[0]![1];
  const pole = latitude < 0 ? -90 : 90;
  return [[west, edge], ...ring.filter(([longitude]) => west < longitude && longitude < east), [east, edge], [east, pole], [west, pole]];
}

/** Cut a simple ring along a meridian into the pieces on either side. */
export function splitAt(ring: Ring, meridian: number): { west: Ring[]; east: Ring[] } {
  return {
    west: westOf(ring, meridian),
    east: westOf(mirrored(ring), -meridian).map(mirrored),
  };
}

/** Put two pieces together that a cut along a meridian made of one ring; null where they are none. */
export function joinedAt(one: Ring, other: Ring, meridian: number): Ring | null {
  const [first, second] = [cutIn(one, meridian), cutIn(other, meridian)];
  if (!first || !second || String([first[0], first.at(-1)]) !== String([second.at(-1), second[0]])) return null;
  const ring = [...first.slice(1), ...second.slice(1)].filter((corner, index, all) => {
    return corner[0] !== meridian || !isBetween(all.at(index - 1)!, corner, all[(index + 1) % all.length]!);
  });
  const westmost = [...ring].sort(([x, y], [otherX, otherY]) => x - otherX || y - otherY)[0]!;
  return begunAt(ring.indexOf(westmost), ring);
}

/** The ring from where it leaves its one edge along the meridian to where it comes back to it; null where there is not one. */
function cutIn(ring: Ring, meridian: number): Ring | null {
  const edges = ring.map((_, index) => index).filter((index) => ring[index]![0] === meridian && ring[(index + 1) % ring.length]![0] === meridian);
  return edges.length === 1 ? begunAt(edges[0]! + 1, ring) : null;
}

function begunAt(index: number, ring: Ring): Ring {
  return [...ring.slice(index), ...ring.slice(0, index)];
}

/** Whether a corner lies on the line between its neighbours, but for what was rounded: cuts leave such. */
function isBetween([startX, startY]: Position, [x, y]: Position, [endX, endY]: Position): boolean {
  const across = (endX - startX) * (y - startY) - (endY - startY) * (x - startX);
  return Math.abs(across) <= (2 / DECIMALS) * Math.hypot(endX - startX, endY - startY);
}

interface Crossing {
  latitude: number;
  /** Orders crossings of one latitude as they lie just west of the meridian. */
  slope: number;
  /** Place among all crossings, from south to north. */
  rank: number;
}

/** A stretch of the ring west of the meridian, from where it enters to where it leaves. */
interface Chain {
  enters: Crossing;
  corners: Ring;
  leaves: Crossing;
}

/**
 * Return the pieces of a ring that lie west of a meridian.
 *
 * Cutting corner by corner (Sutherland-Hodgman) would join the pieces of a
 * concave ring along the cut, which no GIS accepts. Here the crossings are
 * sorted along the meridian: the ring's inside lies between the first and the
 * second, the third and the fourth, and so on, and there the pieces are closed.
 */
function westOf(ring: Ring, meridian: number): Ring[] {
  const isWest = ([longitude]: Position): boolean => longitude < meridian;
  const entry = ring.findIndex((corner, index) => isWest(corner) && !isWest(ring.at(index - 1)!));
  if (entry < 0) return isWest(ring[0]!) ? [ring] : [];
  const chains = chainsOf(begunAt(entry, ring), meridian);
  rankNorthwards(chains.flatMap(({ enters, leaves }) => [enters, leaves]));
  return joined(chains, meridian).map(withoutRepeats);
}

// A corner on the meridian counts as east: a ring that only touches it stays in one piece each side.
function chainsOf(ring: Ring, meridian: number): Chain[] {
  const chains: Chain[] = [];
  let open: { enters: Crossing; corners: Ring } | null = null;
  ring.forEach((corner, index) => {
    const next = ring[(index + 1) % ring.length]!;
    if (corner[0] >= meridian) return;
    open ??= { enters: crossing(ring.at(index - 1)!, corner, meridian), corners: [] };
    open.corners.push(corner);
    if (next[0] < meridian) return;
    chains.push({ ...open, leaves: crossing(corner, next, meridian) });
    open = null;
  });
  return chains;
}

function crossing(start: Position, end: Position, meridian: number): Crossing {
  const slope = (end[1] - start[1]) / (end[0] - start[0]);
  return { latitude: latitudeAt(start, end, meridian), slope, rank: 0 };
}

function latitudeAt(start: Position, end: Position, meridian: number): number {
  if (start[0] === meridian) return start[1];
  if (end[0] === meridian) return end[1];
  return start[1] + ((meridian - start[0]) / (end[0] - start[0])) * (end[1] - start[1]);
}

function rankNorthwards(crossings: Crossing[]): void {
  crossings.sort((a, b) => a.latitude - b.latitude || b.slope - a.slope);
  crossings.forEach((crossing, rank) => (crossing.rank = rank));
}

/** Close chains along the meridian: one that leaves at rank 2n goes on at 2n + 1, and the reverse. */
function joined(chains: Chain[], meridian: number): Ring[] {
  const entering = new Map(chains.map((chain) => [chain.enters.rank, chain]));
  const rings: Ring[] = [];
  for (const first of chains) {
    const ring: Ring = [];
    for (let chain = entering.get(first.enters.rank); chain; chain = entering.get(chain.leaves.rank ^ 1)) {
      entering.delete(chain.enters.rank);
      ring.push([meridian, chain.enters.latitude], ...chain.corners, [meridian, chain.leaves.latitude]);
    }
    if (ring.length > 0) rings.push(ring.map(rounded));
  }
  return rings;
}

function withoutRepeats(ring: Ring): Ring {
  return ring.filter(([x, y], index) => {
    const [beforeX, beforeY] = ring.at(index - 1)!;
    return x !== beforeX || y !== beforeY;
  });
}

function mirrored(ring: Ring): Ring {
  return ring.map(([longitude, latitude]) => [-longitude, latitude]);
}

function shiftToFirstWorld(ring: Ring): Ring {
  const west = Math.min(...ring.map(([longitude]) => longitude));
  return shifted(ring, -360 * Math.floor((west + 180) / 360));
}

function shifted(ring: Ring, degrees: number): Ring {
  return degrees === 0 ? ring : ring.map(([longitude, latitude]) => rounded([longitude + degrees, latitude]));
}

function rounded([longitude, latitude]: Position): Position {
  return [Math.round(longitude * DECIMALS) / DECIMALS, Math.round(latitude * DECIMALS) / DECIMALS];
}

/** Repeat the first corner at the end and turn outer rings anticlockwise (RFC 7946, section 3.1.6). */
function closed(ring: Ring): Position[] {
  const outer = signedArea(ring) < 0 ? [...ring].reverse() : ring;
  return [...outer, outer[0]!];
}

function signedArea(ring: Ring): number {
  return ring.reduce((sum, [x, y], index) => {
    const [nextX, nextY] = ring[(index + 1) % ring.length]!;
    return sum + (x * nextY - nextX * y) / 2;
  }, 0);
}
