/** The values that fields have, asked from the service when somebody is to choose among them. */

import { readValues, type FieldValues } from "../api/layers.ts";

/** Of a field whose values the service could not tell. */
const UNKNOWN: FieldValues = { values: [], distinct: 0, missing: 0, lookedAt: 0, complete: false };

export class KnownValues {
  readonly #onTold: () => void;
  readonly #found = new Map<string, FieldValues | null>();

  constructor(onTold: () => void) {
    this.#onTold = onTold;
  }

  /** Return the values of a field; null while they are not known, and then they are asked for. */
  of(layerId: string, field: string): FieldValues | null {
    const key = `${layerId}/${field}`;
    if (!this.#found.has(key)) void this.#ask(key, layerId, field);
    return this.#found.get(key) ?? null;
  }

  /** Ask anew for the values of a layer: its data changed. */
  forget(layerId: string): void {
    for (const key of this.#found.keys()) if (key.startsWith(`${layerId}/`)) this.#found.delete(key);
  }

  async #ask(key: string, layerId: string, field: string): Promise<void> {
    this.#found.set(key, null);
    try {
      this.#found.set(key, await readValues(layerId, field));
    } catch {
      // A value can be typed all the same.
      this.#found.set(key, UNKNOWN);
    }
    this.#onTold();
  }
}
