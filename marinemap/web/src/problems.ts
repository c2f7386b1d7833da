/** What went wrong, told next to the part of the form it is about, else across the map. */

import { ProblemError, type Problem } from "./api.ts";
import { element } from "./page.ts";

export type FormPart = "area" | "layers" | "format" | "crs";

const PARTS: FormPart[] = ["area", "layers", "format", "crs"];

export function showProblem(error: unknown): void {
  const problem = problemIn(error);
  const part = partOf(problem.field);
  if (part) {
    showAt(part, sentences(problem));
  } else {
    showBanner(sentences(problem));
  }
}

export function showAt(part: FormPart, text: string): void {
  const place = element(`problem-${part}`);
  place.textContent = text;
  place.hidden = false;
  place.scrollIntoView({ block: "nearest" });
}

export function clearProblem(part: FormPart): void {
  element(`problem-${part}`).hidden = true;
}

export function clearProblems(): void {
  PARTS.forEach(clearProblem);
  hideBanner();
}

export function showBanner(text: string): void {
  element("banner-text").textContent = text;
  element("banner").hidden = false;
}

export function hideBanner(): void {
  element("banner").hidden = true;
}

export function sentences({ detail, title, hint }: Problem): string {
  return [detail ?? title ?? "The service could not do this.", hint].filter(isText).map(sentence).join(" ");
}

export function problemInWords(error: unknown): string {
  return sentences(problemIn(error));
}

function isText(text: string | undefined): text is string {
  return Boolean(text);
}

function sentence(text: string): string {
  const ended = /[.!?…]$/.test(text) ? text : `${text}.`;
  return ended[0]!.toUpperCase() + ended.slice(1);
}

function problemIn(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  console.error(error);
  return { detail: "Something on this page went wrong.", hint: "Reload it and try again." };
}

/** "inputs.area.coordinates[0]" is about the area, "layer" about the layers. */
function partOf(field: string | undefined): FormPart | undefined {
  const name = field?.replace(/^inputs\./, "").split(/[.[]/, 1)[0];
  if (name === "layer") return "layers";
  return name === "mode" ? "format" : PARTS.find((part) => part === name);
}
