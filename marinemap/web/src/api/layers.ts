/** Layers, their drawings and what their features say. */

import type { Bounds } from "../area.ts";
import { wrappedBounds } from "../crs.ts";
import type { Field } from "../parts/part.ts";
import { api, call, pathOf } from "./call.ts";

export interface Collection {
  id: string;
  title: string;
  description?: string;
  /** The heading under which it stands. */
  theme?: string;
  /** Its place in lists, smaller numbers first; those without one come after. */
  position?: number;
  extent?: { spatial: { bbox: [west: number, south: number, east: number, north: number][] } };
  geometryType?: string;
  featureCount?: number;
  fields?: Field[];
  /** The field that names its features, where one does. */
  nameField?: string;
  license?: string;
  attribution?: string;
  version?: string;
  /** When the data, or the words about them, changed here last. */
  updated?: string;
  /** Present while the layer is being drawn. */
  drawing?: { progress: number };
  links?: { rel: string; href: string; type?: string }[];
}

/** A feature as GeoJSON, in degrees. */
export interface ReadFeature {
  id: number | string;
  geometry: object | null;
  properties: Record<string, unknown> | null;
}

const MOST_VALUES = 200;
const DRAWING_TYPE = "application/vnd.pmtiles";

export async function listCollections(): Promise<Collection[]> {
  // Asked again and again: what did not change is not sent again.
  return (await call<{ collections: Collection[] }>(`${api}/collections`, { cache: "no-cache" })).collections;
}

/** Where the drawing of a layer is, on this page's own host; undefined while there is none. */
export function drawingUrl({ links = [] }: Pick<Collection, "links">): string | undefined {
  const link = links.find(({ type }) => type === DRAWING_TYPE);
  return link && pathOf(link.href);
}

export async function readFeature(layerId: string, featureId: number, signal: AbortSignal): Promise<ReadFeature> {
  return call<ReadFeature>(`${api}/collections/${encodeURIComponent(layerId)}/items/${featureId}`, { signal });
}

/** Read the names of features in some bounds, by their ids, without their geometries. */
export async function readNames(layerId: string, field: string, bounds: Bounds, limit: number, signal: AbortSignal): Promise<Map<number, string>> {
  const { west, south, east, north } = wrappedBounds(bounds);
  const bbox = [west, Math.max(-90, south), east, Math.min(90, north)].join(",");
  const query = `properties=${encodeURIComponent(field)}&limit=${limit}&bbox=${bbox}`;
  const init = { signal, cache: "default", priority: "low" } as const;
  const { features } = await call<{ features: ReadFeature[] }>(`${api}/collections/${encodeURIComponent(layerId)}/items?${query}`, init);
  return new Map(features.map(({ id, properties }) => [Number(id), String(properties?.[field] ?? "")]));
}

/** The values that a field has, the most frequent first. */
export interface FieldValues {
  values: { value: string | number | boolean; count: number }[];
  distinct: number;
  minimum?: string | number | boolean;
  maximum?: string | number | boolean;
  missing: number;
  lookedAt: number;
  /** Whether these are all features of the layer. */
  complete: boolean;
}

export async function readValues(layerId: string, field: string): Promise<FieldValues> {
  const query = `field=${encodeURIComponent(field)}&limit=${MOST_VALUES}`;
  return call<FieldValues>(`${api}/collections/${encodeURIComponent(layerId)}/values?${query}`, { cache: "no-cache" });
}
