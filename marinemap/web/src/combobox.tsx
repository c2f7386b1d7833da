/** A text field that offers what the service finds for it (ARIA's combobox). */

import { render, type JSX } from "preact";

import { announce, element } from "./page.ts";
import { clearProblem, isLost, notRead, showAt, showProblemAt, type FormPart } from "./problems.ts";
import { t } from "./words.ts";

/** Between two keys of who types. */
const WAIT_MILLISECONDS = 200;
/** Then it is told that it takes time. */
const SLOW_MILLISECONDS = 800;
const SEARCHING = t("Searching …");
const NO_ANSWER = t("No answer came. Type on to search again.");

export interface Finding<T> {
  /** Ids of the field and of the list below it. */
  field: string;
  list: string;
  /** The part of the form that it is about. */
  part: FormPart;
  find: (text: string, signal: AbortSignal) => Promise<T[]>;
  /** Whether there is something to offer before a letter is typed. */
  offersAtOnce?: boolean;
  textOf: (found: T) => string;
  View: (props: { found: T }) => JSX.Element;
  onChoice: (found: T) => Promise<void> | void;
  nothing: string;
  counted: (count: number) => string;
}

export class Combobox<T extends { id: string }> {
  readonly #parts: Finding<T>;
  readonly #input: HTMLInputElement;
  readonly #list: HTMLElement;
  #found: T[] = [];
  /** For which text. */
  #sought = "";
  #at = -1;
  #timer: number | undefined;
  #said = "";
  #hasTold = false;
  #asked = new AbortController();

  constructor(parts: Finding<T>) {
    this.#parts = parts;
    this.#input = element<HTMLInputElement>(parts.field);
    this.#list = element(parts.list);
    this.#input.addEventListener("input", () => this.#searchLater());
    this.#input.addEventListener("keydown", (event) => this.#onKey(event));
    this.#input.addEventListener("blur", () => this.#close());
    if (parts.offersAtOnce) this.#input.addEventListener("focus", () => this.#input.value || this.#searchLater());
  }

  #searchLater(): void {
    window.clearTimeout(this.#timer);
    this.#asked.abort();
    this.#timer = window.setTimeout(() => void this.#search(this.#input.value.trim()), WAIT_MILLISECONDS);
  }

  async #search(text: string): Promise<void> {
    const { part, offersAtOnce, nothing, counted } = this.#parts;
    if (!text && !offersAtOnce) return this.#close();
    const { signal } = (this.#asked = new AbortController());
    const slow = window.setTimeout(() => this.#offer([], SEARCHING), SLOW_MILLISECONDS);
    try {
      const found = await this.#parts.find(text, signal);
      if (signal.aborted) return;
      // What others told of this part is still so.
      if (this.#hasTold) clearProblem(part);
      this.#hasTold = false;
      this.#sought = text;
      this.#offer(found, found.length > 0 ? counted(found.length) : nothing);
    } catch (error) {
      if (signal.aborted) return;
      if (isLost(error)) return this.#offer([], NO_ANSWER);
      this.#show(false);
      showProblemAt(part, error);
      this.#hasTold = true;
    } finally {
      window.clearTimeout(slow);
    }
  }

  /** Open the list with what was found, and say so; where there is nothing the list says it. */
  #offer(found: T[], said: string): void {
    this.#found = found;
    this.#at = found.length > 0 ? 0 : -1;
    this.#said = said;
    this.#show(true);
    announce(said);
  }

  #onKey(event: KeyboardEvent): void {
    const isOpen = !this.#list.hidden;
    if (event.key === "Enter") {
      // It chooses; it must not send the form.
      event.preventDefault();
      // What is listed may be of what was typed before.
      if (isOpen && this.#sought === this.#input.value.trim()) void this.#choose(this.#found[this.#at]);
    } else if (event.key === "Escape" && isOpen) {
      this.#close();
    } else if (isOpen && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.#at = (this.#at + (event.key === "ArrowDown" ? 1 : -1) + this.#found.length) % (this.#found.length || 1);
      this.#show(true);
    }
  }

  async #choose(found: T | undefined): Promise<void> {
    if (!found) return;
    this.#input.value = this.#parts.textOf(found);
    this.#close();
    try {
      await this.#parts.onChoice(found);
    } catch (error) {
      if (isLost(error)) showAt(this.#parts.part, notRead(this.#parts.textOf(found)));
      else showProblemAt(this.#parts.part, error);
    }
  }

  #close(): void {
    window.clearTimeout(this.#timer);
    this.#asked.abort();
    this.#show(false);
  }

  #show(isOpen: boolean): void {
    const { View } = this.#parts;
    this.#list.hidden = !isOpen;
    this.#input.setAttribute("aria-expanded", String(isOpen));
    if (isOpen && this.#at >= 0) this.#input.setAttribute("aria-activedescendant", this.#optionId(this.#at));
    else this.#input.removeAttribute("aria-activedescendant");
    const options = this.#found.map((found, index) => (
      <li key={found.id} id={this.#optionId(index)} role="option" aria-selected={index === this.#at}
        onMouseDown={(event) => event.preventDefault()} onClick={() => void this.#choose(found)}>
        <View found={found} />
      </li>
    ));
    render(options.length > 0 ? options : <li role="option" aria-disabled="true" class="quiet-text">{this.#said}</li>, this.#list);
    document.getElementById(this.#optionId(this.#at))?.scrollIntoView({ block: "nearest" });
  }

  #optionId(index: number): string {
    return `${this.#parts.field}-${index}`;
  }
}
