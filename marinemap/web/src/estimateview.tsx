/** Above the button: what a request would give, layer by layer, asked again after each change. */

import { render } from "preact";

import { ProblemError } from "./api/call.ts";
import { estimateOrder, readLimits, type Limits } from "./api/estimates.ts";
import type { Order } from "./api/requests.ts";
import { estimateInWords } from "./estimate.ts";
import { EstimateBox, type Told } from "./estimatebox.tsx";
import { excessInWords, excessOf, usedUp, type Limit } from "./limits.ts";
import { element } from "./page.ts";
import { clearForeseen, isTold, sentences, showForeseen } from "./problems.ts";
import { t } from "./words.ts";

/** Long enough for a corner to be dragged or a second layer to be ticked. */
const WAIT_MILLISECONDS = 400;
/** Then it is told that it takes time. */
const SLOW_MILLISECONDS = 1200;
const AGAIN_MILLISECONDS = 5000;
const BAD_REQUEST = 400;
const COUNTING = t("Counting what is in the area … You can ask without waiting for it.");
const NOT_COUNTED = t("What is in the area cannot be counted just now. You can ask all the same.");

export class EstimateView {
  readonly #titleOf: (id: string) => string;
  readonly #onLimits: (limits: Limits) => void;
  #told: Told = { text: "" };
  #timer: number | undefined;
  #slowTimer: number | undefined;
  #asked = new AbortController();

  constructor(titleOf: (id: string) => string, onLimits: (limits: Limits) => void) {
    this.#titleOf = titleOf;
    this.#onLimits = onLimits;
    this.#tell(this.#told);
  }

  /** Ask for the estimate of an order in a moment, and dim the last one until then; null clears it. */
  show(order: Order | null): void {
    window.clearTimeout(this.#timer);
    window.clearTimeout(this.#slowTimer);
    this.#asked.abort();
    clearForeseen();
    if (!order) return this.#tell({ text: "" });
    this.#tell({ ...this.#told, isStale: true });
    this.#timer = window.setTimeout(() => void this.#ask(order), WAIT_MILLISECONDS);
    this.#slowTimer = window.setTimeout(() => this.#tell({ text: COUNTING }), SLOW_MILLISECONDS);
  }

  async #ask(order: Order): Promise<void> {
    const { signal } = (this.#asked = new AbortController());
    try {
      const [estimate, limits] = await Promise.all([estimateOrder(order, signal), this.#limits(signal)]);
      const notes = [excessInWords(excessOf(estimate, limits)), ...usedUp(limits)].filter(Boolean);
      if (!signal.aborted) this.#tell({ text: estimateInWords(estimate), estimate, notes });
    } catch (error) {
      if (!signal.aborted) this.#tellProblem(error, order);
    }
  }

  async #limits(signal: AbortSignal): Promise<Limit[]> {
    const told = await readLimits(signal).catch(() => null);
    if (told) this.#onLimits(told);
    return told?.limits ?? [];
  }

  #tellProblem(error: unknown, order: Order): void {
    const problem = error instanceof ProblemError ? error.problem : {};
    if (problem.status === BAD_REQUEST) {
      const isBeside = showForeseen(problem);
      return this.#tell({ text: isBeside ? t("This cannot be had as it is: see above.") : sentences(problem) });
    }
    this.#tell({ text: isTold(problem) ? "" : NOT_COUNTED });
    this.#timer = window.setTimeout(() => void this.#ask(order), AGAIN_MILLISECONDS);
  }

  #tell(told: Told): void {
    if (!told.isStale) window.clearTimeout(this.#slowTimer);
    this.#told = told;
    render(<EstimateBox told={told} titleOf={this.#titleOf} />, element("estimate"));
  }
}
