/** Follows how requests stand: told by the service as it happens, asked for where that fails. */

import { EVENTS_URL, listJobs, type Job } from "../api/requests.ts";

const SOONEST_MILLISECONDS = 1000;
const LATEST_MILLISECONDS = 5000;
const GROWTH = 1.3;
/** Beside a stream that is open: its connection may be dead without a word, as after a sleep. */
const BESIDE_STREAM_MILLISECONDS = 20_000;
/** A stream that the service refused is tried again after so many questions. */
const QUESTIONS_BEFORE_STREAM = 6;

export interface Followed {
  onJob: (job: Job) => void;
  /** Whether any request waits or runs. */
  isAnyOpen: () => boolean;
}

export class Following {
  readonly #followed: Followed;
  #stream: EventSource | null = null;
  #timer: number | undefined;
  #wait = SOONEST_MILLISECONDS;
  #questions = 0;

  constructor(followed: Followed) {
    this.#followed = followed;
    document.addEventListener("visibilitychange", () => this.#heedVisibility());
  }

  /** Heed that a request came, changed or ended: a stream is kept while there is one to follow. */
  heed(): void {
    if (!this.#followed.isAnyOpen()) this.#stop();
    else if (!this.#stream && this.#timer === undefined) this.#listen();
  }

  // A browser has six connections to a host for all its tabs: those that nobody sees keep none open.
  #heedVisibility(): void {
    if (!this.#followed.isAnyOpen()) return;
    if (document.hidden) this.#leaveStream();
    if (document.hidden) this.#askIn(LATEST_MILLISECONDS);
    else if (!this.#stream) this.#listen();
  }

  #listen(): void {
    if (document.hidden) return this.#askSoon();
    const stream = (this.#stream = new EventSource(EVENTS_URL));
    this.#questions = 0;
    this.#askSoon();
    stream.addEventListener("open", () => this.#askIn(BESIDE_STREAM_MILLISECONDS));
    stream.addEventListener("message", ({ data }: MessageEvent<string>) => this.#followed.onJob(JSON.parse(data) as Job));
    stream.addEventListener("error", () => {
      // Else the browser connects again by itself.
      if (stream.readyState === EventSource.CLOSED && stream === this.#stream) this.#stream = null;
      if (this.#followed.isAnyOpen()) this.#askSoon();
    });
  }

  #leaveStream(): void {
    this.#stream?.close();
    this.#stream = null;
  }

  #stop(): void {
    this.#leaveStream();
    window.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#wait = SOONEST_MILLISECONDS;
  }

  #askSoon(): void {
    this.#askIn(this.#wait);
    this.#wait = Math.min(this.#wait * GROWTH, LATEST_MILLISECONDS);
  }

  #askIn(milliseconds: number): void {
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#ask(), milliseconds);
  }

  async #ask(): Promise<void> {
    // The service may be away for a moment; that is told where its health is looked at.
    const jobs = await listJobs().then((page) => page.jobs, () => []);
    jobs.forEach((job) => this.#followed.onJob(job));
    this.#questions += 1;
    if (!this.#followed.isAnyOpen()) this.#stop();
    else if (this.#stream?.readyState === EventSource.OPEN) this.#askIn(BESIDE_STREAM_MILLISECONDS);
    else if (!this.#stream && this.#questions >= QUESTIONS_BEFORE_STREAM) this.#listen();
    else this.#askSoon();
  }
}
