/** Each component in each of its states, without a service: `npm run stories`, then build/stories/index.html. */

import { render, type ComponentChild } from "preact";

import type { Collection, FieldValues } from "../api/layers.ts";
import { setClock } from "../clock.ts";
import { EstimateBox } from "../estimatebox.tsx";
import { IdentifyCard } from "../identifycard.tsx";
import { LayerRow } from "../layerrow.ts";
import { element, make } from "../page.ts";
import { COLOURS, MARKS } from "../palette.ts";
import type { KnownValues } from "../parts/values.ts";
import { PartView } from "../parts/view.tsx";
import { Card, type CardEvents } from "../requests/card.tsx";
import { ESTIMATES } from "./estimates.ts";
import { FOUND } from "./found.ts";
import { REQUESTS } from "./requests.ts";
import "./stories.css";

/** What stands in them is of this day. */
const NOW = "2031-05-02T10:01:00Z";
const TITLES: Record<string, string> = { reefs: "Reefs", ports: "موانئ (2031)", geopackage: "GeoPackage" };
const nothing = (): void => {};
const EVENTS: CardEvents = { cancel: nothing, askAgain: nothing, change: nothing, renew: nothing, share: nothing, revoke: nothing, remove: nothing };
const FIELDS = [{ name: "name", type: "str:80" }, { name: "depth_m", type: "float64" }, { name: "seen", type: "datetime" }];
const LAYER: Collection = { id: "reefs", title: "Reefs", description: "Coral and stone.", geometryType: "Polygon", featureCount: 1234, license: "CC-BY-4.0", attribution: "Somebody", version: "7", updated: NOW };
const VALUES: FieldValues = { values: [{ value: "Blue", count: 7 }, { value: "Red", count: 2 }], distinct: 2, missing: 1, lookedAt: 10, complete: true };

setClock(NOW);
for (const [name, entry] of Object.entries(REQUESTS)) {
  const titles = { ofLayer: (id: string) => TITLES[id] ?? id, ofFormat: (id: string) => TITLES[id] ?? id };
  show("Requests", name, <ul class="cards"><Card entry={{ ...entry, job: { ...entry.job, jobID: name.replaceAll(/\W/g, "") } }} titles={titles} events={EVENTS} /></ul>);
}

for (const [name, told] of Object.entries(ESTIMATES)) {
  show("Estimates", name, <EstimateBox told={told} titleOf={(id) => TITLES[id] ?? id} />);
}

for (const [name, found] of Object.entries(FOUND)) {
  const id = `found-${name.replaceAll(" ", "-")}`;
  show("What is at a place", name, <div class="identify"><IdentifyCard id={id} found={found} events={{ close: nothing, turn: nothing }} /></div>);
}

const PARTS = {
  "all of a layer": { conditions: [], joined: "and" },
  "values that exist": { conditions: [{ field: "name", operator: "in", values: ["Red"] }], joined: "and" },
  "two conditions": { conditions: [{ field: "depth_m", operator: "between", values: ["1", ""] }, { field: "seen", operator: "isThere", values: [] }], joined: "or" },
  "a filter as it was written": { written: "depth_m > 1 AND name LIKE 'R%'" },
} as const;
const known = { of: () => VALUES } as unknown as KnownValues;
for (const [name, draft] of Object.entries(PARTS)) {
  const part = JSON.parse(JSON.stringify(draft)) as Parameters<typeof PartView>[0]["draft"];
  show("Parts of a layer", name, <PartView layerId={name.replaceAll(" ", "-")} title="Reefs" fields={FIELDS} kept={["name"]} draft={part} said={name} isOpen known={known} events={{ chooseFields: nothing, draw: nothing }} />);
}

showRow("is off", () => {});
showRow("is on", (row) => (row.tick(true), row.showLook({ colour: COLOURS[0], mark: MARKS[1] })));
showRow("lies elsewhere", (row) => (row.tick(true), row.showPlace("elsewhere")));
showRow("is a speck", (row) => (row.tick(true), row.showPlace("tiny")));
showRow("is being drawn", (row) => (row.tick(true), row.showState("Is being drawn (40 %); it can be asked for already.")));

function showRow(name: string, change: (row: LayerRow) => void): void {
  const row = new LayerRow({ ...LAYER, id: name.replaceAll(" ", "-") }, { onTick: nothing, onNames: nothing, onMove: nothing, onGo: nothing });
  change(row);
  frame("Layers", name).append(make("ul", { className: "layers" }, row.item));
}

function show(group: string, name: string, what: ComponentChild): void {
  render(what, frame(group, name));
}

/** Where a story stands, below the heading of its group. */
function frame(group: string, name: string): HTMLElement {
  const id = `stories-${group.replaceAll(" ", "-")}`;
  if (!document.getElementById(id)) element("stories").append(make("h2", {}, group), make("div", { id, className: "stories" }));
  const place = make("div", { testId: "story-place" });
  element(id).append(make("section", { className: "story", testId: "story" }, make("h3", {}, name), place));
  return place;
}
