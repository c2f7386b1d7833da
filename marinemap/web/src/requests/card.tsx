/** One request as a card: what was asked for, how it stands, and what may be done with it. */

import type { ComponentChild, JSX } from "preact";
import { useState } from "preact/hooks";

import { resultsUrl, type Asked, type Job, type Report, type ShareLink } from "../api.ts";
import { bytesInWords } from "../estimate.ts";
import { isOver, isReady, stateInWords, timeInWords } from "../states.ts";
import { AreaPicture } from "./picture.tsx";
import { reportInWords, summaryOf } from "./report.ts";
import { choicesOf, titleOf, type Titles } from "./request.ts";

/** What the page knows of a request. */
export interface Entry {
  job: Job;
  /** Undefined until the service has told. */
  asked?: Asked;
  report?: Report;
  link?: ShareLink;
  /** What went wrong with what was wished for last. */
  problem?: string;
  /** Whether the service is at work on a wish. */
  isBusy?: boolean;
}

export interface CardEvents {
  cancel: (entry: Entry) => void;
  askAgain: (entry: Entry) => void;
  change: (entry: Entry) => void;
  renew: (entry: Entry) => void;
  share: (entry: Entry) => void;
  revoke: (entry: Entry) => void;
  remove: (entry: Entry) => void;
}

interface CardProps {
  entry: Entry;
  titles: Titles;
  events: CardEvents;
}

export function Card({ entry, titles, events }: CardProps): JSX.Element {
  const { job, asked, report, link, problem } = entry;
  const title = asked ? titleOf(asked, titles) : "Request";
  const headingId = `request-${job.jobID}`;
  return (
    <li class="card" data-testid="request-row" data-job={job.jobID} data-status={job.status} aria-labelledby={headingId} aria-busy={entry.isBusy}>
      {asked ? <AreaPicture area={asked.area} /> : <span class="area-picture" />}
      <div class="card-what">
        <h3 id={headingId} tabIndex={-1}>{title}</h3>
        <p class="small" data-testid="request-choices">{asked ? choicesOf(asked, titles).join(" · ") : "Reading what was asked for …"}</p>
        <p class="small quiet-text">{timeInWords(job.created)}</p>
      </div>
      <p class="state" data-testid="request-state">{stateInWords(job)}</p>
      {isOver(job) || <Progress job={job} />}
      {isReady(job) && <Ready job={job} title={title} />}
      {isReady(job) && report && <ReportView report={report} titles={titles} />}
      {link && <Link link={link} onRevoke={() => events.revoke(entry)} />}
      <Actions entry={entry} title={title} events={events} />
      {problem && <p class="problem" role="alert" data-testid="request-problem">{problem}</p>}
    </li>
  );
}

function Progress({ job }: { job: Job }): JSX.Element {
  // Without a value it is a bar that moves: nothing is known yet.
  const known = job.status === "running" ? { value: job.progress ?? 0 } : {};
  return (
    <>
      <progress max={100} aria-label="Progress" {...known} />
      {job.message && <p class="small quiet-text" data-testid="request-message">{job.message}</p>}
      {isLater(job.earliestStart) && <p class="small quiet-text">That is at {clock(job.earliestStart!)}.</p>}
    </>
  );
}

function Ready({ job, title }: { job: Job; title: string }): JSX.Element {
  const size = job.size === undefined ? "" : ` (${bytesInWords(job.size)})`;
  return (
    <a class="button primary download" href={resultsUrl(job.jobID)} download data-testid="download" aria-label={`Download${size}: ${title}`}>
      Download{size}
    </a>
  );
}

function ReportView({ report, titles }: { report: Report; titles: Titles }): JSX.Element {
  return (
    <details class="report" data-testid="report">
      <summary>{summaryOf(report)}</summary>
      <dl>
        {reportInWords(report, titles.ofLayer).map(({ title, count, isMissing, notes }) => (
          <div class={isMissing ? "missing" : undefined}>
            <dt>{title}</dt>
            <dd>{count}</dd>
            {notes.map((note) => <dd class="quiet-text">{note}</dd>)}
          </div>
        ))}
        {report.notes.length > 0 && <div><dt>The area</dt>{report.notes.map((note) => <dd class="quiet-text">{note}</dd>)}</div>}
      </dl>
    </details>
  );
}

function Link({ link, onRevoke }: { link: ShareLink; onRevoke: () => void }): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  return (
    <div class="share" data-testid="share-link">
      <label>Whoever has this link gets the files until {timeInWords(link.expires)}; keep it, it is shown once.
        <input type="text" readOnly value={link.href} onFocus={(event) => event.currentTarget.select()} />
      </label>
      <div class="buttons">
        <button type="button" onClick={() => void navigator.clipboard.writeText(link.href).then(() => setCopied(true))}>{isCopied ? "Copied" : "Copy"}</button>
        <button type="button" onClick={onRevoke} data-testid="revoke">Revoke all links</button>
      </div>
    </div>
  );
}

function Actions({ entry, title, events }: { entry: Entry; title: string; events: CardEvents }): JSX.Element {
  const [isRemoving, setRemoving] = useState(false);
  const { job, asked } = entry;
  const action = (name: keyof CardEvents, text: string): ComponentChild => (
    <button key={name} type="button" class="quiet" aria-label={`${text}: ${title}`} data-testid={name} onClick={() => events[name](entry)}>{text}</button>
  );
  if (isRemoving && isReady(job)) {
    return (
      <div class="card-actions">
        <span>Remove the files now?</span>
        <button key="yes" type="button" class="quiet" data-testid="remove-yes" ref={focused} onClick={() => events.remove(entry)}>Remove</button>
        <button key="no" type="button" class="quiet" onClick={() => setRemoving(false)}>Keep</button>
      </div>
    );
  }
  return (
    <div class="card-actions">
      {isOver(job) || action("cancel", "Cancel")}
      {isReady(job) && action("renew", "Keep for longer")}
      {isReady(job) && action("share", "Share")}
      {isOver(job) && asked && action("askAgain", "Ask again")}
      {asked && action("change", "Change and ask again")}
      {isReady(job) && <button key="remove" type="button" class="quiet" aria-label={`Remove: ${title}`} data-testid="remove" onClick={() => setRemoving(true)}>Remove</button>}
    </div>
  );
}

function focused(button: HTMLButtonElement | null): void {
  button?.focus();
}

function isLater(moment: string | undefined): boolean {
  return Date.parse(moment ?? "") > Date.now() + 2000;
}

/** To the second: a request may start in four. */
function clock(moment: string): string {
  return new Date(moment).toLocaleTimeString("en-GB");
}
