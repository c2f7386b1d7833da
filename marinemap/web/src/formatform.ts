/** Step 3 of the form: the format, and whether features are cut at the edge. */

import { SHAPEFILE, type Format } from "./formats.ts";
import { element, make } from "./page.ts";
import { clearProblem } from "./problems.ts";

export class FormatForm {
  readonly #select = element<HTMLSelectElement>("format");
  readonly #whole = element<HTMLInputElement>("mode-whole");
  readonly #onChange: () => void;
  #formats: Format[] = [SHAPEFILE];
  /** Chosen before the service has told of its formats. */
  #awaited: string | null = null;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
    for (const field of [this.#select, this.#whole, element("mode-cut")]) {
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
    this.#formats = formats;
    const options = formats.map(({ id, title }) => make("option", { value: id, selected: id === chosen }, title));
    this.#select.replaceChildren(...options);
    this.#heed();
  }

  /** Choose a format, as soon as it is known whether there is one of that id. */
  choose(id: string, isWhole: boolean): void {
    const isThere = this.#formats.some((format) => format.id === id);
    this.#awaited = isThere ? null : id;
    if (isThere) this.#select.value = id;
    this.#whole.checked = isWhole;
    element<HTMLInputElement>("mode-cut").checked = !isWhole;
    this.#heed();
  }

  /** The id of the format that is chosen, or will be. */
  get chosen(): string {
    return this.#awaited ?? this.#select.value;
  }

  get format(): Format {
    return this.find(this.#select.value) ?? SHAPEFILE;
  }

  find(id: string): Format | undefined {
    return this.#formats.find((format) => format.id === id);
  }

  /** Cut features at the edge of the area, or keep whole those that touch it. */
  get mode(): "clip" | "intersects" {
    return this.#whole.checked ? "intersects" : "clip";
  }

  #heed(): void {
    element("format-about").textContent = this.format.about;
    this.#onChange();
  }
}
