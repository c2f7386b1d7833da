/** Whether somebody works on requests at the moment. */

import { readHealth } from "./api.ts";
import { element } from "./page.ts";

const CHECK_MILLISECONDS = 30_000;
const NO_WORKER =
  "The service is not working on requests at the moment. Yours are kept and run when its worker is back.";
const NO_ROOM =
  "The service has no room for results at the moment. Your requests are kept and run when there is room again.";
const NOT_REACHED = "The service cannot be reached at the moment. This page keeps trying.";

/** Tell people, and go on telling, while requests are only being kept. */
export async function watchHealth(): Promise<void> {
  await checkHealth();
  setTimeout(() => void watchHealth(), CHECK_MILLISECONDS);
}

export async function checkHealth(): Promise<void> {
  try {
    const { status, workers } = await readHealth();
    show(workers === 0 ? NO_WORKER : status === "no room" ? NO_ROOM : "");
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
