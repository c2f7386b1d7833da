/** What is chosen of layers, in plain words. */

import { builtOf, type Condition, type Operator } from "./draft.ts";
import type { Cql2, LayerInput } from "./part.ts";
import { t, tn } from "../words.ts";

export const OPERATOR_WORDS: Record<Operator, string> = {
  in: t("is one of"),
  "=": t("is"),
  "<>": t("is not"),
  "<": t("is less than"),
  "<=": t("is at most"),
  ">": t("is more than"),
  ">=": t("is at least"),
  between: t("is between"),
  contains: t("contains"),
  begins: t("begins with"),
  isNull: t("has no value"),
  isThere: t("has a value"),
};
/** Of days, where "less" is odd. */
export const TIME_WORDS: Partial<Record<Operator, string>> = { "=": t("is on"), "<": t("is before"), ">": t("is after") };

const JOINED = { and: t("and"), or: t("or") };
/** So many values are named, and so much of each. */
const MOST_NAMED = 3;
const MOST_CHARACTERS = 40;

/** "2 fields, where depth is at least 20"; empty where all of the layer is wanted. */
export function partInWords({ fields, filter }: Pick<LayerInput, "fields" | "filter">, ofHowMany?: number): string {
  return [fields && fieldsInWords(fields, ofHowMany), filter && filterInWords(filter)].filter(Boolean).join(", ");
}

function fieldsInWords(fields: string[], ofHowMany?: number): string {
  if (fields.length === 0) return t("no fields");
  if (ofHowMany === undefined) return tn("{count} field", "{count} fields", fields.length);
  return tn("{kept} of {count} field", "{kept} of {count} fields", ofHowMany, { kept: fields.length });
}

function filterInWords(filter: Cql2): string {
  const built = builtOf(filter);
  if (!built) return t("filtered");
  const conditions = built.conditions.map(conditionInWords).join(` ${JOINED[built.joined]} `);
  return t("where {conditions}", { conditions });
}

function conditionInWords({ field, operator, values }: Condition): string {
  const more = values.length - MOST_NAMED;
  const names = values.slice(0, MOST_NAMED).map(shortened);
  const named = more > 0
    ? tn("{values} and {count} more", "{values} and {count} more", more, { values: names.join(", ") })
    : names.join(operator === "between" ? ` ${JOINED.and} ` : ", ");
  const compared = operator === "in" && values.length === 1 ? "=" : operator;
  return [field, OPERATOR_WORDS[compared], named].filter(Boolean).join(" ");
}

function shortened(value: string): string {
  return value.length > MOST_CHARACTERS ? `${value.slice(0, MOST_CHARACTERS - 1)}…` : value;
}
