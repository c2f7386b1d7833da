/** What is chosen of a layer besides the layer: the fields to keep, and which features. */

/** A field of a layer, its type in the service's words, such as "str:80". */
export interface Field {
  name: string;
  type: string;
}

/** A filter as the service takes it: CQL2 as text, or as JSON. */
export type Cql2 = string | object;

/** One layer of a request that is asked for in part; what is absent is not restricted. */
export interface LayerInput {
  name: string;
  fields?: string[];
  filter?: Cql2;
}

/** What the fields of a kind can be compared with. */
export type Kind = "text" | "number" | "flag" | "time" | "other";

const KINDS: [prefix: string, kind: Kind][] = [
  ["str", "text"], ["int", "number"], ["float", "number"], ["bool", "flag"], ["date", "time"],
];

const MOST_PARTS = 200;
const MOST_FIELDS = 1000;
const MOST_NAME = 300;
const MOST_FILTER = 10_000;
const LAYER_ID = /^[a-z0-9][a-z0-9_-]{0,62}$/;

export function kindOf(type: string): Kind {
  return KINDS.find(([prefix]) => type.startsWith(prefix))?.[1] ?? "other";
}

/** What of a list from anywhere can be the parts of a request; the rest is passed over. */
export function readParts(text: string): LayerInput[] {
  try {
    const found: unknown = JSON.parse(text);
    return Array.isArray(found) ? found.slice(0, MOST_PARTS).map(readPart).filter((part) => part !== null) : [];
  } catch {
    return [];
  }
}

function readPart(value: unknown): LayerInput | null {
  if (typeof value !== "object" || value === null) return null;
  const { name, fields, filter } = value as Record<string, unknown>;
  if (typeof name !== "string" || !LAYER_ID.test(name)) return null;
  const part = { name, ...(areNames(fields) ? { fields } : {}), ...(isFilter(filter) ? { filter } : {}) };
  return part.fields || part.filter ? part : null;
}

function areNames(value: unknown): value is string[] {
  const isName = (name: unknown): boolean => typeof name === "string" && name.length <= MOST_NAME;
  return Array.isArray(value) && value.length <= MOST_FIELDS && value.every(isName);
}

function isFilter(value: unknown): value is Cql2 {
  if (typeof value === "string") return value !== "" && value.length <= MOST_FILTER;
  return typeof value === "object" && value !== null && !Array.isArray(value) && JSON.stringify(value).length <= MOST_FILTER;
}
