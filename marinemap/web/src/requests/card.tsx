/** One request as a card: what was asked for, how it stands, and what may be done with it. */

import type { ComponentChild, JSX } from "preact";
import { useRef, useState } from "preact/hooks";

import type { Problem } from "../api/call.ts";
import { resultsUrl, type Asked, type Job, type Report, type ShareLink } from "../api/requests.ts";
import { now } from "../clock.ts";
import { bytesInWords } from "../estimate.ts";
import { isOver, isReady, stateInWords, timeInWords, waitInWords } from "../states.ts";
import { reasonOf } from "./failure.ts";
import { AreaPicture } from "./picture.tsx";
import { reportInWords, summaryOf } from "./report.ts";
import { choicesOf, layerIds, titleOf, type Titles } from "./request.ts";
import { SERVICE_LANGUAGE, t, written } from "../words.ts";

/** What the page knows of a request. */
export interface Entry {
  job: Job;
  /** Undefined until the service has told. */
  asked?: Asked;
  report?: Report;
  link?: ShareLink;
  /** Which failure the service was asked about, by when it was, and why it was where that is told by now. */
  failure?: { updated: string | undefined; problem?: Problem | undefined } | undefined;
  /** What went wrong with what was wished for last. */
  problem?: string;
  /** Whether that was the connection, which is told elsewhere for as long as it is so. */
  isUnanswered?: boolean;
  /** Whether the service does not list it any more. */
  isLost?: boolean;
  /** Whether no worker is there, while it is said to run. */
  isInterrupted?: boolean;
  /** What the service is at work on, or will be last. */
  wish?: { name: keyof CardEvents; ended: Promise<void> };
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
  const title = asked ? titleOf(asked, titles) : t("Request");
  const reason = reasonOf(entry);
  const headingId = `request-${job.jobID}`;
  const isHere = isReady(job) && !entry.isLost;
  return (
    <li class="card" data-testid="request-row" data-job={job.jobID} data-status={job.status} data-ready={isHere} aria-labelledby={headingId} aria-busy={entry.wish !== undefined}>
      {asked ? <AreaPicture area={asked.area} /> : <span class="area-picture" />}
      <div class="card-what">
        <h3 id={headingId} tabIndex={-1}>{asked ? <Names of={layerIds(asked).map(titles.ofLayer)} /> : title}</h3>
        <p class="small" data-testid="request-choices">{asked ? choicesOf(asked, titles).join(" · ") : t("Reading what was asked for …")}</p>
        <p class="small quiet-text">{timeInWords(job.created)}</p>
      </div>
      <p class="state" data-testid="request-state">{standingInWords(entry)}{reason.text && <span lang={reason.language}>: {reason.text}</span>}</p>
      {isOver(job) || entry.isLost || entry.isInterrupted || <Progress job={job} />}
      {isHere && <Ready job={job} title={title} />}
      {isHere && report && <ReportView report={report} titles={titles} />}
      {link && !entry.isLost && <Link link={link} onRevoke={() => events.revoke(entry)} />}
      <Actions entry={entry} title={title} events={events} />
      {problem && <p class="problem" role="alert" data-testid="request-problem">{problem}</p>}
    </li>
  );
}

/** How it stands, as far as the service still tells. */
export function standingInWords({ job, isLost, isInterrupted }: Pick<Entry, "job" | "isLost" | "isInterrupted">): string {
  if (isLost) return t("Not shown to this browser any more: its cookie was cleared, or the time is over for which requests are kept");
  if (isInterrupted) return t("Interrupted: no worker is there. It begins again when one is");
  return stateInWords({ ...job, message: "" });
}

/** Each for itself: letters of one that run from right to left must not turn the others. */
function Names({ of }: { of: string[] }): JSX.Element {
  return <>{of.map((name, index) => <>{index > 0 && ", "}<bdi>{name}</bdi></>)}</>;
}

function Progress({ job }: { job: Job }): JSX.Element {
  // Without a value it is a bar that moves: nothing is known yet.
  const message = waitInWords(job);
  const known = job.status === "running" ? { value: job.progress ?? 0 } : {};
  return (
    <>
      <progress max={100} aria-label={t("Progress")} {...known} />
      {message && <p class="small quiet-text" data-testid="request-message">{message}</p>}
      {isLater(job.earliestStart) && <p class="small quiet-text">{t("That is at {time}.", { time: clock(job.earliestStart!) })}</p>}
    </>
  );
}

