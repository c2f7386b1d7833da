/** The state of a request in plain words. */

import type { Job } from "./api/requests.ts";
import { now as serviceNow } from "./clock.ts";
import { isServiceLanguage, t, tn, written } from "./words.ts";

const RESULTS = "http://www.opengis.net/def/rel/ogc/1.0/results";

export function isOver({ status }: Job): boolean {
  return status === "successful" || status === "failed" || status === "dismissed";
}

/** Whether the files can still be downloaded: the service links to them until they are gone. */
export function isReady(job: Job, now = serviceNow()): boolean {
  const hasResults = job.links?.some(({ rel }) => rel === RESULTS) ?? false;
  return job.status === "successful" && hasResults && !(Date.parse(job.expires ?? "") <= now);
}

export function stateInWords(job: Job, now = serviceNow()): string {
  switch (job.status) {
    case "accepted":
      return t("Waiting");
    case "running":
      return t("Working {progress} %", { progress: Math.round(job.progress ?? 0) });
    case "successful":
      return isReady(job, now) ? readyInWords(job) : t("No longer kept; ask again to get it");
    case "failed":
      return job.message ? t("Failed: {why}", { why: job.message }) : t("Failed");
    case "dismissed":
      return t("Cancelled");
  }
}

/** What keeps a request waiting, or what is done now; empty where only the service has words for it, in another language. */
export function waitInWords({ status, ahead, earliestStart, message = "" }: Job, now = serviceNow()): string {
  if (status !== "accepted" || ahead === undefined) return isServiceLanguage ? message : "";
  const others = ahead > 0 ? tn("{count} request is ahead", "{count} requests are ahead", ahead) : t("Nobody is ahead");
  const seconds = Math.round((Date.parse(earliestStart ?? "") - now) / 1000);
  const start = seconds > 1
    ? tn("it starts in {count} s at the earliest", "it starts in {count} s at the earliest", seconds)
    : t("it starts as soon as a worker is free");
  return `${others}; ${start}.`;
}

/** "Today 14:05" or "21 Nov, 14:05", in the person's own time zone; "today" within a sentence. */
export function timeInWords(moment: string | undefined, now = new Date(serviceNow()), isWithin = false): string {
  const date = new Date(moment ?? "");
  if (Number.isNaN(date.getTime())) return "";
  const time = written(date, { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === now.toDateString()) return isWithin ? t("today {time}", { time }) : t("Today {time}", { time });
  return `${written(date, { day: "numeric", month: "short" })}, ${time}`;
}

/** A sentence of the service's, with its moments as the reader writes them. */
export function inOwnTime(sentence: string): string {
  return sentence.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, (moment) => timeInWords(moment, undefined, true));
}

function readyInWords({ expires }: Job): string {
  const until = timeInWords(expires, undefined, true);
  return until ? t("Ready, kept until {time}", { time: until }) : t("Ready");
}
