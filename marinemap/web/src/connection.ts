/** Whether the service is reached, and works: looked at again and again, told for as long as it is not so. */

import { UNREACHABLE } from "./api/call.ts";
import { readHealth, type Health } from "./api/health.ts";
import { announce, element } from "./page.ts";
import { t } from "./words.ts";

/** While somebody uses the page, and while nobody does. */
const USED_MILLISECONDS = 3000;
const UNUSED_MILLISECONDS = 30_000;
const NO_WORKER =
  t("The service is not working on requests at the moment. Yours are kept and run when its worker is back.");
const NO_ROOM =
  t("The service has no room for results at the moment. Your requests are kept and run when there is room again.");
const BACK = t("The connection is back.");

export class Connection {
  readonly #onBack: () => void;
  readonly #onWorker: (isThere: boolean) => void;
  #timer: number | undefined;
  #isLost = false;

  constructor(onBack: () => void, onWorker: (isThere: boolean) => void) {
    this.#onBack = onBack;
    this.#onWorker = onWorker;
  }

  start(): void {
    document.addEventListener(UNREACHABLE, () => void this.check());
    window.addEventListener("offline", () => this.#show(null));
    window.addEventListener("online", () => void this.check());
    window.addEventListener("focus", () => void this.check());
    void this.check();
  }

  /** Look now, and from then on. */
  async check(): Promise<void> {
    window.clearTimeout(this.#timer);
    this.#show(await readHealth().catch(() => null));
    const isUsed = this.#isLost || (!document.hidden && document.hasFocus());
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.check(), isUsed ? USED_MILLISECONDS : UNUSED_MILLISECONDS);
  }

  #show(health: Health | null): void {
    const wasLost = this.#isLost;
    this.#isLost = health === null;
    element("offline").hidden = !this.#isLost;
    if (health) this.#onWorker(health.workers !== 0);
    if (health) tellPause(health.workers === 0 ? NO_WORKER : health.status === "no room" ? NO_ROOM : "");
    if (!wasLost || this.#isLost) return;
    announce(BACK);
    this.#onBack();
  }
}

function tellPause(text: string): void {
  const place = element("paused");
  // Set only when it changes: a screen reader speaks each setting.
  if (place.textContent !== text) place.textContent = text;
  place.hidden = text === "";
}
