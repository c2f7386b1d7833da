/** Requests for extracts, from the asking to the files. */

import type { AreaGeometry } from "../antimeridian.ts";
import type { LayerInput } from "../parts/part.ts";
import { api, call, pathOf, ProblemError, type Problem } from "./call.ts";

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

const JOBS_A_PAGE = 20;
const EXCEPTIONS = "http://www.opengis.net/def/rel/ogc/1.0/exceptions";
const JOB_FAILED = "urn:marinemap:problem:job-failed";

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

/** Why a request failed, in the reader's language; nothing where the service tells of something else, such as being busy. */
export async function readFailure({ links = [] }: Job): Promise<Problem | undefined> {
  const link = links.find(({ rel }) => rel === EXCEPTIONS);
  return link && call(pathOf(link.href)).then(() => undefined, failureIn);
}

function failureIn(error: unknown): Problem | undefined {
  if (!(error instanceof ProblemError) || error.problem.isUnreachable) throw error;
  return error.problem.type === JOB_FAILED ? error.problem : undefined;
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

function jobUrl(id: string): string {
  return `${api}/jobs/${encodeURIComponent(id)}`;
}

export async function execute<T>(process: string, inputs: Order | Asked, init: RequestInit, beside: object = {}): Promise<T> {
  return call<T>(`${api}/processes/${process}/execution`, {
    ...init,
    method: "POST",
    headers: { "Content-Type": "application/json", ...init.headers },
    body: JSON.stringify({ inputs, ...beside }),
  });
}
