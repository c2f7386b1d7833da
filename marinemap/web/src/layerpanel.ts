/** The rows of the layers on the panel: which come first, below which theme, which are found by words. */

import type { Bounds } from "./area.ts";
import type { Collection } from "./api/layers.ts";
import { byTheme, isMeant, MANY_LAYERS, mayTouch, type Themed } from "./layerorder.ts";
import type { LayerRow } from "./layerrow.ts";
import { element, make } from "./page.ts";
import { number, t, tn } from "./words.ts";

export interface Listed {
  collection: Collection;
  row: LayerRow;
}

export class LayerPanel {
  #listed: readonly Listed[] = [];
  /** Whether the service has told of its layers. */
  #isTold = false;
  /** Of the area; what lies within comes first. */
  #bounds: Bounds | null = null;
  /** Of the rows as they stand. */
  #order = "";

  constructor() {
    element("layer-search").addEventListener("input", () => this.#filter());
    element("layer-search").addEventListener("keydown", keepFromSending);
    element("layers").addEventListener("focusout", () => setTimeout(() => this.#arrange()));
  }

  /** Show these layers. */
  show(listed: readonly Listed[]): void {
    const isSame = listed.length === this.#listed.length && listed.every(({ row }, n) => row === this.#listed[n]!.row);
    this.#listed = listed;
    this.#isTold = true;
    this.#arrange(!isSame || listed.length === 0);
    this.#filter();
  }

  /** Put those layers first that may have something in these bounds. */
  preferWithin(bounds: Bounds | null): void {
    this.#bounds = bounds;
    this.#arrange();
  }

  /** Lay out the rows; never while the keyboard is among them, unless there are others. */
  #arrange(mustBe = false): void {
    const list = element("layers");
    if (!this.#isTold) return;
    if (!mustBe && list.contains(document.activeElement)) return;
    const isWithin = ({ collection }: Listed): boolean => this.#bounds === null || mayTouch(collection, this.#bounds);
    const within = this.#listed.filter(isWithin);
    const arranged = [...within, ...this.#listed.filter((each) => !within.includes(each))];
    for (const each of this.#listed) each.row.item.classList.toggle("outside", !within.includes(each));
    const themes = byTheme(arranged, (each) => !within.includes(each));
    const order = JSON.stringify(themes.map(({ theme, members }) => [theme, ...members.map(({ collection }) => collection.id)]));
    if (order === this.#order) return;
    this.#order = order;
    list.replaceChildren(...(arranged.length > 0 ? themes.flatMap((theme, index) => itemsOf(theme, index)) : [nothingYet()]));
    hideEmptyThemes();
  }

  #filter(): void {
    const text = element<HTMLInputElement>("layer-search").value;
    element("layer-search-row").hidden = this.#listed.length < MANY_LAYERS;
    // What is ticked stays in sight: it is asked for.
    for (const { row, collection } of this.#listed) row.item.hidden = !row.isTicked && !isMeant(collection, text);
    hideEmptyThemes();
    const [all, shown] = [this.#listed.length, this.#listed.filter(({ row }) => !row.item.hidden).length];
    const count = text.trim() ? tn("{shown} of {count} layer", "{shown} of {count} layers", all, { shown: number(shown) }) : tn("{count} layer.", "{count} layers; those that lie in your area come first.", all);
    if (element("layer-count").textContent !== count) element("layer-count").textContent = count;
  }
}

function hideEmptyThemes(): void {
  for (const theme of element("layers").querySelectorAll<HTMLElement>(":scope > .theme")) {
    theme.hidden = theme.querySelector("li:not([hidden])") === null;
  }
}

/** A theme with its layers is an item with a list; without any theme the layers are the items. */
function itemsOf({ theme, members }: Themed<Listed>, index: number): HTMLLIElement[] {
  const items = members.map(({ row }) => row.item);
  if (theme === "" && index === 0) return items;
  const heading = make("p", { className: "theme-title", id: `theme-${index}` }, make("bdi", {}, theme || t("Other layers")));
  const list = make("ul", {}, ...items);
  list.setAttribute("aria-labelledby", heading.id);
  return [make("li", { className: "theme", testId: "theme" }, heading, list)];
}

function nothingYet(): HTMLLIElement {
  return make("li", { className: "note" }, t("There are no layers on this service yet."));
}

function keepFromSending(event: KeyboardEvent): void {
  if (event.key === "Enter") event.preventDefault();
}
