/** What the page's address holds after "#": view, layers, area and choices, to be kept and given away. */

import type { Position, Ring } from "./antimeridian.ts";
import type { Mode } from "./api/requests.ts";
import { boundsOf, ringOfBounds } from "./area.ts";
import { readParts, type LayerInput } from "./parts/part.ts";

export interface SharedView {
  zoom: number;
  latitude: number;
  longitude: number;
}

/** Drawn corners, or the id of an area that the service knows. */
export type SharedArea = { ring: Ring; isRectangle: boolean } | { id: string };

/** How layers are shown on the map. */
export interface ShownLayers {
  /** The lowest first; empty where it is the usual order. */
  order: readonly string[];
  /** Those with names. */
  names: readonly string[];
}

/** A part that is null was not told, or makes no sense. */
export interface Shared {
  view: SharedView | null;
  layers: string[];
  shown: ShownLayers;
  area: SharedArea | null;
  format: string | null;
  mode: Mode;
  crs: string | null;
  /** Layers of which some fields or features are wanted only. */
  parts: LayerInput[];
  hasCopy: boolean;
}

/** What an address may have that cannot be read. */
export type Unread = "layers" | "area" | "format" | "mode" | "crs" | "parts";

const MEMBERS = ["map", "layers", "order", "names", "area", "format", "mode", "crs", "parts", "copy"];
const MOST_STRANGE = 5;
const MOST_OF_A_NAME = 40;
const MOST_CORNERS = 500;
const MOST_LAYERS = 200;
const FARTHEST_DEGREES = 720;
const DEEPEST_ZOOM = 22;
const LAYER_ID = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const FORMAT_ID = /^[a-z0-9_-]{1,40}$/;
/** "countries:italy", or that of a file that was uploaded. */
const AREA_ID = /^[a-z][a-z0-9_-]{0,62}:[^\s,;]{1,200}$|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MODE = /^(intersects|within)$/;
const CRS = /^EPSG:\d{4,6}$/;

/** Whether an area's id is that of a file, which others cannot see. */
export function isOfFile(id: string): boolean {
  return !id.includes(":");
}

/** Tell what an address has and nobody can read: a request without it would be another one. */
export function unreadIn(fragment: string): Unread[] {
  const members = membersOf(fragment);
  const { area, format, mode, crs } = readAddress(fragment);
  const layers = listed(members, "layers").every((id) => LAYER_ID.test(id)) || null;
  const isRead = { layers, area, format, mode: members.get("mode") === mode, crs, parts: readParts(members.get("parts") ?? "").length > 0 };
  return (Object.keys(isRead) as Unread[]).filter((name) => members.get(name) && !isRead[name]);
}

/** Return the names in an address that mean nothing here: who wrote them meant something by them. */
export function strangeIn(fragment: string): string[] {
  const named = [...membersOf(fragment)].filter(([name, value]) => name && value && !MEMBERS.includes(name));
  return [...new Set(named.map(([name]) => name.slice(0, MOST_OF_A_NAME)))].slice(0, MOST_STRANGE);
}

/** Read a fragment as it may come from anywhere: what is odd in it is passed over. */
export function readAddress(fragment: string): Shared {
  const parts = membersOf(fragment);
  const text = (name: string, pattern: RegExp): string | null => pattern.exec(parts.get(name) ?? "")?.[0] ?? null;
  const ids = (name: string): string[] => listed(parts, name).filter((id) => LAYER_ID.test(id));
  const layers = ids("layers");
  const chosen = (name: string): string[] => ids(name).filter((id) => layers.includes(id)).slice(0, MOST_LAYERS);
  return {
    view: readView(parts.get("map") ?? ""),
    layers: [...new Set(layers)].slice(0, MOST_LAYERS),
    shown: { order: chosen("order"), names: chosen("names") },
    area: readArea(parts.get("area") ?? ""),
    format: text("format", FORMAT_ID),
    mode: (text("mode", MODE) ?? "clip") as Mode,
    crs: text("crs", CRS),
    // Of a layer that is not asked for a part would count unseen when it is ticked.
    parts: readParts(parts.get("parts") ?? "").filter(({ name }) => layers.includes(name)),
    hasCopy: parts.get("copy") !== "no",
  };
}

