/** What went wrong, told next to the part of the form it is about, else across the map. */

import { ProblemError, type Problem } from "./api/call.ts";
import { element } from "./page.ts";
import { t } from "./words.ts";

export type FormPart = "area" | "layers" | "format" | "crs" | "more" | "letters";

const PARTS: FormPart[] = ["area", "layers", "format", "crs", "more", "letters"];

/** Members of a request that are chosen in a part of another name. */
const PART_OF: Record<string, FormPart> = { layer: "layers", mode: "format", fields: "more", filter: "more", full_copy: "more", notify: "letters" };

/** The control that has each part's value; those of an area and of layers are many. */
const CONTROLS: Partial<Record<FormPart, string>> = { format: "format", crs: "crs", letters: "email" };

export function showProblem(error: unknown): void {
  const problem = problemIn(error);
  // Told for as long as it is so, in a place of its own.
  if (isTold(problem)) return;
  const part = partOf(problem.field);
  if (part) {
    showAt(part, sentences(problem), languageOf(problem));
  } else {
    showBanner(sentences(problem), languageOf(problem));
  }
}

/** Tell beside a part what went wrong there; a lost connection is told for as long as it lasts, in its own place. */
export function showProblemAt(part: FormPart, error: unknown): void {
  if (!isTold(problemIn(error))) showAt(part, problemInWords(error));
}

export function showAt(part: FormPart, text: string, language = ""): void {
  tell(part, text, language);
  element(`problem-${part}`).scrollIntoView({ block: "nearest" });
}

/** The part whose problem was foreseen: it goes with what it was foreseen of. */
let foreseen: FormPart | undefined;

/** Tell beside its field what would be refused; nothing moves. Return whether there is such a field. */
export function showForeseen(problem: Problem): boolean {
  foreseen = partOf(problem.field);
  if (foreseen) tell(foreseen, sentences(problem), languageOf(problem));
  return foreseen !== undefined;
}

export function clearForeseen(): void {
  if (foreseen) clearProblem(foreseen);
}

export function clearProblem(part: FormPart): void {
  if (foreseen === part) foreseen = undefined;
  element(`problem-${part}`).hidden = true;
  mark(part, false);
}

/** In which language a problem is told, where it is another than the page's. */
function languageOf({ language }: Problem): string {
  return language === undefined || language === document.documentElement.lang ? "" : language;
}

function tell(part: FormPart, text: string, language: string): void {
  const place = element(`problem-${part}`);
  inLanguage(place, language);
  // Said once: an alert is spoken each time that it is set.
  if (place.hidden || place.textContent !== text) place.textContent = text;
  place.hidden = false;
  mark(part, true);
}

function mark(part: FormPart, isInvalid: boolean): void {
  const control = CONTROLS[part];
  if (!control) return;
  if (isInvalid) element(control).setAttribute("aria-invalid", "true");
  else element(control).removeAttribute("aria-invalid");
}

/** Whether there is no connection, which the page tells by itself for as long as it lasts. */
export function isTold({ isUnreachable }: Problem): boolean {
  return isUnreachable ?? false;
}

/** Whether no answer came to what somebody wished for: the connection may be there again by now, and the wish is not. */
export function isLost(error: unknown): boolean {
  return error instanceof ProblemError && isTold(error.problem);
}

export function notRead(what: string): string {
  return t("{file} was not read: the connection was lost. Choose it once more.", { file: what });
}

export function clearProblems(): void {
  PARTS.forEach(clearProblem);
  hideBanner();
}

export function showBanner(text: string, language = ""): void {
  inLanguage(element("banner-text"), language);
  element("banner-text").textContent = text;
  element("banner").hidden = false;
}

export function hideBanner(): void {
  element("banner").hidden = true;
}

function inLanguage(place: HTMLElement, language: string): void {
  if (language) place.lang = language;
  else place.removeAttribute("lang");
}

export function sentences({ detail, title, hint }: Problem): string {
  return [detail ?? title ?? t("The service could not do this."), hint].filter(isText).map(sentence).join(" ");
}

export function problemInWords(error: unknown): string {
  return sentences(problemIn(error));
}

function isText(text: string | undefined): text is string {
  return Boolean(text);
}

function sentence(text: string): string {
  return text[0]!.toUpperCase() + ended(text).slice(1);
}

/** The text with a full stop, where it has none. */
export function ended(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

function problemIn(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  console.error(error);
  return { detail: t("Something on this page went wrong."), hint: t("Reload it and try again.") };
}

/** "inputs.area.coordinates[0]" is about the area, "layer" about the layers. */
function partOf(field: string | undefined): FormPart | undefined {
  const name = field?.replace(/^inputs\./, "").split(/[.[]/, 1)[0];
  return PART_OF[name ?? ""] ?? PARTS.find((part) => part === name);
}
