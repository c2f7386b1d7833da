/** Keeps the page's layers as the service has them: new ones, new drawings, new data. */

import { listCollections, type Collection } from "./api/layers.ts";

/** While something is being drawn or could not be read, and otherwise. */
const HURRIED_MILLISECONDS = 3000;
const CALM_MILLISECONDS = 15_000;

export class CatalogueWatch {
  readonly #onCollections: (collections: Collection[]) => void;
  #timer: number | undefined;
  #isHurried = false;

  constructor(onCollections: (collections: Collection[]) => void) {
    this.#onCollections = onCollections;
  }

  /** Look now, and from then on; what goes wrong with the first look is thrown. */
  async start(): Promise<void> {
    document.addEventListener("visibilitychange", () => document.hidden || this.#wait(0));
    try {
      await this.#look();
    } finally {
      this.#wait();
    }
  }

  /** Look again soon. */
  hasten(): void {
    if (this.#isHurried) return;
    this.#isHurried = true;
    this.#wait();
  }

  async #look(): Promise<void> {
    const collections = await listCollections();
    this.#isHurried = collections.some(({ drawing }) => drawing);
    this.#onCollections(collections);
  }

  #wait(milliseconds = this.#isHurried ? HURRIED_MILLISECONDS : CALM_MILLISECONDS): void {
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#again(), milliseconds);
  }

  async #again(): Promise<void> {
    // Nobody looks at a hidden page; it looks when it is shown again.
    if (document.hidden) return;
    // The service may be away for a moment; the banner tells where it matters.
    await this.#look().catch(() => {});
    this.#wait();
  }
}
