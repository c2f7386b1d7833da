/** How the service is. */

import { root } from "./call.ts";

/** A server that is silent for so long is not there. */
const HEALTH_MILLISECONDS = 4000;

/** How the service is, as far as it says. */
export interface Health {
  status?: string;
  workers?: number;
}

/** Ask how the service is. Not being healthy is an answer too. */
export async function readHealth(): Promise<Health> {
  const response = await fetch(`${root}healthz`, { cache: "no-store", signal: AbortSignal.timeout(HEALTH_MILLISECONDS) });
  return (await response.json().catch(() => ({}))) as Health;
}
