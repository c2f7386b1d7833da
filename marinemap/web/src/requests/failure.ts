/** Why a request failed, as its card says it. */

import { sentences } from "../problems.ts";
import { SERVICE_LANGUAGE } from "../words.ts";
import type { Entry } from "./card.tsx";

export interface Reason {
  /** Empty of what has not failed. */
  text: string;
  language: string;
}

/** What the status says stands until the reason is told in the reader's language, and where it is not. */
export function reasonOf({ job, failure }: Entry): Reason {
  const problem = failure?.updated === job.updated ? failure?.problem : undefined;
  if (job.status !== "failed") return { text: "", language: "" };
  if (!problem) return { text: job.message ?? "", language: SERVICE_LANGUAGE };
  return { text: sentences(problem), language: problem.language ?? SERVICE_LANGUAGE };
}
