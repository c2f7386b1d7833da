/** The form as a whole: whether it can be sent, and sending it. */

import { normaliseArea } from "./antimeridian.ts";
import { submitOrder, type Job, type Order } from "./api.ts";
import { densified } from "./area.ts";
import type { AreaForm } from "./areaform.ts";
import type { CrsForm } from "./crsform.ts";
import type { LayerList } from "./layers.ts";
import { element } from "./page.ts";
import { clearProblems, showAt, showProblem } from "./problems.ts";

export interface OrderParts {
  area: AreaForm;
  layers: LayerList;
  crs: CrsForm;
  onSent: (job: Job, order: Order) => void;
}

export class OrderForm {
  readonly #parts: OrderParts;
  readonly #button = element<HTMLButtonElement>("submit");
  #isSending = false;

  constructor(parts: OrderParts) {
    this.#parts = parts;
    element<HTMLFormElement>("order").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
    this.refresh();
  }

  /** Enable the button, or say in words what is still missing. */
  refresh(): void {
    const reason = this.#missing();
    this.#button.disabled = reason !== "" || this.#isSending;
    element("submit-reason").textContent = reason;
  }

  #missing(): string {
    const hasArea = this.#parts.area.ring !== null;
    const hasLayer = this.#parts.layers.ticked().length > 0;
    if (!hasArea && !hasLayer) return "Draw an area and tick at least one layer.";
    if (!hasArea) return "Draw an area first.";
    if (!hasLayer) return "Tick at least one layer.";
    return this.#parts.crs.choice === undefined ? "Type an EPSG code of four to six digits." : "";
  }

  async #send(): Promise<void> {
    const order = this.#order();
    if (!order || this.#isSending || this.#missing()) return;
    clearProblems();
    this.#setSending(true);
    try {
      this.#parts.onSent(await submitOrder(order), order);
    } catch (error) {
      showProblem(error);
    } finally {
      this.#setSending(false);
    }
  }

  #order(): Order | null {
    const { ring } = this.#parts.area;
    const { choice } = this.#parts.crs;
    if (!ring) return null;
    try {
      const area = normaliseArea(densified(ring));
      return { layers: this.#parts.layers.ticked(), area, ...(choice ? { crs: choice } : {}) };
    } catch (error) {
      showAt("area", (error as RangeError).message);
      return null;
    }
  }

  #setSending(isSending: boolean): void {
    this.#isSending = isSending;
    this.#button.textContent = isSending ? "Sending …" : "Get shapefiles";
    this.refresh();
  }
}
