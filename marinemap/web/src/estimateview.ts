/** The line above the button: what a request would give, asked again after each change. */

import { estimateOrder, ProblemError, type Order } from "./api.ts";
import { estimateInWords, warningsInWords } from "./estimate.ts";
import { element, make } from "./page.ts";
import { sentences } from "./problems.ts";

/** Long enough for a corner to be dragged or a second layer to be ticked. */
const WAIT_MILLISECONDS = 400;
const BAD_REQUEST = 400;

export class EstimateView {
  readonly #titleOf: (id: string) => string;
  readonly #place = element("estimate");
  #timer: number | undefined;
  #asked = new AbortController();

  constructor(titleOf: (id: string) => string) {
    this.#titleOf = titleOf;
  }

  /** Ask for the estimate of an order in a moment, and dim the last one until then; null clears it. */
  show(order: Order | null): void {
    window.clearTimeout(this.#timer);
    this.#asked.abort();
    if (!order) return this.#tell("");
    this.#place.classList.add("stale");
    this.#timer = window.setTimeout(() => void this.#ask(order), WAIT_MILLISECONDS);
  }

  async #ask(order: Order): Promise<void> {
    const { signal } = (this.#asked = new AbortController());
    try {
      const estimate = await estimateOrder(order, signal);
      if (!signal.aborted) this.#tell(estimateInWords(estimate), warningsInWords(estimate, this.#titleOf));
    } catch (error) {
      // What the service cannot do now is told when the order is sent; a wrong order is told at once.
      const isWrong = error instanceof ProblemError && error.problem.status === BAD_REQUEST;
      if (!signal.aborted) this.#tell(isWrong ? sentences(error.problem) : "");
    }
  }

  #tell(text: string, warnings: string[] = []): void {
    this.#place.classList.remove("stale");
    element("estimate-text").textContent = text;
    element("estimate-warnings").replaceChildren(...warnings.map((warning) => make("li", {}, warning)));
    const details = element<HTMLDetailsElement>("estimate-details");
    details.hidden = warnings.length === 0;
    element("estimate-summary").textContent = `What to know beforehand (${warnings.length})`;
  }
}
