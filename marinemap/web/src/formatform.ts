/** Step 3 of the form: the format, and whether features are cut at the edge. */

import type { Mode } from "./api/requests.ts";
import { SHAPEFILE, type Format } from "./formats.ts";
import { element, make } from "./page.ts";
import { clearProblem, showAt } from "./problems.ts";
import { t } from "./words.ts";

const MODES: readonly Mode[] = ["clip", "intersects", "within"];

export class FormatForm {
  readonly #select = element<HTMLSelectElement>("format");
  readonly #modes = MODES.map((mode) => element<HTMLInputElement>(`mode-${mode}`));
  readonly #onChange: () => void;
  #formats: Format[] = [SHAPEFILE];
  /** Whether the service has told of its formats. */
  #isTold = false;
  /** Chosen before that. */
  #awaited: string | null = null;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
    for (const field of [this.#select, ...this.#modes]) {
      field.addEventListener("change", () => {
        this.#awaited = null;
        clearProblem("format");
        this.#heed();
      });
    }
  }

  /** Offer these; the choice stays where it is one of them. */
  show(formats: Format[]): void {
    const { chosen } = this;
    this.#awaited = null;
    this.#isTold = true;
    this.#formats = formats;
    const options = formats.map(({ id, title }) => make("option", { value: id, selected: id === chosen }, title));
    this.#select.replaceChildren(...options);
    this.#heed();
    this.#tellStrange(chosen);
  }

  /** Choose a format, as soon as it is known whether there is one of that id. */
  choose(id: string, mode: Mode): void {
    const isThere = this.find(id) !== undefined;
    this.#awaited = isThere || this.#isTold ? null : id;
    if (isThere) this.#select.value = id;
    for (const radio of this.#modes) radio.checked = radio.value === mode;
    this.#heed();
    if (this.#isTold) this.#tellStrange(id);
  }

  /** The id of the format that is chosen, or will be. */
  get chosen(): string {
    return this.#awaited ?? this.#select.value;
  }

  get format(): Format {
    return this.find(this.#select.value) ?? SHAPEFILE;
  }

  /** What has to be known first; empty for nothing. */
  get missing(): string {
    return this.#awaited === null ? "" : t("One moment: it is not known yet which formats there are.");
  }

  find(id: string): Format | undefined {
    return this.#formats.find((format) => format.id === id);
  }

  get mode(): Mode {
    return (this.#modes.find(({ checked }) => checked)?.value ?? "clip") as Mode;
  }

  // A request would come in another format than was meant.
  #tellStrange(id: string): void {
    if (!this.find(id)) showAt("format", t("There is no format “{format}” here. Choose one.", { format: id }));
  }

  #heed(): void {
    element("format-about").textContent = this.format.about;
    this.#onChange();
  }
}
