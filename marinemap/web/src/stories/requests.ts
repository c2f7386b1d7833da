/** Requests in each of their states, as the service would tell of them. */

import type { Asked, Job, Report } from "../api/requests.ts";
import type { Entry } from "../requests/card.tsx";

const RESULTS = [{ rel: "http://www.opengis.net/def/rel/ogc/1.0/results", href: "/api/jobs/1/results" }];
const CREATED = "2031-05-02T10:00:00Z";
const LATER = "2031-05-09T10:00:00Z";

const asked: Asked = {
  layers: ["reefs", { name: "ports", fields: ["name"], filter: { op: "=", args: [{ property: "country" }, "Greece"] } }],
  area: { type: "Polygon", coordinates: [[[22, 35], [28, 35], [28, 40], [22, 38], [22, 35]]] },
  mode: "within",
  format: "geopackage",
  crs: "EPSG:3035",
};
const acrossTheLine: Asked = { ...asked, layers: ["ports"], area: { bbox: [175, -20, -175, -10], crs: "http://www.opengis.net/def/crs/OGC/1.3/CRS84" } };
const report: Report = {
  notes: ["The outline of the area was repaired."],
  missing: [{ name: "ports", message: "its data cannot be read", hint: "Ask again tomorrow." }],
  layers: [{ name: "reefs", features_written: 1234, renamed_fields: { habitat_class: "habitat_cl" }, notes: ["3 texts were shortened."] }],
};

function job(status: Job["status"], about: Partial<Job> = {}): Job {
  return { jobID: "1", status, created: CREATED, ...about };
}

const ready = job("successful", { expires: LATER, size: 1_234_567, links: RESULTS });

/** By the name of the state. */
export const REQUESTS: Record<string, Entry> = {
  "sent, nothing known yet": { job: job("accepted") },
  "waits behind others": { job: job("accepted", { ahead: 3, earliestStart: "2031-05-02T10:01:30Z" }), asked },
  "is next": { job: job("accepted", { ahead: 0 }), asked },
  "runs": { job: job("running", { progress: 42, message: "reefs: 1,000 of 2,400 features" }), asked },
  "was interrupted": { job: job("running"), asked, isInterrupted: true },
  "is ready": { job: ready, asked },
  "is ready, with a report": { job: ready, asked, report },
  "is shared": { job: ready, asked, link: { href: "https://maps.example.org/api/shared/x7Zk", expires: LATER } },
  "is kept no longer": { job: job("successful", { expires: CREATED }), asked },
  "is lost to this browser": { job: ready, asked, report, isLost: true },
  "has failed": { job: job("failed", { message: "reefs: the file is damaged" }), asked },
  "has failed, and it is known why": { job: job("failed", { updated: LATER }), asked, failure: { updated: LATER, problem: { detail: "the file of 'reefs' is damaged", hint: "Ask whoever keeps this site.", language: "en" } } },
  "was cancelled": { job: job("dismissed"), asked: acrossTheLine },
  "refused a wish": { job: ready, asked, problem: "Renewed to the full already." },
  "works on a wish": { job: ready, asked, wish: { name: "renew", ended: Promise.resolve() } },
};
