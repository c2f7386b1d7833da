/** What became of each layer, in plain words. */

import type { Report } from "../api.ts";

export interface LayerWords {
  title: string;
  /** How many features, or that it is missing. */
  count: string;
  isMissing: boolean;
  notes: string[];
}

/** What is missing comes first; what concerns the area is told apart. */
export function reportInWords(report: Report, titleOf: (id: string) => string): LayerWords[] {
  const missing = report.missing.map(({ name, message, hint }): LayerWords => {
    return { title: titleOf(name), count: "not in the files", isMissing: true, notes: [message, hint].filter(isText) };
  });
  const layers = report.layers.map(({ name, features_written, renamed_fields, notes }): LayerWords => {
    const renamed = Object.entries(renamed_fields).map(([old, now]) => `${old} is called ${now}`);
    return { title: titleOf(name), count: countInWords(features_written), isMissing: false, notes: [...renamed, ...notes] };
  });
  return [...missing, ...layers];
}

/** "3 features; 1 layer is missing": what is told before the report is opened. */
export function summaryOf(report: Report): string {
  const features = report.layers.reduce((sum, { features_written }) => sum + features_written, 0);
  const missing = report.missing.length;
  const changes = report.layers.reduce((sum, { renamed_fields, notes }) => sum + Object.keys(renamed_fields).length + notes.length, 0);
  return [
    countInWords(features),
    missing > 0 ? `${missing} ${missing === 1 ? "layer is" : "layers are"} missing` : "",
    changes > 0 ? "with notes" : "",
  ].filter(Boolean).join(", ");
}

function countInWords(features: number): string {
  if (features === 0) return "nothing in this area";
  return `${features.toLocaleString("en")} ${features === 1 ? "feature" : "features"}`;
}

function isText(text: string | undefined): text is string {
  return Boolean(text);
}
