/** The outline of an area that was asked for, in one piece where it lies over the 180th meridian. */

import { joinedAt, type Position, type Ring } from "../antimeridian.ts";
import type { AskedArea } from "../api/requests.ts";
import { ringOfBounds } from "../area.ts";

/** A polygon: its outer ring, then its holes; no first corner is repeated. */
export type Outline = Ring[][];

const DEGREES = /CRS84h?$/;

/** Empty for bounds in a CRS of which this page knows nothing. */
export function outlineOf(area: AskedArea): Outline {
  if ("bbox" in area) return DEGREES.test(area.crs) ? [[ringOfBbox(area.bbox)]] : [];
  const polygons = area.type === "Polygon" ? [area.coordinates] : area.coordinates;
  return inOnePiece(polygons.map((rings) => rings.map(opened)));
}

/** Of four numbers, or of six with heights; from west, which is beyond east where it lies over 180. */
function ringOfBbox(bbox: number[]): Ring {
  const [west, south] = bbox as [number, number];
  const [east, north] = bbox.slice(bbox.length / 2) as [number, number];
  return ringOfBounds({ west, south, east: east < west ? east + 360 : east, north });
}

function opened(ring: Position[]): Ring {
  // Heights are of no use here.
  return ring.slice(0, -1).map(([longitude, latitude]): Position => [longitude, latitude]);
}

// Cut in two at 180, as GeoJSON has it: the eastern part lies in the next copy of the world.
function inOnePiece(polygons: Outline): Outline {
  const reaches = (edge: number): boolean => polygons.some(([outer]) => outer!.some(([longitude]) => longitude === edge));
  if (!reaches(180) || !reaches(-180)) return polygons;
  const isEast = ([outer]: Ring[]): boolean => outer!.every(([longitude]) => longitude < 0);
  const shifted = ([longitude, latitude]: Position): Position => [longitude + 360, latitude];
  const placed = polygons.map((polygon) => (isEast(polygon) ? polygon.map((ring) => ring.map(shifted)) : polygon));
  const [[west, ...holes], [east, ...others]] = placed.length === 2 ? (placed as [Ring[], Ring[]]) : [[], []];
  const joined = west && east && holes.length + others.length === 0 ? joinedAt(west, east, 180) : null;
  return joined ? [[joined]] : placed;
}
