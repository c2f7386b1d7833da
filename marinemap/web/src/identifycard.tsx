/** What was found at a place of the map: the fields of one thing, and the way to the next. */

import type { JSX } from "preact";

import { t } from "./words.ts";

/** What there is to say of one thing at the place. */
export interface Found {
  title: string;
  text: string;
  /** Names and values, as they are read. */
  fields?: readonly (readonly [string, string])[];
  /** Which of how many. */
  at: number;
  count: number;
}

export interface FoundEvents {
  close: () => void;
  /** To the next thing, or the one before (-1). */
  turn: (step: 1 | -1) => void;
}

export function IdentifyCard({ id, found, events }: { id: string; found: Found; events: FoundEvents }): JSX.Element {
  const { title, text, fields = [], at, count } = found;
  return (
    <>
      <header>
        <h2 id={id}><bdi>{title}</bdi></h2>
        <button type="button" data-testid="identify-close" onClick={events.close}>{t("Close")}</button>
      </header>
      <p role="status" data-testid="identify-text">{text}</p>
      <dl data-testid="identify-fields">
        {fields.map(([name, value]) => <div key={name}><dt>{name}</dt><dd dir="auto">{value}</dd></div>)}
      </dl>
      <p class="pages" hidden={count < 2}>
        <button type="button" onClick={() => events.turn(-1)}>{t("Previous")}</button>
        <span role="status">{t("{place} of {all}", { place: at + 1, all: count })}</span>
        <button type="button" data-testid="identify-next" onClick={() => events.turn(1)}>{t("Next")}</button>
      </p>
    </>
  );
}
