import assert from "node:assert/strict";
import test from "node:test";

import type { Job } from "./api/requests.ts";
import { now, setClock } from "./clock.ts";
import { inOwnTime, isReady, stateInWords, timeInWords, waitInWords } from "./states.ts";

const links = [{ rel: "http://www.opengis.net/def/rel/ogc/1.0/results", href: "/api/jobs/1/results" }];
const job: Job = { jobID: "1", status: "successful", expires: "2031-05-02T12:00:00Z", links };

test("every state has words", () => {
  assert.equal(stateInWords({ jobID: "1", status: "accepted" }), "Waiting");
  assert.equal(stateInWords({ jobID: "1", status: "running", progress: 44.6 }), "Working 45 %");
  assert.equal(stateInWords({ jobID: "1", status: "successful", links }), "Ready");
  assert.equal(stateInWords({ jobID: "1", status: "failed", message: "no room" }), "Failed: no room");
  assert.equal(stateInWords({ jobID: "1", status: "dismissed" }), "Cancelled");
});

test("a result is ready until it expires", () => {
  const expiry = Date.parse(job.expires!);
  assert.ok(isReady(job, expiry - 1));
  assert.ok(!isReady(job, expiry));
  assert.ok(isReady({ jobID: "1", status: "successful", links }, expiry));
  assert.ok(!isReady({ ...job, links: [] }, expiry - 1));
  assert.match(stateInWords(job, expiry - 1), /^Ready, kept until 2 May, \d\d:00$/);
  assert.match(stateInWords(job, expiry), /^No longer kept/);
});

test("times of today leave the date out", () => {
  const now = new Date(2031, 4, 2, 18, 0);
  assert.equal(timeInWords(new Date(2031, 4, 2, 9, 5).toISOString(), now), "Today 09:05");
  assert.equal(timeInWords(new Date(2031, 4, 1, 9, 5).toISOString(), now), "1 May, 09:05");
  assert.equal(timeInWords(undefined, now), "");
});

test("a clock that is a week off keeps nothing from being fetched", () => {
  const inAnHour = new Date(Date.now() + 7 * 86_400_000 + 3_600_000).toISOString();
  // This machine's clock is a week slow.
  setClock(new Date(Date.now() + 7 * 86_400_000).toUTCString());
  assert.ok(isReady({ ...job, expires: inAnHour }));
  assert.ok(!isReady({ ...job, expires: new Date(Date.now() + 86_400_000).toISOString() }));
  assert.equal(waitInWords({ jobID: "1", status: "accepted", ahead: 0, earliestStart: new Date(now() + 30_000).toISOString() }), "Nobody is ahead; it starts in 30 s at the earliest.");
  // Seconds are no difference, nor is what is no date.
  setClock(new Date(Date.now() - 1500).toUTCString());
  setClock(null);
  assert.ok(Math.abs(now() - Date.now()) < 1000);
});

test("moments of the service's sentences are those of the reader", () => {
  const said = "The files are kept until 2031-05-02T12:00:00Z already, and at most until 2031-05-09T12:00:00Z. Nothing else.";
  assert.match(inOwnTime(said), /^The files are kept until 2 May, \d\d:00 already, and at most until 9 May, \d\d:00\. Nothing else\.$/);
});
