/** What the page says of a layer, from its description by the service. */

import type { Collection } from "./api/layers.ts";
import type { Bounds } from "./area.ts";
import { t, tn, written } from "./words.ts";

export type Kind = "polygons" | "lines" | "points" | "features";

/** Where a layer lies, seen from what the map shows. */
export type Place = "in view" | "elsewhere" | "tiny";

/** A layer whose extent is less than this share of the map each way is a speck on it. */
const TINY_SHARE = 1 / 12;

export function kindOf({ geometryType = "" }: Collection): Kind {
  if (geometryType.endsWith("Polygon")) return "polygons";
  if (geometryType.endsWith("LineString")) return "lines";
  return geometryType.endsWith("Point") ? "points" : "features";
}

/** What covers least lies on top. */
const LEVELS: Record<Kind, number> = { polygons: 2, features: 3, lines: 4, points: 5 };

export function levelOf(collection: Collection): number {
  return LEVELS[kindOf(collection)];
}

/** In a bbox over the 180th meridian west is greater than east (RFC 7946, section 5.2). */
export function boundsOfCollection(collection: Collection): Bounds | null {
  const bbox = collection.extent?.spatial.bbox[0];
  if (!bbox) return null;
  const [west, south, east, north] = bbox;
  return { west, south, east: east < west ? east + 360 : east, north };
}

/** Tell where bounds lie in a view, whose longitudes may run on beyond 180. */
export function placeOf(bounds: Bounds, view: Bounds): Place {
  // The copy of the world in which they begin at or before the view's end, nearest to it.
  const shift = 360 * Math.floor((view.east - bounds.west) / 360);
  const isApart = bounds.east + shift < view.west || bounds.south > view.north || bounds.north < view.south;
  if (isApart) return "elsewhere";
  const isNarrow = bounds.east - bounds.west < TINY_SHARE * (view.east - view.west);
  const isLow = bounds.north - bounds.south < TINY_SHARE * (view.north - view.south);
  return isNarrow && isLow ? "tiny" : "in view";
}

const KINDS: Record<Kind, string> = { polygons: t("polygons"), lines: t("lines"), points: t("points"), features: t("features") };
const COUNTS: Record<Kind, (count: number) => string> = {
  polygons: (count) => tn("{count} polygon", "{count} polygons", count),
  lines: (count) => tn("{count} line", "{count} lines", count),
  points: (count) => tn("{count} point", "{count} points", count),
  features: (count) => tn("{count} feature", "{count} features", count),
};

export function countInWords(collection: Collection): string {
  const kind = kindOf(collection);
  const { featureCount } = collection;
  return featureCount === undefined ? KINDS[kind] : COUNTS[kind](featureCount);
}

/** What is to be said of a layer's drawing; nothing while all is well. */
export function stateInWords({ drawing }: Collection, isBroken: boolean): string {
  if (isBroken) return t("Cannot be shown at the moment; this page keeps trying.");
  return drawing ? t("Is being drawn ({progress} %); it can be asked for already.", { progress: Math.round(drawing.progress) }) : "";
}

export function facts(collection: Collection): string[] {
  const { description, license, attribution, version, updated } = collection;
  const day = updated && written(new Date(updated), { dateStyle: "long" });
  const known = [
    description,
    t("Holds: {what}", { what: countInWords(collection) }),
    license && t("Licence: {licence}", { licence: license }),
    attribution && t("Source: {source}", { source: attribution }),
    version && (day ? t("Version: {version}, changed here on {day}", { version, day }) : t("Version: {version}", { version })),
  ];
  return known.filter((fact): fact is string => Boolean(fact));
}
