/** What became of each layer, in plain words. */

import type { Report } from "../api/requests.ts";
import { t, tn } from "../words.ts";

export interface LayerWords {
  title: string;
  /** How many features, or that it is missing. */
  count: string;
  isMissing: boolean;
  notes: string[];
  /** In the service's words, which are English. */
  said: string[];
}

/** What is missing comes first; what concerns the area is told apart. */
export function reportInWords(report: Report, titleOf: (id: string) => string): LayerWords[] {
  const missing = report.missing.map(({ name, message, hint }): LayerWords => {
    return { title: titleOf(name), count: t("not in the files"), isMissing: true, notes: [], said: [message, hint].filter(isText) };
  });
  const layers = report.layers.map(({ name, features_written, renamed_fields, notes }): LayerWords => {
    const renamed = Object.entries(renamed_fields).map(([old, now]) => t("{field} is called {name}", { field: old, name: now }));
    return { title: titleOf(name), count: countInWords(features_written), isMissing: false, notes: renamed, said: notes };
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
    missing > 0 ? tn("{count} layer is missing", "{count} layers are missing", missing) : "",
    changes > 0 ? t("with notes") : "",
  ].filter(Boolean).join(", ");
}

function countInWords(features: number): string {
  if (features === 0) return t("nothing in this area");
  return tn("{count} feature", "{count} features", features);
}

function isText(text: string | undefined): text is string {
  return Boolean(text);
}
