/** What the service expects a request to give, in plain words. */

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

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** "25 features, about 10 kB before zipping" */
export function estimateInWords({ features, exact, size_bytes }: Estimate): string {
  if (features === 0) return exact ? "There is nothing in this area." : "There is probably nothing in this area.";
  const size = `${bytesInWords(size_bytes)} before zipping.`;
  const count = countInWords({ features, exact });
  return exact ? `${count}, about ${size}` : `A${count.slice(1)}, ${size}`;
}

/** "25 features", "about 1,200 features", "nothing here" */
export function countInWords({ features, exact }: { features: number; exact: boolean }): string {
  if (features === 0) return exact ? "nothing in this area" : "probably nothing in this area";
  const count = exact ? features : rounded(features);
  return `${exact ? "" : "about "}${count.toLocaleString("en")} ${count === 1 ? "feature" : "features"}`;
}

export function bytesInWords(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${rounded(bytes / 1000 ** power).toLocaleString("en")} ${UNITS[power]}`;
}

/** Two digits: a likely number promises no more. */
function rounded(number: number): number {
  return Number(number.toPrecision(2));
}
