/** A call to the service: JSON, or why there is none. */

import { setClock } from "../clock.ts";
import { SERVICE_LANGUAGE, t } from "../words.ts";

/** An answer by RFC 9457, with the field at fault and what to do about it. */
export interface Problem {
  type?: string;
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
/** The same when the service, or a proxy in front of it, could not do it now. */
export const BUSY = "marinemap-busy";
const TOO_MANY = 429;
const OWN_FAULT = 500;

export const root = document.body.dataset["root"] ?? "/";
export const api = `${root}api`;

/** On this page's own host, however the service calls itself. */
export function pathOf(href: string): string {
  const { pathname, search } = new URL(href);
  return pathname + search;
}

export async function call<T>(url: string, init: RequestInit = {}): Promise<T> {
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
  const problem = problemOf(response, body);
  if (isForNow(problem)) document.dispatchEvent(new Event(BUSY));
  throw new ProblemError(problem);
}

/** Whether the same may be answered later: nobody is told that it is not there, or not allowed. */
export function isForNow({ status = 0, isUnreachable = false }: Problem): boolean {
  return isUnreachable || status >= OWN_FAULT || status === TOO_MANY;
}

function problemOf(response: Response, body: unknown): Problem {
  if (typeof body === "object" && body !== null && ("detail" in body || "title" in body)) {
    return { ...(body as Problem), status: response.status, language: response.headers.get("Content-Language") ?? SERVICE_LANGUAGE };
  }
  const detail = t("The service gave an answer this page does not understand ({status}).", { status: response.status });
  return { status: response.status, detail, hint: t("Try again in a moment.") };
}
