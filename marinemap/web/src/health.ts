/** Whether somebody works on requests at the moment. */

import { countWorkers } from "./api.ts";
import { element } from "./page.ts";

const CHECK_MILLISECONDS = 30_000;
const NO_WORKER =
  "The service is not working on requests at the moment. Yours are kept and run when its worker is back.";
const NOT_REACHED = "The service cannot be reached at the moment. This page keeps trying.";

/** Tell people, and go on telling, while requests are only being kept. */
export async function watchHealth(): Promise<void> {
  await checkHealth();
  setTimeout(() => void watchHealth(), CHECK_MILLISECONDS);
}

export async function checkHealth(): Promise<void> {
  try {
    show((await countWorkers()) === 0 ? NO_WORKER : "");
  } catch {
    show(NOT_REACHED);
  }
}

function show(text: string): void {
  const place = element("paused");
  // Set only when it changes: a screen reader speaks each setting.
  if (place.textContent !== text) place.textContent = text;
  place.hidden = text === "";
}