function Ready({ job, title }: { job: Job; title: string }): JSX.Element {
  const text = job.size === undefined ? t("Download") : t("Download ({size})", { size: bytesInWords(job.size) });
  return (
    <a class="button primary download" href={resultsUrl(job.jobID)} download data-testid="download" aria-label={`${text}: ${title}`}>
      {text}
    </a>
  );
}

function ReportView({ report, titles }: { report: Report; titles: Titles }): JSX.Element {
  return (
    <details class="report" data-testid="report">
      <summary>{summaryOf(report)}</summary>
      <dl>
        {reportInWords(report, titles.ofLayer).map(({ title, count, isMissing, notes, said }) => (
          <div class={isMissing ? "missing" : undefined}>
            <dt><bdi>{title}</bdi></dt>
            <dd>{count}</dd>
            {notes.map((note) => <dd class="quiet-text">{note}</dd>)}
            {said.map((note) => <dd class="quiet-text" lang={SERVICE_LANGUAGE}>{note}</dd>)}
          </div>
        ))}
        {report.notes.length > 0 && <div><dt>{t("The area")}</dt>{report.notes.map((note) => <dd class="quiet-text" lang={SERVICE_LANGUAGE}>{note}</dd>)}</div>}
      </dl>
    </details>
  );
}

function Link({ link, onRevoke }: { link: ShareLink; onRevoke: () => void }): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  return (
    <div class="share" data-testid="share-link">
      <label>{t("Whoever has this link gets the files until {time}; keep it, it is shown once.", { time: timeInWords(link.expires) })}
        <input type="text" readOnly ref={input} value={link.href} onFocus={(event) => event.currentTarget.select()} />
      </label>
      <div class="buttons">
        <button type="button" onClick={() => void copy(input.current!).then(setCopied)}>{isCopied ? t("Copied") : t("Copy")}</button>
        <button type="button" onClick={onRevoke} data-testid="revoke">{t("Revoke all links")}</button>
      </div>
    </div>
  );
}

/** Pages without TLS have no clipboard but the old one, of what is selected. */
async function copy(input: HTMLInputElement): Promise<boolean> {
  const clipboard = navigator.clipboard as Clipboard | undefined;
  if (await clipboard?.writeText(input.value).then(() => true, () => false)) return true;
  input.select();
  return document.execCommand("copy");
}

function Actions({ entry, title, events }: { entry: Entry; title: string; events: CardEvents }): JSX.Element {
  const [isRemoving, setRemoving] = useState(false);
  const { job, asked, isLost } = entry;
  const isHere = isReady(job) && !isLost;
  const action = (name: keyof CardEvents, text: string): ComponentChild => (
    <button key={name} type="button" class="quiet" aria-label={`${text}: ${title}`} data-testid={name} onClick={() => events[name](entry)}>{text}</button>
  );
  if (isRemoving && isHere) {
    return (
      <div class="card-actions">
        <span>{t("Remove the files now?")}</span>
        <button key="yes" type="button" class="quiet" data-testid="remove-yes" ref={focused} onClick={() => events.remove(entry)}>{t("Remove")}</button>
        <button key="no" type="button" class="quiet" onClick={() => setRemoving(false)}>{t("Keep")}</button>
      </div>
    );
  }
  return (
    <div class="card-actions">
      {isOver(job) || isLost || action("cancel", t("Cancel"))}
      {isHere && action("renew", t("Keep for longer"))}
      {isHere && action("share", t("Share"))}
      {(isOver(job) || isLost) && asked && action("askAgain", t("Ask again"))}
      {asked && action("change", t("Change and ask again"))}
      {isHere && <button key="remove" type="button" class="quiet" aria-label={t("Remove: {title}", { title })} data-testid="remove" onClick={() => setRemoving(true)}>{t("Remove")}</button>}
    </div>
  );
}

function focused(button: HTMLButtonElement | null): void {
  button?.focus();
}

function isLater(moment: string | undefined): boolean {
  return Date.parse(moment ?? "") > now() + 2000;
}

/** To the second: a request may start in four. */
function clock(moment: string): string {
  return written(new Date(moment), { hour: "numeric", minute: "numeric", second: "numeric" });
}
