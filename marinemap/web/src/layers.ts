/** The layers that may be asked for: what is ticked is on the map, and is asked for. */

import type Map from "ol/Map.js";

import { drawingUrl, type Collection } from "./api/layers.ts";
import { boundsOfCollection, kindOf, placeOf, type Kind } from "./collection.ts";
import type { Bounds } from "./area.ts";
import { DrawnLayer } from "./drawn.ts";
import { byTheme, isMeant, MANY_LAYERS, mayTouch, type Themed } from "./layerorder.ts";
import { LayerRow } from "./layerrow.ts";
import { viewOf, zoomTo } from "./map.ts";
import { announce, element, make } from "./page.ts";
import { freeLook, type Look } from "./palette.ts";
import { showAt, showBanner } from "./problems.ts";
import { landStyle, layerStyle } from "./symbols.ts";
import { number, t, tn } from "./words.ts";

/** This collection, where it exists, is the ground under all others. */
const BASE_COLLECTION = "land";
const BASE_LEVEL = 0;
/** What covers least lies on top. */
const LEVELS: Record<Kind, number> = { polygons: 2, features: 3, lines: 4, points: 5 };

const ZOOM_MILLISECONDS = 400;

interface Entry {
  collection: Collection;
  row: LayerRow;
  drawn: DrawnLayer;
  look: Look | null;
}

export interface LayerEvents {
  onChange: () => void;
  /** A drawing cannot be read: it may have been made anew. */
  onTrouble: () => void;
}

export class LayerList {
  readonly #map: Map;
  readonly #events: LayerEvents;
  readonly #ground: DrawnLayer;
  #entries: Entry[] = [];
  /** Chosen before the service has told of its layers. */
  #awaited: string[] | null = [];
  /** Of the area; what lies within comes first. */
  #bounds: Bounds | null = null;
  /** Of the rows as they stand. */
  #order = "";

