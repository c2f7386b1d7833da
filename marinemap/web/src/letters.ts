/** Whether a letter is wished for when a request has ended, and at which address. */

import { element } from "./page.ts";
import { clearProblem } from "./problems.ts";
import { t } from "./words.ts";

const KEY = "marinemap.letters";
/** The service says what is wrong with one; this is what nobody's address is. */
const ADDRESS = /^[^@\s]+@[^@\s]+$/;

/** To whom the site writes: to whatever address is given, or to that of whoever has signed in. */
export interface Letters {
  address?: string;
}

export class LettersForm {
  readonly #onChange: () => void;
  readonly #box = element<HTMLInputElement>("letter");
  readonly #input = element<HTMLInputElement>("email");
  /** Null where the site writes no letters. */
  #letters: Letters | null = null;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
    this.#input.value = kept();
    this.#box.checked = this.#input.value !== "";
    for (const field of [this.#box, this.#input]) field.addEventListener("input", () => this.#heed());
  }

  /** Offer letters as the service tells that it sends them; null for none. */
  offer(letters: Letters | null): void {
    this.#letters = letters;
    if (letters?.address) element("letter-label").textContent = t("Write to {address} when it is ready", { address: letters.address });
    element("letters").hidden = letters === null;
    this.#show();
  }

  /** The address to write to; undefined where nobody is to be written to. */
  get address(): string | undefined {
    if (this.#letters === null || !this.#box.checked) return undefined;
    return this.#letters.address ?? this.#input.value.trim();
  }

  /** What has to be completed first; empty for nothing. */
  get missing(): string {
    return ADDRESS.test(this.address ?? "a@b") ? "" : t("Type your e-mail address, or leave the letter out.");
  }

  #heed(): void {
    clearProblem("letters");
    keep(this.#box.checked ? this.#input.value.trim() : "");
    this.#show();
    this.#onChange();
  }

  #show(): void {
    element("letter-address").hidden = !this.#box.checked || this.#letters?.address !== undefined;
    element("email-note").hidden = !this.#box.checked;
  }
}

// For as long as the tab is open: others may use this browser.
function keep(address: string): void {
  try {
    sessionStorage.setItem(KEY, address);
  } catch {
    // Forbidden storage: it holds until the page is left.
  }
}

function kept(): string {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}
