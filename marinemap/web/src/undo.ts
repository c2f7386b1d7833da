/** What was before, to go back to and forth again. */

const MOST_KEPT = 100;

export class Undo<T> {
  #states: T[];
  #at = 0;

  constructor(first: T) {
    this.#states = [first];
  }

  /** Take a new state; what was undone before it is forgotten. */
  push(state: T): void {
    this.#states = [...this.#states.slice(0, this.#at + 1), state].slice(-MOST_KEPT);
    this.#at = this.#states.length - 1;
  }

  get now(): T {
    return this.#states[this.#at]!;
  }

  get canUndo(): boolean {
    return this.#at > 0;
  }

  get canRedo(): boolean {
    return this.#at < this.#states.length - 1;
  }

  /** Go back, or forth by 1; return the state that is then. */
  step(by: 1 | -1): T {
    this.#at = Math.max(0, Math.min(this.#states.length - 1, this.#at + by));
    return this.#states[this.#at]!;
  }
}
