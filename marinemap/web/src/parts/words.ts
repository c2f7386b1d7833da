/** What is chosen of layers, in plain words. */

import { builtOf, type Condition, type Operator } from "./draft.ts";
import type { Cql2, LayerInput } from "./part.ts";

export const OPERATOR_WORDS: Record<Operator, string> = {
  in: "is one of",
  "=": "is",
  "<>": "is not",
  "<": "is less than",
  "<=": "is at most",
  ">": "is more than",
  ">=": "is at least",
  between: "is between",
  contains: "contains",
  begins: "begins with",
  isNull: "has no value",
  isThere: "has a value",
};
/** Of days, where "less" is odd. */
export const TIME_WORDS: Partial<Record<Operator, string>> = { "=": "is on", "<": "is before", ">": "is after" };

const JOINED = { and: " and ", or: " or " };
/** So many values are named. */
const MOST_NAMED = 3;

/** "2 fields, where depth is at least 20"; empty where all of the layer is wanted. */
export function partInWords({ fields, filter }: Pick<LayerInput, "fields" | "filter">, ofHowMany?: number): string {
  return [fields && fieldsInWords(fields, ofHowMany), filter && filterInWords(filter)].filter(Boolean).join(", ");
}

function fieldsInWords(fields: string[], ofHowMany?: number): string {
  if (fields.length === 0) return "no fields";
  const count = ofHowMany === undefined ? `${fields.length}` : `${fields.length} of ${ofHowMany}`;
  return `${count} ${(ofHowMany ?? fields.length) === 1 ? "field" : "fields"}`;
}

function filterInWords(filter: Cql2): string {
  const built = builtOf(filter);
  return built ? `where ${built.conditions.map(conditionInWords).join(JOINED[built.joined])}` : "filtered";
}

function conditionInWords({ field, operator, values }: Condition): string {
  const named = values.length > MOST_NAMED ? `${values.slice(0, MOST_NAMED).join(", ")} and ${values.length - MOST_NAMED} more` : values.join(operator === "between" ? " and " : ", ");
  const compared = operator === "in" && values.length === 1 ? "=" : operator;
  return [field, OPERATOR_WORDS[compared], named].filter(Boolean).join(" ");
}
