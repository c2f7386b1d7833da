/** The state of a request in plain words. */

import type { Job } from "./api.ts";

const RESULTS = "http://www.opengis.net/def/rel/ogc/1.0/results";

export function isOver({ status }: Job): boolean {
  return status === "successful" || status === "failed" || status === "dismissed";
}

/** Whether the files can still be downloaded: the service links to them until they are gone. */
export function isReady(job: Job, now = Date.now()): boolean {
  const hasResults = job.links?.some(({ rel }) => rel === RESULTS) ?? false;
  return job.status === "successful" && hasResults && !(Date.parse(job.expires ?? "") <= now);
}

export function stateInWords(job: Job, now = Date.now()): string {
  switch (job.status) {
    case "accepted":
      return "Waiting";
    case "running":
      return `Working ${Math.round(job.progress ?? 0)} %`;
    case "successful":
      return isReady(job, now) ? readyInWords(job) : "No longer kept; ask again to get it";
    case "failed":
      return job.message ? `Failed: ${job.message}` : "Failed";
    case "dismissed":
      return "Cancelled";
  }
}

/** "Today 14:05" or "21 Nov, 14:05", in the person's own time zone. */
export function timeInWords(moment: string | undefined, now = new Date()): string {
  const date = new Date(moment ?? "");
  if (Number.isNaN(date.getTime())) return "";
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === now.toDateString()) return `Today ${time}`;
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${time}`;
}

function readyInWords({ expires }: Job): string {
  const until = timeInWords(expires);
  return until ? `Ready, kept until ${until[0]!.toLowerCase()}${until.slice(1)}` : "Ready";
}
