/** The service as the page sees it: layers, requests, health. */

import type { AreaGeometry } from "./antimeridian.ts";
import type { Estimate } from "./estimate.ts";
import { formatsIn, type Format, type FormatChoices } from "./formats.ts";

export interface Collection {
  id: string;
  title: string;
  description?: string;
  extent?: { spatial: { bbox: [west: number, south: number, east: number, north: number][] } };
  geometryType?: string;
  featureCount?: number;
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

export interface Order {
  layers: string[];
  area: AreaGeometry;
  mode: "clip" | "intersects";
  format: string;
  /** Absent: each layer keeps its own. */
  crs?: string;
}

export interface Job {
  jobID: string;
  status: "accepted" | "running" | "successful" | "failed" | "dismissed";
  message?: string;
  progress?: number;
  created?: string;
  expires?: string;
  links?: { rel: string; href: string }[];
}

/** An answer by RFC 9457, with the field at fault and what to do about it. */
export interface Problem {
  title?: string;
  status?: number;
  detail?: string;
  field?: string;
  hint?: string;
}

/** The service refused, or could not be reached (then without a status). */
export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail ?? problem.title ?? "The service could not do this.");
  }
}

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
  return link && new URL(link.href).pathname;
}

export async function readFeature(layerId: string, featureId: number, signal: AbortSignal): Promise<ReadFeature> {
  return call<ReadFeature>(`${api}/collections/${encodeURIComponent(layerId)}/items/${featureId}`, { signal });
}

export async function submitOrder(order: Order): Promise<Job> {
  return execute<Job>("extract", order);
}

export async function estimateOrder(order: Order, signal: AbortSignal): Promise<Estimate> {
  return execute<Estimate>("estimate", order, signal);
}

export async function listJobs(): Promise<Job[]> {
  return (await call<{ jobs: Job[] }>(`${api}/jobs`)).jobs;
}

export async function readJob(id: string): Promise<Job> {
  return call<Job>(jobUrl(id));
}

export async function cancelJob(id: string): Promise<Job> {
  return call<Job>(jobUrl(id), { method: "DELETE" });
}

export function resultsUrl(id: string): string {
  return `${jobUrl(id)}/results`;
}

/** How the service is, as far as it says. */
export interface Health {
  status?: string;
  workers?: number;
}

/** Ask how the service is. Not being healthy is an answer too. */
export async function readHealth(): Promise<Health> {
  const response = await fetch(`${root}healthz`, { cache: "no-store" });
  return (await response.json().catch(() => ({}))) as Health;
}

function jobUrl(id: string): string {
  return `${api}/jobs/${encodeURIComponent(id)}`;
}

async function execute<T>(process: string, inputs: Order, signal: AbortSignal | null = null): Promise<T> {
  return call<T>(`${api}/processes/${process}/execution`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ inputs }),
    signal,
  });
}

async function call<T>(url: string, init: RequestInit = {}): Promise<T> {
  const headers = { Accept: "application/json, application/problem+json", ...init.headers };
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...init, headers });
  } catch {
    throw new ProblemError({ detail: "The service cannot be reached. Check your connection." });
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body as T;
  throw new ProblemError(problemOf(response, body));
}

function problemOf(response: Response, body: unknown): Problem {
  if (typeof body === "object" && body !== null && ("detail" in body || "title" in body)) {
    return { ...(body as Problem), status: response.status };
  }
  const detail = `The service gave an answer this page does not understand (${response.status}).`;
  return { status: response.status, detail, hint: "Try again in a moment." };
}
