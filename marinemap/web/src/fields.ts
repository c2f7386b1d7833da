/** The fields of a feature as text. */

import { t } from "./words.ts";

export type Field = [name: string, value: string];

const NO_VALUE = "–";

/** Numbers stand as the data have them: 2024 may be a year, and 1.50 was never there. */
export function fieldsInWords(properties: Record<string, unknown> | null): Field[] {
  return Object.entries(properties ?? {}).map(([name, value]) => [name, valueInWords(value)]);
}

function valueInWords(value: unknown): string {
  if (value === null || value === undefined || value === "") return NO_VALUE;
  if (typeof value === "boolean") return value ? t("yes") : t("no");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
