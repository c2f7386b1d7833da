/** Above the button: what a request would give, layer by layer, asked again after each change. */

import { render, type JSX } from "preact";

import { ProblemError } from "./api/call.ts";
import { estimateOrder, readLimits, type Limits } from "./api/estimates.ts";
import type { Order } from "./api/requests.ts";
import { bytesInWords, countInWords, estimateInWords, type Estimate } from "./estimate.ts";
import { excessInWords, excessOf, usedUp, type Limit } from "./limits.ts";
import { element } from "./page.ts";
import { clearForeseen, isTold, sentences, showForeseen } from "./problems.ts";
import { number, t } from "./words.ts";

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
  readonly #place = element("estimate");
  #timer: number | undefined;
  #slowTimer: number | undefined;
  #asked = new AbortController();

  constructor(titleOf: (id: string) => string, onLimits: (limits: Limits) => void) {
    this.#titleOf = titleOf;
    this.#onLimits = onLimits;
  }

  /** Ask for the estimate of an order in a moment, and dim the last one until then; null clears it. */
  show(order: Order | null): void {
    window.clearTimeout(this.#timer);
    window.clearTimeout(this.#slowTimer);
    this.#asked.abort();
    clearForeseen();
    if (!order) return this.#tell("");
    this.#place.classList.add("stale");
    this.#timer = window.setTimeout(() => void this.#ask(order), WAIT_MILLISECONDS);
    this.#slowTimer = window.setTimeout(() => this.#tell(COUNTING), SLOW_MILLISECONDS);
  }

  async #ask(order: Order): Promise<void> {
    const { signal } = (this.#asked = new AbortController());
    try {
      const [estimate, limits] = await Promise.all([estimateOrder(order, signal), this.#limits(signal)]);
      if (!signal.aborted) this.#tell(estimateInWords(estimate), estimate, limits);
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
      return this.#tell(isBeside ? t("This cannot be had as it is: see above.") : sentences(problem));
    }
    this.#tell(isTold(problem) ? "" : NOT_COUNTED);
    this.#timer = window.setTimeout(() => void this.#ask(order), AGAIN_MILLISECONDS);
  }

  #tell(text: string, estimate?: Estimate, limits: Limit[] = []): void {
    window.clearTimeout(this.#slowTimer);
    this.#place.classList.remove("stale");
    // Set only when it changes: a screen reader speaks each setting.
    const place = element("estimate-text");
    if (place.textContent !== text) place.textContent = text;
    const excess = estimate ? excessInWords(excessOf(estimate, limits)) : "";
    const own = [excess, ...usedUp(limits)].filter(Boolean);
    render(<Notes texts={[...(estimate?.notes ?? []), ...own]} />, element("estimate-notes"));
    const hasLayers = estimate !== undefined && estimate.layers.some(({ warnings }) => warnings.length > 0 || estimate.layers.length > 1);
    const details = element<HTMLDetailsElement>("estimate-details");
    details.hidden = !hasLayers;
    const count = estimate?.layers.reduce((sum, { warnings }) => sum + warnings.length, 0) ?? 0;
    element("estimate-summary").textContent = count > 0 ? t("Layer by layer, with what to know ({count})", { count: number(count) }) : t("Layer by layer");
    render(hasLayers ? <Layers estimate={estimate} titleOf={this.#titleOf} /> : null, element("estimate-layers"));
  }
}

function Notes({ texts }: { texts: string[] }): JSX.Element {
  return <>{texts.map((text) => <li key={text}>{text}</li>)}</>;
}

function Layers({ estimate, titleOf }: { estimate: Estimate; titleOf: (id: string) => string }): JSX.Element {
  return (
    <dl>
      {estimate.layers.map((layer) => (
        <div key={layer.name}>
          <dt><bdi>{titleOf(layer.name)}</bdi></dt>
          <dd>{layer.features === 0 ? countInWords(layer) : `${countInWords(layer)}, ${bytesInWords(layer.size_bytes)}`}</dd>
          {layer.features > 0 && layer.warnings.map((warning) => <dd key={warning} class="quiet-text">{warning}</dd>)}
        </div>
      ))}
    </dl>
  );
}
