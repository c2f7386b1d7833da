/** The service as the page sees it: layers, requests, health. */

import type { AreaGeometry } from "./antimeridian.ts";
import type { Bounds } from "./area.ts";
import { setClock } from "./clock.ts";
import type { Estimate } from "./estimate.ts";
import { formatsIn, type Format, type FormatChoices } from "./formats.ts";
import type { Letters } from "./letters.ts";
import type { Limit } from "./limits.ts";
import type { Field, LayerInput } from "./parts/part.ts";
import { SERVICE_LANGUAGE, t } from "./words.ts";

export interface Collection {
  id: string;
  title: string;
  description?: string;
  /** The heading under which it stands. */
  theme?: string;
  extent?: { spatial: { bbox: [west: number, south: number, east: number, north: number][] } };
  geometryType?: string;
  featureCount?: number;
  fields?: Field[];
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

/** Cut at the edge of the area, whole where they touch it, or whole where they lie in it. */
export type Mode = "clip" | "intersects" | "within";

export interface Order {
  layers: (string | LayerInput)[];
  /** The id of an area that the service knows, or a geometry. */
  area: AreaGeometry | string;
  mode: Mode;
  format: string;
  /** Absent: each layer keeps its own. */
  crs?: string;
  full_copy: boolean;
}

/** As the service keeps an area: a geometry in degrees, or the bounds that a program gave, in whatever CRS. */
export type AskedArea = AreaGeometry | { bbox: number[]; crs: string };

/** The inputs of a request, as the service keeps them. */
export interface Asked {
  layers: (string | LayerInput)[];
  area: AskedArea;
  mode: Mode;
  format: string;
  crs?: string;
  full_copy?: boolean;
}

/** What became of each layer of a request. */
export interface Report {
  notes: string[];
  missing: { name: string; message: string; hint?: string }[];
  layers: { name: string; features_written: number; renamed_fields: Record<string, string>; notes: string[] }[];
}

/** A link by which whoever has it gets a result. */
export interface ShareLink {
  href: string;
  expires: string;
}

export interface Job {
  jobID: string;
  processID?: string;
  status: "accepted" | "running" | "successful" | "failed" | "dismissed";
  message?: string;
  progress?: number;
  created?: string;
  updated?: string;
  /** How many requests come before it, while it waits. */
  ahead?: number;
  /** When it starts at the earliest, while it waits. */
  earliestStart?: string;
  expires?: string;
  /** Bytes to download. */
  size?: number;
  links?: { rel: string; href: string }[];
}

/** An answer by RFC 9457, with the field at fault and what to do about it. */
export interface Problem {
  title?: string;
  status?: number;
  detail?: string;
  field?: string;
  hint?: string;
  /** In which language the service says it; none where the page does. */
  language?: string;
  /** No answer came at all. */
  isUnreachable?: boolean;
}

/** The service refused, or could not be reached (then without a status). */
export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail ?? problem.title ?? t("The service could not do this."));
  }
}

/** Told to the document when no answer came. */
export const UNREACHABLE = "marinemap-unreachable";

/** A server that is silent for so long is not there. */
const HEALTH_MILLISECONDS = 4000;
const JOBS_A_PAGE = 20;
const MOST_TITLE = 200;
const MOST_VALUES = 200;
const DRAWING_TYPE = "application/vnd.pmtiles";
const root = document.body.dataset["root"] ?? "/";
const api = `${root}api`;

export async function listCollections(): Promise<Collection[]> {
  // Asked again and again: what did not change is not sent again.
  return (await call<{ collections: Collection[] }>(`${api}/collections`, { cache: "no-cache" })).collections;
}

export async function listFormats(): Promise<Format[]> {
  return formatsIn(await call<FormatChoices>(`${api}/processes/extract`));
}

/** Where the drawing of a layer is, on this page's own host; undefined while there is none. */
export function drawingUrl({ links = [] }: Pick<Collection, "links">): string | undefined {
  const link = links.find(({ type }) => type === DRAWING_TYPE);
  return link && pathOf(link.href);
}

