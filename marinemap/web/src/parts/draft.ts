/** A filter while it is built: conditions on fields, or CQL2 as somebody wrote it. */

import type { Cql2, Kind } from "./part.ts";

export type Operator = "in" | "=" | "<>" | "<" | "<=" | ">" | ">=" | "between" | "contains" | "begins" | "isNull" | "isThere";

/** One line of a filter; values as they are typed. */
export interface Condition {
  field: string;
  operator: Operator;
  values: string[];
}

export interface Built {
  joined: "and" | "or";
  conditions: Condition[];
}

/** What is being built; a filter that conditions cannot tell is kept as it was written. */
export type Draft = Built | { written: string };

/** How a field is compared, by its kind; the first is there at the beginning. */
export const OPERATORS: Record<Kind, readonly Operator[]> = {
  text: ["in", "=", "<>", "contains", "begins", "isNull", "isThere"],
  number: ["=", "<>", "<", "<=", ">", ">=", "between", "in", "isNull", "isThere"],
  time: ["=", "<", ">", "between", "isNull", "isThere"],
  flag: ["=", "isNull", "isThere"],
  other: ["isThere", "isNull"],
};

export type KindOfField = (field: string) => Kind;

/** Return the filter that a draft is: null where there is none, undefined while something is missing. */
export function filterOf(draft: Draft, kindOf: KindOfField): Cql2 | null | undefined {
  if ("written" in draft) return writtenFilter(draft.written);
  const found = draft.conditions.map((condition) => conditionToJson(condition, kindOf(condition.field)));
  if (found.includes(undefined)) return undefined;
  const args = found as object[];
  return args.length > 1 ? { op: draft.joined, args } : (args[0] ?? null);
}

/** Return a filter as conditions where it is made of them, else as it is written. */
export function draftOf(filter: Cql2 | null, kindOf: KindOfField): Draft {
  if (filter === null) return { joined: "and", conditions: [] };
  const built = builtOf(filter);
  // What would come out as another filter is left as it was written.
  if (built && isSame(filterOf(built, kindOf), filter)) return built;
  return { written: typeof filter === "string" ? filter : JSON.stringify(filter) };
}

/** How many values a comparison takes; null for as many as are chosen. */
export function valuesOf(operator: Operator): number | null {
  if (operator === "in") return null;
  if (operator === "isNull" || operator === "isThere") return 0;
  return operator === "between" ? 2 : 1;
}

/** Return the conditions that CQL2 as JSON consists of; null where it is anything else. */
export function builtOf(filter: Cql2): Built | null {
  const { op, args } = node(filter);
  const isJoined = (op === "and" || op === "or") && args.length > 0;
  const conditions = (isJoined ? args : [filter]).map(conditionFromJson);
  if (conditions.includes(null)) return null;
  return { joined: isJoined && op === "or" ? "or" : "and", conditions: conditions as Condition[] };
}

function writtenFilter(text: string): Cql2 | null {
  const trimmed = text.trim();
  if (!trimmed.startsWith("{")) return trimmed || null;
  try {
    return JSON.parse(trimmed) as object;
  } catch {
    // The service says what is wrong with it.
    return trimmed;
  }
}

function conditionToJson({ field, operator, values }: Condition, kind: Kind): object | undefined {
  const property = { property: field };
  const literals = values.map((value) => literal(value, kind));
  const count = valuesOf(operator);
  if (count === null ? literals.length === 0 : literals.length !== count) return undefined;
  if (literals.includes(undefined)) return undefined;
  if (operator === "isNull") return { op: "isNull", args: [property] };
  if (operator === "isThere") return { op: "not", args: [{ op: "isNull", args: [property] }] };
  if (operator === "in") return { op: "in", args: [property, literals] };
  if (operator === "contains") return like(property, `%${escaped(values[0]!)}%`);
  if (operator === "begins") return like(property, `${escaped(values[0]!)}%`);
  return { op: operator, args: [property, ...literals] };
}

function literal(text: string, kind: Kind): unknown {
  if (kind === "number") return numberIn(text);
  if (kind === "flag") return text === "true" || text === "false" ? text === "true" : undefined;
  if (kind === "time") return /^\d{4}-\d\d-\d\d$/.test(text) ? { date: text } : undefined;
  return text === "" ? undefined : text;
}

/** A comma may be one of thousands or of decimals: it is no number here, nor is what JavaScript would round. */
function numberIn(text: string): number | undefined {
  const isNumber = /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(text) && Number.isFinite(Number(text));
  const isRounded = /^\s*[-+]?\d+\s*$/.test(text) && !Number.isSafeInteger(Number(text));
  return isNumber && !isRounded ? Number(text) : undefined;
}

function like(property: object, pattern: string): object {
  return { op: "like", args: [{ op: "casei", args: [property] }, { op: "casei", args: [pattern] }] };
}

function escaped(text: string): string {
  return text.replace(/[\\%_]/g, "\\$&");
}

function conditionFromJson(value: unknown): Condition | null {
  const { op, args } = node(value);
  if (op === "not") {
    const inner = conditionFromJson(args[0]);
    return inner?.operator === "isNull" && args.length === 1 ? { ...inner, operator: "isThere" } : null;
  }
  if (op === "like") return likeFromJson(args);
  const field = fieldOf(args[0]);
  const isKnown = op === "isNull" || op === "in" || op === "between" || OPERATORS.number.includes(op as Operator);
  if (field === null || !isKnown) return null;
  const literals = op === "in" && Array.isArray(args[1]) ? args[1] : args.slice(1);
  const values = literals.map(textOf);
  return values.includes(null) ? null : { field, operator: op as Operator, values: values as string[] };
}

function likeFromJson([left, right]: unknown[]): Condition | null {
  const [property, pattern] = [node(left), node(right)];
  const field = property.op === "casei" ? fieldOf(property.args[0]) : null;
  const [text] = pattern.args;
  if (field === null || pattern.op !== "casei" || typeof text !== "string" || !text.endsWith("%")) return null;
  const isInside = text.startsWith("%") && text.length > 1;
  const plain = text.slice(isInside ? 1 : 0, -1).replace(/\\([\\%_])/g, "$1");
  return { field, operator: isInside ? "contains" : "begins", values: [plain] };
}

function fieldOf(value: unknown): string | null {
  const { property } = (typeof value === "object" ? value : null) as { property?: unknown } ?? {};
  return typeof property === "string" ? property : null;
}

function textOf(value: unknown): string | null {
  if (["string", "number", "boolean"].includes(typeof value)) return String(value);
  const { date } = (typeof value === "object" ? value : null) as { date?: unknown } ?? {};
  return typeof date === "string" ? date : null;
}

function node(value: unknown): { op: string; args: unknown[] } {
  const { op, args } = (typeof value === "object" ? value : null) as { op?: unknown; args?: unknown } ?? {};
  return { op: typeof op === "string" ? op : "", args: Array.isArray(args) ? args : [] };
}

/** Members of an object may come in any order. */
function isSame(one: unknown, other: unknown): boolean {
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return one === other;
  const [names, others] = [Object.keys(one), Object.keys(other)];
  const at = (of: object, name: string): unknown => (of as Record<string, unknown>)[name];
  return names.length === others.length && names.every((name) => name in other && isSame(at(one, name), at(other, name)));
}
