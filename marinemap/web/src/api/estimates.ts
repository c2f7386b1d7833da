/** What can be asked for, how much of it, and what it would give. */

import type { Estimate } from "../estimate.ts";
import { formatsIn, type Format, type FormatChoices } from "../formats.ts";
import type { Letters } from "../letters.ts";
import type { Limit } from "../limits.ts";
import { api, call } from "./call.ts";
import { execute, type Order } from "./requests.ts";

export async function listFormats(): Promise<Format[]> {
  return formatsIn(await call<FormatChoices>(`${api}/processes/extract`));
}

/** What one may ask for; with to whom letters are sent, where they are. */
export interface Limits {
  limits: Limit[];
  letters?: Letters;
}

export async function readLimits(signal: AbortSignal): Promise<Limits> {
  return call<Limits>(`${api}/limits`, { signal });
}

export async function estimateOrder(order: Order, signal: AbortSignal): Promise<Estimate> {
  return execute<Estimate>("estimate", order, { signal });
}