export async function readFeature(layerId: string, featureId: number, signal: AbortSignal): Promise<ReadFeature> {
  return call<ReadFeature>(`${api}/collections/${encodeURIComponent(layerId)}/items/${featureId}`, { signal });
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

/** Ask for an extract; inputs that were kept are taken as they are. */
export async function submitOrder(order: Order | Asked, key: string, email?: string): Promise<Job> {
  const beside = email === undefined ? {} : { notify: { email } };
  return execute<Job>("extract", order, { headers: { "Idempotency-Key": key } }, beside);
}

/** A key for a request: sent again with it, as when no answer came, it is the same request. */
export function newKey(): string {
  // Not randomUUID, which pages without TLS have not.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What one may ask for; with to whom letters are sent, where they are. */
export interface Limits {
  limits: Limit[];
  letters?: Letters;
}

export async function readLimits(signal: AbortSignal): Promise<Limits> {
  return call<Limits>(`${api}/limits`, { signal });
}

export async function estimateOrder(order: Order, signal: AbortSignal): Promise<Estimate> {
  return execute<Estimate>("estimate", order, { signal });
}

export interface JobPage {
  jobs: Job[];
  /** Where the page after it is; undefined of the last. */
  next: string | undefined;
}

/** The newest requests for extracts, or those of a page that followed. */
export async function listJobs(page = `${api}/jobs?processID=extract&limit=${JOBS_A_PAGE}`): Promise<JobPage> {
  const { jobs, links } = await call<{ jobs: Job[]; links: { rel: string; href: string }[] }>(page);
  const next = links.find(({ rel }) => rel === "next");
  return { jobs, next: next && pathOf(next.href) };
}

export async function readRequest(id: string): Promise<Asked> {
  return (await call<{ inputs: Asked }>(`${jobUrl(id)}/request`)).inputs;
}

export async function readReport(id: string): Promise<Report> {
  return call<Report>(`${jobUrl(id)}/report`);
}

export async function renewJob(id: string): Promise<Job> {
  return call<Job>(`${jobUrl(id)}/renew`, { method: "POST" });
}

export async function shareJob(id: string): Promise<ShareLink> {
  return call<ShareLink>(`${jobUrl(id)}/share`, { method: "POST" });
}

export async function revokeLinks(id: string): Promise<void> {
  await call(`${jobUrl(id)}/share`, { method: "DELETE" });
}

/** Where it is told how the requests of this browser stand, as it changes. */
export const EVENTS_URL = `${api}/jobs/events`;

export async function readJob(id: string): Promise<Job> {
  return call<Job>(jobUrl(id));
}

export async function cancelJob(id: string): Promise<Job> {
  return call<Job>(jobUrl(id), { method: "DELETE" });
}

export function resultsUrl(id: string): string {
  return `${jobUrl(id)}/results`;
}

// On this page's own host, however the service calls itself.
function pathOf(href: string): string {
  const { pathname, search } = new URL(href);
  return pathname + search;
}

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

/** How the service is, as far as it says. */
export interface Health {
  status?: string;
  workers?: number;
}

/** Ask how the service is. Not being healthy is an answer too. */
export async function readHealth(): Promise<Health> {
  const response = await fetch(`${root}healthz`, { cache: "no-store", signal: AbortSignal.timeout(HEALTH_MILLISECONDS) });
  return (await response.json().catch(() => ({}))) as Health;
}

function jobUrl(id: string): string {
  return `${api}/jobs/${encodeURIComponent(id)}`;
}

async function execute<T>(process: string, inputs: Order | Asked, init: RequestInit, beside: object = {}): Promise<T> {
  return call<T>(`${api}/processes/${process}/execution`, {
    ...init,
    method: "POST",
    headers: { "Content-Type": "application/json", ...init.headers },
    body: JSON.stringify({ inputs, ...beside }),
  });
}

async function call<T>(url: string, init: RequestInit = {}): Promise<T> {
  const headers = { Accept: "application/json, application/problem+json", ...init.headers };
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...init, headers });
  } catch {
    // Given up by the page itself it says nothing of the connection.
    if (!init.signal?.aborted) document.dispatchEvent(new Event(UNREACHABLE));
    throw new ProblemError({ detail: t("The service cannot be reached. Check your connection."), isUnreachable: true });
  }
  setClock(response.headers.get("Date"));
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body as T;
  throw new ProblemError(problemOf(response, body));
}

function problemOf(response: Response, body: unknown): Problem {
  if (typeof body === "object" && body !== null && ("detail" in body || "title" in body)) {
    return { ...(body as Problem), status: response.status, language: response.headers.get("Content-Language") ?? SERVICE_LANGUAGE };
  }
  const detail = t("The service gave an answer this page does not understand ({status}).", { status: response.status });
  return { status: response.status, detail, hint: t("Try again in a moment.") };
}
