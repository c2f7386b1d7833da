import assert from "node:assert/strict";
import { test } from "node:test";

import { draftOf, filterOf, type Condition, type Draft } from "./draft.ts";
import type { Cql2, Kind } from "./part.ts";

const KINDS: Record<string, Kind> = { name: "text", depth: "number", day: "time", open: "flag", tags: "other" };
const kindOf = (field: string): Kind => KINDS[field] ?? "other";
const compiled = (...conditions: Condition[]): Cql2 | null | undefined => filterOf({ joined: "and", conditions }, kindOf);

test("each comparison is a filter, and the filter is that comparison again", () => {
  const conditions: Condition[] = [
    { field: "name", operator: "in", values: ["Ålesund", "50 %"] },
    { field: "name", operator: "contains", values: ["100%_\\'"] },
    { field: "name", operator: "begins", values: ["a"] },
    { field: "name", operator: "<>", values: ["5"] },
    { field: "depth", operator: "between", values: ["-1.5", "20"] },
    { field: "depth", operator: "in", values: ["1", "2"] },
    { field: "day", operator: "<", values: ["2026-01-31"] },
    { field: "open", operator: "=", values: ["false"] },
    { field: "tags", operator: "isThere", values: [] },
    { field: "name", operator: "isNull", values: [] },
  ];
  for (const condition of conditions) {
    const filter = compiled(condition)!;
    assert.deepEqual(draftOf(filter, kindOf), { joined: "and", conditions: [condition] });
  }
  const all: Draft = { joined: "or", conditions };
  assert.deepEqual(draftOf(filterOf(all, kindOf)!, kindOf), all);
});

test("values are of the field's kind", () => {
  assert.deepEqual(compiled({ field: "depth", operator: ">=", values: ["20"] }), { op: ">=", args: [{ property: "depth" }, 20] });
  assert.deepEqual(compiled({ field: "name", operator: "=", values: ["20"] }), { op: "=", args: [{ property: "name" }, "20"] });
  assert.deepEqual(compiled({ field: "day", operator: "=", values: ["2026-01-31"] }), { op: "=", args: [{ property: "day" }, { date: "2026-01-31" }] });
});

test("what is not complete is no filter yet", () => {
  for (const [field, operator, ...values] of [["name", "in"], ["name", "="], ["name", "=", ""], ["depth", "<", "1,5"], ["depth", "=", "9007199254740993"], ["depth", "between", "1", ""], ["day", "=", "soon"], ["open", "=", ""]]) {
    assert.equal(compiled({ field, operator, values } as Condition), undefined, `${field} ${operator} ${values}`);
  }
  assert.equal(compiled(), null);
  assert.equal(filterOf({ written: "  " }, kindOf), null);
});

test("a filter of another kind is kept as it was written", () => {
  const filters: Cql2[] = [
    "depth > 20 AND name LIKE 'R%'",
    { op: "and", args: [{ op: "or", args: [{ op: "isNull", args: [{ property: "name" }] }] }, { op: ">", args: [{ property: "depth" }, 1] }] },
    { op: ">", args: [{ op: "+", args: [{ property: "depth" }, 1] }, 2] },
    { op: "=", args: [{ property: "depth" }, "20"] },
    { op: "=", args: [1, { property: "depth" }] },
    { op: "like", args: [{ op: "casei", args: [{ property: "name" }] }, { op: "casei", args: ["a_%"] }] },
    { op: "=", args: [{ property: "day" }, { timestamp: "2026-01-31T12:00:00Z" }] },
    { op: "and", args: [] },
    {},
  ];
  for (const filter of filters) {
    const draft = draftOf(filter, kindOf);
    assert.ok("written" in draft, JSON.stringify(filter));
    assert.deepEqual(filterOf(draft, kindOf), filter);
  }
});