export function writeAddress({ view, layers, shown, area, format, mode, crs, parts, hasCopy }: Shared): string {
  const members = [
    view && `map=${Number(view.zoom.toFixed(2))}/${short(view.latitude)}/${short(view.longitude)}`,
    layers.length > 0 && `layers=${layers.join(",")}`,
    shown.order.length > 0 && `order=${shown.order.join(",")}`,
    shown.names.length > 0 && `names=${shown.names.join(",")}`,
    area && `area=${areaText(area)}`,
    format && `format=${format}`,
    mode !== "clip" && `mode=${mode}`,
    crs && `crs=${crs}`,
    parts.length > 0 && `parts=${encodeURIComponent(JSON.stringify(parts))}`,
    !hasCopy && "copy=no",
  ];
  return `#${members.filter(Boolean).join("&")}`;
}

// Mail has it as HTML, or as the end of a sentence.
function membersOf(fragment: string): URLSearchParams {
  return new URLSearchParams(fragment.replace(/^#/, "").replaceAll("&amp;", "&").replace(/[.,;:!?)>"'’”»]+$/, ""));
}

/** Ids as people type them: capitals are small ones, and a list may come in parts. */
function listed(members: URLSearchParams, name: string): string[] {
  return members.getAll(name).join(",").toLowerCase().split(",").map((id) => id.trim()).filter(Boolean);
}

function readView(text: string): SharedView | null {
  const [zoom, latitude, longitude] = numbers(text, "/", 3) ?? [];
  if (zoom === undefined || zoom < 0 || zoom > DEEPEST_ZOOM || !isPlace([longitude!, latitude!])) return null;
  return { zoom, latitude: latitude!, longitude: longitude! };
}

/** "west,south,east,north", or "longitude,latitude;..." of three corners or more, or an id. */
function readArea(text: string): SharedArea | null {
  if (AREA_ID.test(text)) return { id: text };
  const corners = text.split(";");
  return corners.length === 1 ? readRectangle(text) : readPolygon(corners);
}

function readRectangle(text: string): SharedArea | null {
  const [west, south, given, north] = numbers(text, ",", 4) ?? [];
  if (west === undefined || !isPlace([west, south!]) || !isPlace([given!, north!])) return null;
  // Over 180 degrees, as the service takes it.
  const east = given! < west ? given! + 360 : given!;
  if (west >= east || east - west > 360 || south! >= north!) return null;
  return { ring: ringOfBounds({ west, south: south!, east, north: north! }), isRectangle: true };
}

function readPolygon(corners: string[]): SharedArea | null {
  if (corners.length < 3 || corners.length > MOST_CORNERS) return null;
  const ring = corners.map((corner) => numbers(corner, ",", 2)).filter((corner) => corner !== null) as Ring;
  return ring.length === corners.length && ring.every(isPlace) ? { ring, isRectangle: false } : null;
}

function numbers(text: string, separator: string, count: number): number[] | null {
  const parts = text.split(separator);
  // Number("") is 0, and Number("0x1f") a number.
  const areNumbers = parts.length === count && parts.every((part) => /^-?\d{1,4}(\.\d{1,17})?$/.test(part));
  return areNumbers ? parts.map(Number) : null;
}

function isPlace([longitude, latitude]: Position): boolean {
  return Math.abs(longitude) <= FARTHEST_DEGREES && Math.abs(latitude) <= 90;
}

function areaText(area: SharedArea): string {
  if ("id" in area) return encodeURIComponent(area.id).replaceAll("%3A", ":");
  const { ring, isRectangle } = area;
  const { west, south, east, north } = boundsOf(ring);
  if (isRectangle) return [west, south, east, north].map(exact).join(",");
  return ring.map((corner) => corner.map(exact).join(",")).join(";");
}

/** A metre is enough for a view. */
function short(degrees: number): number {
  return Number(degrees.toFixed(5));
}

/** Seven decimals, as areas are asked for. */
function exact(degrees: number): number {
  const rounded = Number(degrees.toFixed(7));
  // "1e-7" is no number here.
  return Math.abs(rounded) < 1e-6 ? 0 : rounded;
}
