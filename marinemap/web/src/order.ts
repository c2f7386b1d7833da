/** The form as a whole: whether it can be sent, and sending it. */

import { ProblemError } from "./api/call.ts";
import { newKey, submitOrder, type Job, type Order } from "./api/requests.ts";
import type { AreaForm } from "./areaform.ts";
import { inputOf } from "./chosenarea.ts";
import type { CrsForm } from "./crsform.ts";
import type { EstimateView } from "./estimateview.tsx";
import type { FormatForm } from "./formatform.ts";
import { filesOf } from "./formats.ts";
import type { LayerList } from "./layers.ts";
import type { LettersForm } from "./letters.ts";
import type { MoreForm } from "./parts/form.tsx";
import { announce, element } from "./page.ts";
import { clearProblems, isTold, showAt, showForeseen, showProblem } from "./problems.ts";
import { t } from "./words.ts";

const NOT_SENT = t("No answer came. Ask again when the connection is back: it is the same request, not a second one.");

export interface OrderParts {
  area: AreaForm;
  layers: LayerList;
  format: FormatForm;
  crs: CrsForm;
  more: MoreForm;
  letters: LettersForm;
  estimate: EstimateView;
  onSent: (job: Job, order: Order) => void;
}

export class OrderForm {
  readonly #parts: OrderParts;
  readonly #button = element<HTMLButtonElement>("submit");
  #isSending = false;
  /** Of what was sent last without an answer: it may have come through. */
  #unanswered: { body: string; key: string } | null = null;
  /** Whether that was lost with the connection; told for as long as the same is in the form. */
  #isLost = false;

  constructor(parts: OrderParts) {
    this.#parts = parts;
    element<HTMLFormElement>("order").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
    this.refresh();
  }

  /** Heed a change: say what is still missing, or what the order would give. */
  refresh(): void {
    this.#parts.crs.allow(!this.#parts.format.format.onlyDegrees);
    this.#refreshButton();
    let refusal = "";
    this.#parts.estimate.show(this.#missing() ? null : this.#tryOrder((reason) => (refusal = reason)));
    if (refusal) showForeseen({ field: "area", detail: refusal });
  }

  #refreshButton(): void {
    const reason = this.#missing();
    this.#button.disabled = reason !== "" || this.#isSending;
    this.#button.textContent = this.#isSending ? t("Sending …") : t("Get {files}", { files: filesOf(this.#parts.format.format) });
    element("submit-reason").textContent = reason || (this.#isStillLost() ? NOT_SENT : "");
  }

  // The connection comes back by itself; the request does not.
  #isStillLost(): boolean {
    if (!this.#isLost) return false;
    const order = this.#tryOrder(() => undefined);
    return order !== null && this.#unanswered?.body === bodyOf(order, this.#parts.letters.address);
  }

  #missing(): string {
    const hasArea = this.#parts.area.chosen !== null;
    const hasLayer = this.#parts.layers.ticked().length > 0;
    if (!hasArea && !hasLayer) return t("Choose an area and tick at least one layer.");
    if (!hasArea) return t("Choose an area first.");
    if (!hasLayer) return t("Tick at least one layer.");
    if (this.#parts.area.missing) return this.#parts.area.missing;
    if (this.#parts.crs.choice === undefined) return t("Choose a coordinate system by its name, or type its EPSG code.");
    return this.#parts.format.missing || this.#parts.more.missing || this.#parts.letters.missing;
  }

  async #send(): Promise<void> {
    if (this.#isSending || this.#missing()) return;
    clearProblems();
    const order = this.#tryOrder((reason) => showAt("area", reason));
    if (!order) return;
    this.#isLost = false;
    this.#setSending(true);
    try {
      const { address } = this.#parts.letters;
      this.#parts.onSent(await submitOrder(order, this.#keyFor(order, address), address), order);
      this.#unanswered = null;
    } catch (error) {
      showProblem(error);
      if (error instanceof ProblemError && isTold(error.problem)) this.#isLost = true;
    } finally {
      this.#setSending(false);
    }
    if (this.#isLost) announce(NOT_SENT);
  }

  #keyFor(order: Order, address: string | undefined): string {
    const body = bodyOf(order, address);
    if (this.#unanswered?.body !== body) this.#unanswered = { body, key: newKey() };
    return this.#unanswered.key;
  }

  /** Return what is asked for; null where the area is none, with the reason told. */
  #tryOrder(tell: (reason: string) => void): Order | null {
    const { area, layers, format, crs, more } = this.#parts;
    if (!area.chosen) return null;
    try {
      return {
        layers: layers.ticked().map((id) => more.inputOf(id)),
        area: inputOf(area.chosen),
        mode: format.mode,
        format: format.format.id,
        ...(crs.choice ? { crs: crs.choice } : {}),
        full_copy: more.hasCopy,
      };
    } catch (error) {
      tell((error as RangeError).message);
      return null;
    }
  }

  #setSending(isSending: boolean): void {
    this.#isSending = isSending;
    this.#refreshButton();
  }
}

function bodyOf(order: Order, address: string | undefined): string {
  return JSON.stringify([order, address]);
}
