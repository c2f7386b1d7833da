/** Coordinate systems offered for the shapefiles, by names people know. */

import { boundsOf, type Bounds } from "./area.ts";
import type { Ring } from "./antimeridian.ts";
import { t } from "./words.ts";

export interface UtmZone {
  code: string;
  name: string;
}

/** A zone is 6° wide; beyond twice that its distances are no longer worth having. */
const WIDEST_FOR_UTM_DEGREES = 12;

/** Extent of use of EPSG:3035, in whole degrees. */
const EUROPE: Bounds = { west: -36, south: 24, east: 45, north: 85 };

/** The UTM zone of an area's middle, or null where UTM is not defined or the area is too wide. */
export function utmZone(ring: Ring): UtmZone | null {
  const { west, south, east, north } = boundsOf(ring);
  if (east - west > WIDEST_FOR_UTM_DEGREES || south < -80 || north > 84) return null;
  const latitude = (south + north) / 2;
  const zone = zoneNumber(wrapped((west + east) / 2), latitude);
  const hemisphere = latitude < 0 ? "S" : "N";
  const code = `EPSG:${(hemisphere === "S" ? 32700 : 32600) + zone}`;
  return { code, name: t("UTM zone {zone} – metres ({code})", { zone: `${zone}${hemisphere}`, code }) };
}

export function isInEurope(ring: Ring): boolean {
  const { west, south, east, north } = boundsOf(ring);
  const shift = wrapped(west) - west;
  return (
    west + shift >= EUROPE.west && east + shift <= EUROPE.east && south >= EUROPE.south && north <= EUROPE.north
  );
}

/** Bounds between -180 and 180, west beyond east across 180; all of it where they go round the world. */
export function wrappedBounds({ west, south, east, north }: Bounds): Bounds {
  const isRound = east - west >= 360;
  return { west: isRound ? -180 : wrapped(west), south, east: isRound ? 180 : wrapped(east), north };
}

/** Return "EPSG:1234" for "1234" or "epsg: 1234", null for anything else. */
export function epsgCode(typed: string): string | null {
  const match = /^\s*(?:epsg\s*:{1,2}\s*)?(\d{4,6})\s*$/i.exec(typed);
  return match ? `EPSG:${match[1]}` : null;
}

// Norway and Svalbard have zones of their own widths (MGRS, NGA.STND.0037).
function zoneNumber(longitude: number, latitude: number): number {
  if (latitude >= 56 && latitude < 64 && longitude >= 3 && longitude < 12) return 32;
  if (latitude >= 72 && longitude >= 0 && longitude < 42) {
    return longitude < 9 ? 31 : longitude < 21 ? 33 : longitude < 33 ? 35 : 37;
  }
  return Math.floor((longitude + 180) / 6) + 1;
}

/** Bring a longitude into -180 (included) to 180 (excluded). */
export function wrapped(longitude: number): number {
  return longitude - 360 * Math.floor((longitude + 180) / 360);
}
