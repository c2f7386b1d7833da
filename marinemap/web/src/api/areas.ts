/** Areas and coordinate systems, found by their names or out of a file. */

import type { AreaGeometry } from "../antimeridian.ts";
import type { Bounds } from "../area.ts";
import { api, call } from "./call.ts";

const MOST_TITLE = 200;

/** An area with a name. */
export interface NamedArea {
  id: string;
  title: string;
  layer: string;
}

/** A coordinate system, made for a place. */
export interface FoundCrs {
  /** "EPSG:25832" */
  id: string;
  title: string;
  place: string;
  /** Whether it is made for the whole area; absent where there is none. */
  fits?: boolean;
}

export async function searchCrs(text: string, bounds: Bounds | null, signal: AbortSignal): Promise<FoundCrs[]> {
  const box = bounds ? `&bbox=${[bounds.west, bounds.south, bounds.east, bounds.north].join(",")}` : "";
  return (await call<{ crs: FoundCrs[] }>(`${api}/crs?limit=8&q=${encodeURIComponent(text)}${box}`, { signal })).crs;
}

/** An area that the service knows, with its outline. */
export interface KnownArea {
  id: string;
  geometry: AreaGeometry;
  properties: { title?: string; notes?: string[] };
}

export async function searchAreas(text: string, signal: AbortSignal): Promise<NamedArea[]> {
  return (await call<{ areas: NamedArea[] }>(`${api}/areas?limit=8&q=${encodeURIComponent(text)}`, { signal })).areas;
}

export async function readArea(id: string): Promise<KnownArea> {
  return call<KnownArea>(`${api}/areas/${encodeURIComponent(id)}`, { headers: { Accept: "application/geo+json" } });
}

/** Have the service read the area that a file holds. */
export async function uploadArea(file: File): Promise<KnownArea> {
  const title = encodeURIComponent(file.name.slice(0, MOST_TITLE));
  const headers = { "Content-Type": "application/octet-stream" };
  return call<KnownArea>(`${api}/areas?title=${title}`, { method: "POST", headers, body: file });
}
