/** So many at once, the others in turn. */

/** A browser has six connections to a host; what people ask for must not wait until the map is there. */
const MOST_AT_ONCE = 4;

export class Turns {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Do something when it is its turn; what was given up meanwhile is not begun. */
  async take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#taken >= this.#most) await new Promise<void>((begin) => this.#waiting.push(begin));
    else this.#taken += 1;
    try {
      signal?.throwIfAborted();
      return await work();
    } finally {
      this.#pass();
    }
  }

  /** Give the turn to the next, if there is one. */
  #pass(): void {
    const begin = this.#waiting.shift();
    if (begin) begin();
    else this.#taken -= 1;
  }
}

/** Whatever the map reads takes turns here. */
export const mapTurns = new Turns(MOST_AT_ONCE);
