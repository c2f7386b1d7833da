/** "Your requests": a card each, kept up to date until it is over. */

import { render, type JSX } from "preact";

import { ProblemError } from "../api/call.ts";
import { cancelJob, listJobs, newKey, readFailure, readReport, readRequest, renewJob, revokeLinks, shareJob, submitOrder, type Asked, type Job } from "../api/requests.ts";
import { now } from "../clock.ts";
import { announce, element } from "../page.ts";
import { ended, isTold, problemInWords } from "../problems.ts";
import { inOwnTime, isOver, isReady, stateInWords } from "../states.ts";
import { Card, standingInWords, type CardEvents, type Entry } from "./card.tsx";
import { reasonOf } from "./failure.ts";
import { Following } from "./following.ts";
import { notify } from "./notifying.ts";
import { layerIds, titleOf, type Titles } from "./request.ts";
import { t } from "../words.ts";

/** Other tabs of this browser look when one of them asked for something. */
const CHANNEL = "marinemap.requests";

export interface RequestParts {
  titles: Titles;
  /** Put a request into the form, to be changed. */
  onChange: (asked: Asked) => void;
}

export class RequestList {
  readonly #parts: RequestParts;
  readonly #entries = new Map<string, Entry>();
  /** The cards as they stand, and of what each was made. */
  readonly #cards = new Map<string, { of: Entry; card: JSX.Element }>();
  /** What the service is being asked. */
  readonly #questions = new Map<string, Promise<void>>();
  readonly #following = new Following({
    onJob: (job) => this.#take(job),
    isAnyOpen: () => this.#listed().some(({ job, isLost }) => !isOver(job) && !isLost),
  });
  readonly #tabs = new BroadcastChannel(CHANNEL);
  #next: string | undefined;
  #hasWorker = true;
  #expiryTimer: number | undefined;

  constructor(parts: RequestParts) {
    this.#parts = parts;
    this.#tabs.addEventListener("message", () => void this.load().catch(() => {}));
    element("more-requests").addEventListener("click", () => void this.#loadMore());
  }

  /** Show what was asked for before, here or in another tab. */
  async load(): Promise<void> {
    // Those that come while the service answers are not among what it tells.
    const known = [...this.#entries.values()];
    const { jobs, next } = await listJobs();
    if (this.#entries.size === 0) this.#next = next;
    // The service answers again.
    for (const entry of this.#entries.values()) if (entry.isUnanswered) delete entry.problem;
    jobs.forEach((job) => this.#take(job));
    this.#heedLost(known, jobs, next === undefined);
    this.refresh();
  }

  /** Heed whether anybody works: what is said to run while nobody does was interrupted. */
  heedWorker(isThere: boolean): void {
    if (this.#hasWorker === isThere) return;
    this.#hasWorker = isThere;
    for (const entry of this.#entries.values()) this.#heedInterruption(entry);
    this.#show();
  }

  #heedInterruption(entry: Entry): void {
    const was = entry.isInterrupted ?? false;
    entry.isInterrupted = !this.#hasWorker && entry.job.status === "running";
    if (entry.isInterrupted && !was) this.#sayState(entry);
  }

  /** Mark what the service lists no more, though it lists what is as new: it tells each browser by its cookie what is its own. */
  #heedLost(known: Entry[], jobs: Job[], isAll: boolean): void {
    const listed = new Set(jobs.map(({ jobID }) => jobID));
    const oldest = isAll ? "" : (jobs.at(-1)?.created ?? "");
    const lost = known.filter(({ job, isLost }) => !isLost && !listed.has(job.jobID) && (job.created ?? "") > oldest);
    for (const entry of lost) entry.isLost = true;
    if (lost.length > 0) announce(ended(`${lost.map((entry) => this.#titleOf(entry)).join("; ")}: ${standingInWords(lost[0]!)}`));
    this.#following.heed();
  }

  /** Take a new request into the list. */
  add(job: Job, layers: string[]): void {
    this.#take(job);
    this.#tabs.postMessage(job.jobID);
    announce(t("Request sent: {layers}.", { layers: layers.map(this.#parts.titles.ofLayer).join(", ") }));
    this.#item(job.jobID)?.scrollIntoView({ block: "nearest" });
    // The keyboard goes on at what was asked for; between lie all layers.
    this.#focus(job.jobID);
  }

  /** Show all anew, as when titles are known by now. */
  refresh(): void {
    this.#cards.clear();
    this.#show();
  }

  /** Show what changed. Each of a hundred requests has its own news: to draw all at each takes a browser minutes. */
  #show(): void {
    const entries = this.#listed();
    element("no-requests").hidden = entries.length > 0;
    element("more-requests").hidden = this.#next === undefined;
    render(entries.map((entry) => this.#cardOf(entry)), element("requests"));
  }

  #cardOf(entry: Entry): JSX.Element {
    const id = entry.job.jobID;
    const drawn = this.#cards.get(id);
    if (drawn && isSame(drawn.of, entry)) return drawn.card;
    const card = <Card key={id} entry={entry} titles={this.#parts.titles} events={this.#events} />;
    this.#cards.set(id, { of: { ...entry }, card });
    return card;
  }

  /** The newest first. */
  #listed(): Entry[] {
    return [...this.#entries.values()].sort((a, b) => (b.job.created ?? "").localeCompare(a.job.created ?? ""));
  }

  async #loadMore(): Promise<void> {
    const { jobs, next } = await listJobs(this.#next);
    this.#next = next;
    jobs.forEach((job) => this.#take(job));
    this.refresh();
    this.#focus(jobs[0]?.jobID);
  }

  #take(job: Job): void {
    // The stream tells of all that this browser asked for; cards are of extracts.
    if (job.processID !== "extract") return;
    const entry: Entry = this.#entries.get(job.jobID) ?? { job };
    delete entry.isLost;
    if (entry.job.updated && job.updated && job.updated < entry.job.updated) return;
    const before = entry.job;
    this.#entries.set(job.jobID, Object.assign(entry, { job }));
    this.#heedInterruption(entry);
    if (isReady(job) && !entry.report) void this.#ask(entry, "report", () => readReport(job.jobID).then((report) => ({ report })));
    const named = entry.asked ?? this.#ask(entry, "request", () => readRequest(job.jobID).then((asked) => ({ asked })));
    const explained = this.#askWhy(entry);
    // A quick one is over before its name is known.
    if (job.status !== before.status && isOver(job)) void Promise.all([named, explained]).then(() => this.#tell(entry));
    this.#following.heed();
    this.#heedExpiry();
    this.#show();
  }

  /** Ask once of each failure: what is run again may fail for another reason. Without a connection it is asked at the next news. */
  async #askWhy(entry: Entry): Promise<void> {
    const { status, updated } = entry.job;
    if (status !== "failed" || (entry.failure && entry.failure.updated === updated)) return;
    entry.failure = { updated };
    const told = readFailure(entry.job).then((problem) => ({ updated, problem }), () => undefined);
    await this.#learn(entry, told.then((failure) => ({ failure })));
  }

  /** Ask one thing once at a time: news may come more quickly than answers. */
  #ask(entry: Entry, what: string, read: () => Promise<Partial<Entry>>): Promise<void> {
    const question = `${what} ${entry.job.jobID}`;
    const asked = this.#questions.get(question) ?? this.#learn(entry, read()).finally(() => this.#questions.delete(question));
    this.#questions.set(question, asked);
    return asked;
  }

  /** Take over what the service tells of a request besides; the card does without where it fails. */
  async #learn(entry: Entry, told: Promise<Partial<Entry>>): Promise<void> {
    Object.assign(entry, await told.catch(() => ({})));
    this.#show();
  }

  #tell(entry: Entry): void {
    const { job } = entry;
    const title = this.#titleOf(entry);
    const state = stateInWords({ ...job, message: reasonOf(entry).text });
    announce(ended(`${title}: ${state}`));
    notify(job.jobID, title, state);
  }

  #sayState(entry: Entry): void {
    announce(ended(`${this.#titleOf(entry)}: ${standingInWords(entry)}`));
  }

  #titleOf({ asked }: Entry): string {
    return asked ? titleOf(asked, this.#parts.titles) : t("Your request");
  }

  // What is no longer kept must not be offered.
  #heedExpiry(): void {
    window.clearTimeout(this.#expiryTimer);
    const ends = this.#listed().map(({ job }) => Date.parse(job.expires ?? "") - now()).filter((wait) => wait > 0);
    // Longer timers overflow the browser's 32 bits and would fire at once.
    const next = Math.min(...ends, 2 ** 31 - 1);
    if (ends.length > 0) this.#expiryTimer = window.setTimeout(() => (this.refresh(), this.#heedExpiry()), next);
  }

  readonly #events: CardEvents = {
    cancel: (entry) => this.#wish("cancel", entry, async ({ job }) => this.#take(await cancelJob(job.jobID))),
    askAgain: (entry) => this.#wish("askAgain", entry, async ({ asked }) => this.add(await submitOrder(asked!, newKey()), layerIds(asked!))),
    change: ({ asked }) => this.#parts.onChange(asked!),
    renew: (entry) => this.#wish("renew", entry, async ({ job }) => (this.#take(await renewJob(job.jobID)), this.#sayState(entry))),
    share: (entry) => this.#wish("share", entry, async ({ job }) => {
      entry.link = await shareJob(job.jobID);
      announce(t("{title}: the link for others is on the card.", { title: this.#titleOf(entry) }));
    }),
    revoke: (entry) => this.#wish("revoke", entry, async ({ job }) => {
      await revokeLinks(job.jobID);
      delete entry.link;
      announce(t("{title}: all links are revoked.", { title: this.#titleOf(entry) }));
    }),
    remove: (entry) => this.#wish("remove", entry, async ({ job }) => {
      await cancelJob(job.jobID);
      await this.load();
      this.#sayState(entry);
    }),
  };

  /** Do one wish after the other; the same again is a double click. */
  #wish(name: keyof CardEvents, entry: Entry, fulfil: (entry: Entry) => Promise<unknown>): void {
    if (entry.wish?.name === name) return;
    const ended = Promise.resolve(entry.wish?.ended).then(() => this.#do(entry, fulfil));
    const wish = (entry.wish = { name, ended });
    void ended.then(() => {
      if (entry.wish === wish) delete entry.wish;
      this.#show();
    });
  }

  /** Do what was wished for; what goes wrong is told on the card. */
  async #do(entry: Entry, fulfil: (entry: Entry) => Promise<unknown>): Promise<void> {
    delete entry.problem;
    this.#show();
    try {
      await fulfil(entry);
      this.#tabs.postMessage(entry.job.jobID);
    } catch (error) {
      entry.problem = inOwnTime(problemInWords(error));
      entry.isUnanswered = error instanceof ProblemError && isTold(error.problem);
    }
    this.#show();
    // The button may be gone, and the keyboard with it.
    if (document.activeElement === document.body) this.#focus(entry.job.jobID);
  }

  #focus(id: string | undefined): void {
    if (id) this.#item(id)?.querySelector<HTMLElement>("h3")?.focus();
  }

  #item(id: string): HTMLElement | null {
    return element("requests").querySelector(`[data-job="${CSS.escape(id)}"]`);
  }
}

/** Whether a card that was made of the one is right for the other. */
function isSame(one: Entry, other: Entry): boolean {
  const names = Object.keys({ ...one, ...other }) as (keyof Entry)[];
  return names.every((name) => one[name] === other[name]);
}
