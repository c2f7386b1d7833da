/** What the service expects a request to give, in plain words. */

export interface Estimate {
  features: number;
  /** Whether the count is the count; otherwise it is likely. */
  exact: boolean;
  size_bytes: number;
  layers: { name: string; features: number; exact: boolean; warnings: string[] }[];
  /** What concerns the whole request: a repaired area, a limit of the site that it would pass. */
  notes?: string[];
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** "25 features, about 10 kB before zipping" */
export function estimateInWords({ features, exact, size_bytes }: Estimate): string {
  if (features === 0) return exact ? "There is nothing in this area." : "There is probably nothing in this area.";
  const size = `${bytesInWords(size_bytes)} before zipping.`;
  if (!exact) return `About ${rounded(features).toLocaleString("en")} features, ${size}`;
  return `${features.toLocaleString("en")} ${features === 1 ? "feature" : "features"}, about ${size}`;
}

/** What concerns the whole, what would be lost, and which layers would be empty, each with the title of its layer. */
export function warningsInWords(estimate: Estimate, titleOf: (id: string) => string): string[] {
  const { layers, notes = [] } = estimate;
  if (layers.length === 1) return estimate.features === 0 ? notes : [...notes, ...layers[0]!.warnings];
  return [...notes, ...layers.flatMap(({ name, warnings }) => warnings.map((warning) => `${titleOf(name)}: ${warning}`))];
}

export function bytesInWords(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${rounded(bytes / 1000 ** power).toLocaleString("en")} ${UNITS[power]}`;
}

/** Two digits: a likely number promises no more. */
function rounded(number: number): number {
  return Number(number.toPrecision(2));
}
