/** "Your requests": one row a request, kept up to date until it is over. */

import { cancelJob, listJobs, ProblemError, readJob, resultsUrl, type Job } from "./api.ts";
import { announce, element, make } from "./page.ts";
import { showProblem } from "./problems.ts";
import { keepNote, readNote } from "./notes.ts";
import { detailsInWords, isOver, isReady, stateInWords, timeInWords } from "./states.ts";

const FIRST_WAIT_MILLISECONDS = 1000;
const LONGEST_WAIT_MILLISECONDS = 5000;
const WAIT_GROWTH = 1.3;

interface Row {
  job: Job;
  item: HTMLLIElement;
  state: HTMLElement;
  details: HTMLElement;
  progress: HTMLProgressElement;
  actions: HTMLElement;
  waitMilliseconds: number;
  shownActions: string;
}

export class JobList {
  readonly #rows = new Map<string, Row>();

  /** Show what this browser asked for before. */
  async load(): Promise<void> {
    const jobs = await listJobs();
    const byTime = jobs.sort((a, b) => (a.created ?? "").localeCompare(b.created ?? ""));
    byTime.filter(({ jobID }) => !this.#rows.has(jobID)).forEach((job) => this.#add(job));
  }

  /** Put a new request on top; the note says in words what was asked for. */
  add(job: Job, note: string): void {
    keepNote(job.jobID, note);
    const { item } = this.#add(job);
    item.scrollIntoView({ block: "nearest", behavior: "smooth" });
    announce(`Request sent: ${note}.`);
  }

  #add(job: Job): Row {
    const row = newRow(job);
    this.#rows.set(job.jobID, row);
    element("requests").prepend(row.item);
    element("no-requests").hidden = true;
    this.#refresh(row);
    this.#pollLater(row);
    return row;
  }

  #update(row: Row, job: Job): void {
    if (job.status !== row.job.status) {
      announce(`${readNote(job.jobID) ?? "Your request"}: ${stateInWords(job)}.`);
      row.waitMilliseconds = FIRST_WAIT_MILLISECONDS;
    }
    row.job = job;
    this.#refresh(row);
  }

  #refresh(row: Row): void {
    const { job, item, state, details, progress } = row;
    item.dataset["status"] = job.status;
    state.textContent = stateInWords(job);
    details.textContent = detailsInWords(job);
    progress.hidden = isOver(job);
    if (job.status === "running") {
      progress.value = job.progress ?? 0;
    } else {
      progress.removeAttribute("value");
    }
    this.#refreshActions(row);
  }

  // Replaced only when they change, so that the keyboard focus stays where it is.
  #refreshActions(row: Row): void {
    const { job, actions } = row;
    const wanted = isOver(job) ? (isReady(job) ? "download" : "none") : "cancel";
    if (wanted === row.shownActions) return;
    row.shownActions = wanted;
    const made = { download: () => [downloadLink(job)], cancel: () => [this.#cancelButton(row)], none: () => [] };
    actions.replaceChildren(...made[wanted]());
  }

  #cancelButton(row: Row): HTMLButtonElement {
    const button = make("button", { type: "button", testId: "cancel" }, "Cancel");
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        this.#update(row, await cancelJob(row.job.jobID));
      } catch (error) {
        button.disabled = false;
        showProblem(error);
      }
    });
    return button;
  }

  #pollLater(row: Row): void {
    if (isOver(row.job)) return this.#expireLater(row);
    const wait = row.waitMilliseconds;
    row.waitMilliseconds = Math.min(wait * WAIT_GROWTH, LONGEST_WAIT_MILLISECONDS);
    setTimeout(() => void this.#poll(row), wait);
  }

  async #poll(row: Row): Promise<void> {
    try {
      const job = await readJob(row.job.jobID);
      // Cancelled while the answer was on its way: that answer is old.
      if (!isOver(row.job)) this.#update(row, job);
    } catch (error) {
      if (error instanceof ProblemError && error.problem.status === 404) return this.#remove(row);
    }
    this.#pollLater(row);
  }

  #expireLater(row: Row): void {
    const milliseconds = Date.parse(row.job.expires ?? "") - Date.now();
    // Longer timers overflow the browser's 32 bits and would fire at once.
    if (milliseconds > 0 && milliseconds < 2 ** 31) setTimeout(() => this.#refresh(row), milliseconds);
  }

  #remove(row: Row): void {
    row.item.remove();
    this.#rows.delete(row.job.jobID);
    element("no-requests").hidden = this.#rows.size > 0;
  }
}

function newRow(job: Job): Row {
  const state = make("p", { className: "state", testId: "request-state" });
  const details = make("p", { className: "details" });
  const progress = make("progress", { max: 100 });
  progress.setAttribute("aria-label", "Progress");
  const actions = make("div", { className: "actions" });
  const note = make("p", { className: "what" }, readNote(job.jobID) ?? "Shapefiles");
  const time = make("p", { className: "when" }, timeInWords(job.created));
  const item = make("li", { testId: "request-row" }, note, time, state, details, progress, actions);
  item.dataset["job"] = job.jobID;
  return { job, item, state, details, progress, actions, waitMilliseconds: FIRST_WAIT_MILLISECONDS, shownActions: "" };
}

function downloadLink(job: Job): HTMLAnchorElement {
  const link = make("a", { href: resultsUrl(job.jobID), testId: "download", className: "button primary" }, "Download");
  link.setAttribute("download", "");
  link.setAttribute("aria-label", `Download ${readNote(job.jobID) ?? "shapefiles"}`);
  return link;
}