  constructor(map: Map, events: LayerEvents) {
    this.#map = map;
    this.#events = events;
    this.#ground = new DrawnLayer(map, BASE_LEVEL, events.onTrouble);
    this.#ground.show(landStyle);
    element("layer-search").addEventListener("input", () => this.#filter());
    element("layer-search").addEventListener("keydown", keepFromSending);
    element("layers").addEventListener("focusout", () => setTimeout(() => this.#arrange()));
    map.on("moveend", () => this.#entries.forEach((entry) => this.#refreshPlace(entry)));
  }

  /** Show what the service has by now; what is ticked stays so while it is there. */
  show(collections: Collection[]): void {
    const ticked = this.ticked().join();
    // The ground comes last, the rest in the order of the service.
    const sorted = [...collections].sort((a, b) => Number(a.id === BASE_COLLECTION) - Number(b.id === BASE_COLLECTION));
    const gone = this.#entries.filter(({ collection: { id } }) => !sorted.some((each) => each.id === id));
    for (const { drawn } of gone) this.#map.removeLayer(drawn.layer);
    const isSame = sorted.length === this.#entries.length && sorted.every(({ id }, n) => id === this.#entries[n]!.collection.id);
    this.#entries = sorted.map((collection) => this.#find(collection.id) ?? this.#entry(collection));
    this.#entries.forEach((entry, index) => this.#heed(entry, sorted[index]!));
    this.#arrange(!isSame || sorted.length === 0);
    this.#filter();
    this.#ground.setDrawing(drawingUrl(sorted.find(({ id }) => id === BASE_COLLECTION) ?? {}));
    this.#takeAwaited();
    this.#refreshAttribution();
    if (this.ticked().join() !== ticked) this.#events.onChange();
    const missed = gone.filter(({ row }) => row.isTicked).map(({ collection: { title } }) => title);
    if (missed.length > 0) showBanner(t("Not offered any more, and no longer ticked: {layers}.", { layers: missed.join(", ") }));
  }

  /** Put those layers first that may have something in these bounds. */
  preferWithin(bounds: Bounds | null): void {
    this.#bounds = bounds;
    this.#arrange();
  }

  /** Ids of the ticked layers. */
  ticked(): string[] {
    return this.#entries.filter(({ row }) => row.isTicked).map(({ collection }) => collection.id);
  }

  /** The ticked layers, as the service describes them. */
  tickedCollections(): Collection[] {
    return this.#entries.filter(({ row }) => row.isTicked).map(({ collection }) => collection);
  }

  /** Tick exactly these, as soon as it is known which there are. */
  choose(ids: string[]): void {
    if (this.#awaited) this.#awaited = ids;
    else this.#tickOnly(ids);
  }

  /** Ids of the layers that are ticked, or will be. */
  chosen(): string[] {
    return this.#awaited ?? this.ticked();
  }

  titleOf(id: string): string {
    return this.#find(id)?.collection.title ?? id;
  }

  /** Return the id of the layer that an OpenLayers layer draws. */
  idOf(layer: unknown): string | undefined {
    return this.#entries.find(({ drawn }) => drawn.layer === layer)?.collection.id;
  }

  /** Lay out the rows; never while the keyboard is among them, unless there are others. */
  #arrange(mustBe = false): void {
    const list = element("layers");
    if (!mustBe && list.contains(document.activeElement)) return;
    const isWithin = ({ collection }: Entry): boolean => this.#bounds === null || mayTouch(collection, this.#bounds);
    const within = this.#entries.filter(isWithin);
    const arranged = [...within, ...this.#entries.filter((entry) => !within.includes(entry))];
    for (const entry of this.#entries) entry.row.item.classList.toggle("outside", !within.includes(entry));
    const themes = byTheme(arranged, (entry) => !within.includes(entry));
    const order = JSON.stringify(themes.map(({ theme, members }) => [theme, ...members.map(({ collection }) => collection.id)]));
    if (order === this.#order) return;
    this.#order = order;
    list.replaceChildren(...(arranged.length > 0 ? themes.flatMap((theme, index) => itemsOf(theme, index)) : [nothingYet()]));
    hideEmptyThemes();
  }

  #filter(): void {
    const text = element<HTMLInputElement>("layer-search").value;
    element("layer-search-row").hidden = this.#entries.length < MANY_LAYERS;
    // What is ticked stays in sight: it is asked for.
    for (const { row, collection } of this.#entries) row.item.hidden = !row.isTicked && !isMeant(collection, text);
    hideEmptyThemes();
    const [all, shown] = [this.#entries.length, this.#entries.filter(({ row }) => !row.item.hidden).length];
    const count = text.trim() ? tn("{shown} of {count} layer", "{shown} of {count} layers", all, { shown: number(shown) }) : tn("{count} layer.", "{count} layers; those that lie in your area come first.", all);
    if (element("layer-count").textContent !== count) element("layer-count").textContent = count;
  }

  #takeAwaited(): void {
    const ids = this.#awaited;
    this.#awaited = null;
    if (ids && ids.length > 0) this.#tickOnly(ids);
  }

  #tickOnly(ids: string[]): void {
    const changed = this.#entries.filter(({ row, collection: { id } }) => row.isTicked !== ids.includes(id));
    for (const { row } of changed) row.tick(!row.isTicked);
    changed.forEach((entry) => this.#showOnMap(entry));
    this.#refreshAttribution();
    if (changed.length > 0) this.#events.onChange();
    const strange = ids.filter((id) => !this.#find(id));
    if (strange.length > 0) showAt("layers", t("The address names layers that are not here: {layers}.", { layers: strange.join(", ") }));
  }

  #find(id: string): Entry | undefined {
    return this.#entries.find(({ collection }) => collection.id === id);
  }

  #entry(collection: Collection): Entry {
    const drawn = new DrawnLayer(this.#map, LEVELS[kindOf(collection)], () => {
      this.#refreshState(entry);
      this.#events.onTrouble();
    });
    const row = new LayerRow(collection, {
      onTick: () => this.#tick(entry),
      onGo: (bounds) => zoomTo(this.#map, bounds, ZOOM_MILLISECONDS),
    });
    const entry: Entry = { collection, row, drawn, look: null };
    return entry;
  }

  #heed(entry: Entry, collection: Collection): void {
    entry.collection = collection;
    entry.row.describe(collection);
    entry.drawn.setDrawing(drawingUrl(collection));
    this.#refreshState(entry);
  }

  #tick(entry: Entry): void {
    this.#showOnMap(entry);
    this.#refreshAttribution();
    if (entry.row.isTicked) this.#tellPlace(entry);
    this.#events.onChange();
  }

  #showOnMap(entry: Entry): void {
    entry.look = entry.row.isTicked ? freeLook(this.#looks()) : null;
    entry.row.showLook(entry.look);
    if (entry.look) entry.drawn.show(layerStyle(entry.look));
    else entry.drawn.hide();
    this.#refreshPlace(entry);
    this.#refreshState(entry);
  }

  #looks(): Look[] {
    return this.#entries.map(({ look }) => look).filter((look) => look !== null);
  }

  #refreshPlace({ collection, row }: Entry): void {
    const bounds = boundsOfCollection(collection);
    row.showPlace(row.isTicked && bounds ? placeOf(bounds, viewOf(this.#map)) : "in view");
  }

  #tellPlace({ collection }: Entry): void {
    const bounds = boundsOfCollection(collection);
    if (!bounds || placeOf(bounds, viewOf(this.#map)) === "in view") return;
    announce(t("{layer} lies elsewhere on the map. The next button goes there.", { layer: collection.title }));
  }

  #refreshState({ collection, drawn, row }: Entry): void {
    const { drawing } = collection;
    const isOn = row.isTicked;
    if (isOn && drawn.isBroken) row.showState(t("Cannot be shown at the moment; this page keeps trying."));
    else if (isOn && drawing) row.showState(t("Is being drawn ({progress} %); it can be asked for already.", { progress: Math.round(drawing.progress) }));
    else row.showState("");
  }

  #refreshAttribution(): void {
    const shown = this.#entries.filter(({ row, collection: { id } }) => row.isTicked || id === BASE_COLLECTION);
    const texts = shown.map(({ collection }) => collection.attribution).filter(Boolean);
    element("attribution").textContent = [...new Set(texts)].join(" · ");
  }
}

function hideEmptyThemes(): void {
  for (const theme of element("layers").querySelectorAll<HTMLElement>(":scope > .theme")) {
    theme.hidden = theme.querySelector("li:not([hidden])") === null;
  }
}

/** A theme with its layers is an item with a list; without any theme the layers are the items. */
function itemsOf({ theme, members }: Themed<Entry>, index: number): HTMLLIElement[] {
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
