/** How the service is. */

import { root } from "./call.ts";

/** A server that is silent for so long is not there. */
const HEALTH_MILLISECONDS = 4000;
/** Of a proxy behind which nobody answers, as are 503 and 504. */
const BAD_GATEWAY = 502;

/** How the service is, as far as it says. */
export interface Health {
  status?: string;
  workers?: number;
}

/** Ask how the service is. Not being healthy is an answer too, but that of a proxy in its place is none. */
export async function readHealth(): Promise<Health> {
  const response = await fetch(`${root}healthz`, { cache: "no-store", signal: AbortSignal.timeout(HEALTH_MILLISECONDS) });
  const health = (await response.json().catch(() => null)) as Health | null;
  if (!health && response.status >= BAD_GATEWAY) throw new Error("Nobody is behind the proxy.");
  return health ?? {};
}
