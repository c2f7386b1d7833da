/** Step 3 of the form: the format, and whether features are cut at the edge. */

import { formatOf, type Format } from "./formats.ts";
import { element } from "./page.ts";
import { clearProblem } from "./problems.ts";

export class FormatForm {
  readonly #select = element<HTMLSelectElement>("format");
  readonly #whole = element<HTMLInputElement>("mode-whole");

  constructor(onChange: () => void) {
    for (const field of [this.#select, this.#whole, element("mode-cut")]) {
      field.addEventListener("change", () => {
        clearProblem("format");
        onChange();
      });
    }
  }

  get format(): Format {
    return formatOf(this.#select.value);
  }

  /** Cut features at the edge of the area, or keep whole those that touch it. */
  get mode(): "clip" | "intersects" {
    return this.#whole.checked ? "intersects" : "clip";
  }
}
