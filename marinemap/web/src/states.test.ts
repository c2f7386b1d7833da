import assert from "node:assert/strict";
import test from "node:test";

import type { Job } from "./api.ts";
import { isReady, stateInWords, timeInWords } from "./states.ts";

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
