/** What one may ask for, as far as it is passed or used up, with the way out. */

import type { Estimate } from "./estimate.ts";
import { declared, number, t } from "./words.ts";

export interface Limit {
  id: string;
  title: string;
  most: number;
  used?: number;
  unit: string;
}

/** What one extract may have, by the ids of the service's limits. */
const OF_ONE_EXTRACT: Record<string, (estimate: Estimate) => number> = {
  "run-features": ({ features }) => features,
  "run-bytes": ({ size_bytes }) => size_bytes,
};

/** How many times too large a request is: above 1 it would be refused. */
export function excessOf(estimate: Estimate, limits: readonly Limit[]): number {
  const shares = limits.map(({ id, most }) => (OF_ONE_EXTRACT[id]?.(estimate) ?? 0) / most);
  return Math.max(0, ...shares);
}

export function excessInWords(excess: number): string {
  if (excess <= 1) return "";
  if (excess < 2) return t("That is {share} % too much.", { share: number(Math.ceil((excess - 1) * 100)) });
  return t("That is {times} times too much.", { times: number(Number(excess.toPrecision(2))) });
}

/** What is used up, so that nothing more can be asked for now. */
export function usedUp(limits: readonly Limit[]): string[] {
  return limits.filter(({ used, most }) => used !== undefined && used >= most).map(({ id, title, used, most, unit }) => {
    const wayOut = id.startsWith("waiting") ? t("Wait until one has ended, or cancel one.") : t("Ask again tomorrow.");
    const words = t("{limit}: {used} of {most} {unit}.", { limit: declared(title), used: number(used!), most: number(most), unit: declared(unit) });
    return `${words} ${wayOut}`;
  });
}
