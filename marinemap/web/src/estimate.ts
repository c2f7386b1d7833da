/** What the service expects a request to give, in plain words. */

import { number, t, tn } from "./words.ts";

export interface LayerEstimate {
  name: string;
  features: number;
  exact: boolean;
  size_bytes: number;
  warnings: string[];
}

export interface Estimate {
  features: number;
  /** Whether the count is the count; otherwise it is likely. */
  exact: boolean;
  size_bytes: number;
  layers: LayerEstimate[];
  /** What concerns the whole request: a repaired area, a limit of the site that it would pass. */
  notes?: string[];
}

const UNITS = [t("bytes"), "kB", "MB", "GB", "TB"];

/** "25 features, about 10 kB before zipping" */
export function estimateInWords({ features, exact, size_bytes }: Estimate): string {
  if (features === 0) return exact ? t("There is nothing in this area.") : t("There is probably nothing in this area.");
  const size = bytesInWords(size_bytes);
  if (exact) return tn("{count} feature, about {size} before zipping.", "{count} features, about {size} before zipping.", features, { size });
  return tn("About {count} feature, {size} before zipping.", "About {count} features, {size} before zipping.", rounded(features), { size });
}

/** "25 features", "about 1,200 features", "nothing here" */
export function countInWords({ features, exact }: { features: number; exact: boolean }): string {
  if (features === 0) return exact ? t("nothing in this area") : t("probably nothing in this area");
  if (exact) return tn("{count} feature", "{count} features", features);
  return tn("about {count} feature", "about {count} features", rounded(features));
}

export function bytesInWords(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${number(rounded(bytes / 1000 ** power))} ${UNITS[power]}`;
}

/** Two digits: a likely number promises no more. */
function rounded(number: number): number {
  return Number(number.toPrecision(2));
}
