/** Areas by their names: a text field that offers what the service knows (ARIA's combobox). */

import { render } from "preact";

import { readArea, searchAreas, type KnownArea, type NamedArea } from "./api.ts";
import { announce, element } from "./page.ts";
import { clearProblem, showProblemAt } from "./problems.ts";
import { t, tn } from "./words.ts";

/** Between two keys of who types. */
const WAIT_MILLISECONDS = 200;
const NOTHING = t("No area by that name here.");

export interface SearchParts {
  titleOfLayer: (id: string) => string;
  onArea: (area: KnownArea) => void;
}

export class AreaSearch {
  readonly #parts: SearchParts;
  readonly #input = element<HTMLInputElement>("area-name");
  readonly #list = element("area-names");
  #found: NamedArea[] = [];
  #at = -1;
  #timer: number | undefined;
  #asked = new AbortController();

  constructor(parts: SearchParts) {
    this.#parts = parts;
    this.#input.addEventListener("input", () => this.#searchLater());
    this.#input.addEventListener("keydown", (event) => this.#onKey(event));
    this.#input.addEventListener("blur", () => this.#close());
  }

  #searchLater(): void {
    window.clearTimeout(this.#timer);
    this.#asked.abort();
    this.#timer = window.setTimeout(() => void this.#search(this.#input.value.trim()), WAIT_MILLISECONDS);
  }

  async #search(text: string): Promise<void> {
    if (!text) return this.#close();
    const { signal } = (this.#asked = new AbortController());
    try {
      this.#found = await searchAreas(text, signal);
      if (signal.aborted) return;
      clearProblem("area");
      this.#at = this.#found.length > 0 ? 0 : -1;
      this.#show(true);
      announce(this.#found.length > 0 ? tn("{count} area found.", "{count} areas found.", this.#found.length) : NOTHING);
    } catch (error) {
      if (!signal.aborted) showProblemAt("area", error);
    }
  }

  #onKey(event: KeyboardEvent): void {
    const isOpen = !this.#list.hidden;
    if (event.key === "Enter") {
      // It chooses; it must not send the form.
      event.preventDefault();
      if (isOpen) void this.#choose(this.#found[this.#at]);
    } else if (event.key === "Escape" && isOpen) {
      this.#close();
    } else if (isOpen && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.#at = (this.#at + (event.key === "ArrowDown" ? 1 : -1) + this.#found.length) % (this.#found.length || 1);
      this.#show(true);
    }
  }

  async #choose(area: NamedArea | undefined): Promise<void> {
    if (!area) return;
    this.#input.value = area.title;
    this.#close();
    try {
      this.#parts.onArea(await readArea(area.id));
    } catch (error) {
      showProblemAt("area", error);
    }
  }

  #close(): void {
    window.clearTimeout(this.#timer);
    this.#asked.abort();
    this.#show(false);
  }

  #show(isOpen: boolean): void {
    this.#list.hidden = !isOpen;
    this.#input.setAttribute("aria-expanded", String(isOpen));
    if (isOpen && this.#at >= 0) this.#input.setAttribute("aria-activedescendant", optionId(this.#at));
    else this.#input.removeAttribute("aria-activedescendant");
    const options = this.#found.map((area, index) => (
      <li key={area.id} id={optionId(index)} role="option" aria-selected={index === this.#at}
        onMouseDown={(event) => event.preventDefault()} onClick={() => void this.#choose(area)}>
        <bdi>{area.title}</bdi> <span class="small quiet-text" dir="auto">{this.#parts.titleOfLayer(area.layer)}</span>
      </li>
    ));
    render(options.length > 0 ? options : <li role="option" aria-disabled="true" class="quiet-text">{NOTHING}</li>, this.#list);
    document.getElementById(optionId(this.#at))?.scrollIntoView({ block: "nearest" });
  }
}

function optionId(index: number): string {
  return `area-name-${index}`;
}
