/** "More": of each ticked layer the fields and features to keep, and the full copy. */

import { render } from "preact";

import type { Collection } from "../api/layers.ts";
import { element } from "../page.ts";
import { clearProblem } from "../problems.ts";
import { draftOf, filterOf, type Draft, type KindOfField } from "./draft.ts";
import { kindOf, type Cql2, type LayerInput } from "./part.ts";
import { KnownValues } from "./values.ts";
import { PartView } from "./view.tsx";
import { partInWords } from "./words.ts";
import { t } from "../words.ts";

const ALL = t("all of it");
const NOTHING_TICKED = t("Tick layers to choose which of their fields and features you get.");

/** What is chosen of a layer; the draft is there once it is known which fields the layer has. */
interface Part {
  fields: string[] | null;
  filter: Cql2 | null;
  draft: Draft | null;
}

export class MoreForm {
  readonly #onChange: () => void;
  readonly #copy = element<HTMLInputElement>("full-copy");
  readonly #known = new KnownValues(() => this.#render());
  readonly #parts = new Map<string, Part>();
  #layers: Collection[] = [];

  constructor(onChange: () => void) {
    this.#onChange = onChange;
    this.#copy.addEventListener("change", () => this.#heed());
  }

  /** Show the choices of these layers: those that are ticked. */
  show(layers: Collection[]): void {
    for (const { id, version, updated } of this.#layers) {
      const now = layers.find((layer) => layer.id === id);
      if (now && (now.version !== version || now.updated !== updated)) this.#known.forget(id);
    }
    this.#layers = layers;
    for (const layer of layers) this.#startDraft(layer);
    this.#render();
  }

  /** Choose what was chosen before, in a request or an address. */
  choose(layers: readonly (string | LayerInput)[], hasCopy: boolean): void {
    this.#parts.clear();
    for (const layer of layers) {
      if (typeof layer === "string") continue;
      const { name, fields = null, filter = null } = layer;
      this.#parts.set(name, { fields, filter, draft: null });
    }
    this.#copy.checked = hasCopy;
    this.show(this.#layers);
  }

  get hasCopy(): boolean {
    return this.#copy.checked;
  }

  /** A layer as it is asked for: by its id, or with what is chosen of it. */
  inputOf(id: string): string | LayerInput {
    const { fields = null, filter = null } = this.#parts.get(id) ?? {};
    if (fields === null && filter === null) return id;
    return { name: id, ...(fields === null ? {} : { fields }), ...(filter === null ? {} : { filter }) };
  }

  /** Those of some layers of which a part is chosen. */
  partsOf(ids: readonly string[]): LayerInput[] {
    return ids.map((id) => this.inputOf(id)).filter((input) => typeof input !== "string");
  }

  /** What has to be completed before these can be asked for; empty for nothing. */
  get missing(): string {
    const layer = this.#layers.find((each) => this.#isUnfinished(each));
    return layer ? t("Complete the conditions for {layer}: a value is missing, or is none.", { layer: layer.title }) : "";
  }

  #isUnfinished(layer: Collection): boolean {
    const draft = this.#parts.get(layer.id)?.draft;
    return Boolean(draft) && filterOf(draft!, kinds(layer)) === undefined;
  }

  #startDraft(layer: Collection): void {
    const part = this.#parts.get(layer.id) ?? { fields: null, filter: null, draft: null };
    part.draft ??= draftOf(part.filter, kinds(layer));
    this.#parts.set(layer.id, part);
  }

  #put(layer: Collection, changed: Partial<Part>): void {
    const part = Object.assign(this.#parts.get(layer.id)!, changed);
    // Until it is complete the last one stays, and nothing can be sent.
    const filter = filterOf(part.draft!, kinds(layer));
    if (filter !== undefined) part.filter = filter;
    this.#heed();
  }

  #heed(): void {
    clearProblem("more");
    this.#render();
    this.#onChange();
  }

  #render(): void {
    element("more-said").textContent = this.#inWords();
    const views = this.#layers.map((layer) => {
      const { fields, draft } = this.#parts.get(layer.id)!;
      return (
        <PartView
          key={layer.id} layerId={layer.id} title={layer.title} fields={layer.fields ?? []} kept={fields} draft={draft!}
          said={this.#partInWords(layer) || ALL} isOpen={this.#layers.length === 1} known={this.#known}
          events={{ chooseFields: (chosen) => this.#put(layer, { fields: chosen }), draw: (drawn) => this.#put(layer, { draft: drawn }) }}
        />
      );
    });
    render(views.length > 0 ? views : <p class="note small">{NOTHING_TICKED}</p>, element("parts"));
  }

  #inWords(): string {
    const parts = this.#layers.map((layer) => [layer.title, this.#partInWords(layer)]).filter(([, words]) => words);
    const chosen = parts.map(([title, words]) => `${title}: ${words}`).join("; ") || t("all fields and features");
    return this.hasCopy ? chosen : t("{choices}; no full copy", { choices: chosen });
  }

  #partInWords(layer: Collection): string {
    const { fields, filter } = this.#parts.get(layer.id)!;
    return partInWords({ ...(fields ? { fields } : {}), ...(filter ? { filter } : {}) }, layer.fields?.length);
  }
}

function kinds({ fields = [] }: Collection): KindOfField {
  return (name) => kindOf(fields.find((field) => field.name === name)?.type ?? "");
}
