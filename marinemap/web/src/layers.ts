/** The layers that may be asked for: what is ticked is on the map, and is asked for. */

import type Map from "ol/Map.js";

import type { ShownLayers } from "./address.ts";
import { drawingUrl, type Collection } from "./api/layers.ts";
import { boundsOfCollection, levelOf, placeOf, stateInWords } from "./collection.ts";
import type { Bounds } from "./area.ts";
import { DrawnLayer } from "./drawn.ts";
import { inOrder } from "./layerorder.ts";
import { LayerPanel } from "./layerpanel.ts";
import { LayerRow } from "./layerrow.ts";
import { viewOf, zoomTo } from "./map.ts";
import { NamesOnMap } from "./names.ts";
import { announce, element } from "./page.ts";
import { freeLook, type Look } from "./palette.ts";
import { showAt, showBanner } from "./problems.ts";
import { moved, stacked, type Lying } from "./stack.ts";
import { landStyle, layerStyle } from "./symbols.ts";
import { t } from "./words.ts";

/** This collection, where it exists, is the ground under all others; the operator says which. */
const BASE_COLLECTION = element("map").dataset["base"];
/** Layers lie between the graticule and what is drawn upon them. */
const LOWEST = 2;
const STEP = 0.01;

const ZOOM_MILLISECONDS = 400;

interface Entry {
  collection: Collection;
  row: LayerRow;
  drawn: DrawnLayer;
  look: Look | null;
}

export interface LayerEvents {
  onChange: () => void;
  /** What the map shows of the layers is another; what is asked for is not. */
  onChoice: () => void;
  /** A drawing cannot be read: it may have been made anew. */
  onTrouble: () => void;
}

export class LayerList {
  readonly #map: Map;
  readonly #events: LayerEvents;
  readonly #ground: DrawnLayer;
  readonly #panel = new LayerPanel();
  readonly #names: NamesOnMap;
  #entries: Entry[] = [];
  #awaitedShown: ShownLayers = { order: [], names: [] };
  /** Chosen before the service has told of its layers. */
  #awaited: string[] | null = [];
  /** Ids of layers in the order that somebody chose, the lowest first. */
  #stack: string[] = [];

  constructor(map: Map, events: LayerEvents) {
    this.#map = map;
    this.#events = events;
    this.#ground = new DrawnLayer(map, events.onTrouble);
    this.#ground.show(landStyle);
    this.#names = new NamesOnMap(map, (id, text) => this.#find(id)?.row.showNamesNote(text));
    map.on("moveend", () => this.#entries.forEach((entry) => this.#refreshPlace(entry)));
  }

  /** Show what the service has by now; what is ticked stays so while it is there. */
  show(collections: Collection[]): void {
    const ticked = this.#tickedData();
    // The ground comes last.
    const sorted = inOrder(collections).sort((a, b) => Number(a.id === BASE_COLLECTION) - Number(b.id === BASE_COLLECTION));
    const gone = this.#entries.filter(({ collection: { id } }) => !sorted.some((each) => each.id === id));
    for (const { drawn } of gone) this.#map.removeLayer(drawn.layer);
    this.#entries = sorted.map((collection) => this.#find(collection.id) ?? this.#entry(collection));
    this.#entries.forEach((entry, index) => this.#heed(entry, sorted[index]!));
    this.#panel.show(this.#entries);
    this.#ground.setDrawing(drawingUrl(sorted.find(({ id }) => id === BASE_COLLECTION) ?? {}));
    const strange = this.#takeAwaited();
    this.#refreshMap();
    if (this.#tickedData() !== ticked) this.#events.onChange();
    // After the change, which clears what was told of the layers before.
    tellStrange(strange);
    const missed = gone.filter(({ row }) => row.isTicked).map(({ collection: { title } }) => title);
    if (missed.length > 0) showBanner(t("Not offered any more, and no longer ticked: {layers}.", { layers: missed.join(", ") }));
  }

  /** Put those layers first that may have something in these bounds. */
  preferWithin(bounds: Bounds | null): void {
    this.#panel.preferWithin(bounds);
  }

  /** Ids of the ticked layers. */
  ticked(): string[] {
    return this.#entries.filter(({ row }) => row.isTicked).map(({ collection }) => collection.id);
  }

  /** The ticked layers, as the service describes them. */
  tickedCollections(): Collection[] {
    return this.#entries.filter(({ row }) => row.isTicked).map(({ collection }) => collection);
  }

  /** What an estimate and the lists of fields were made of. */
  #tickedData(): string {
    return JSON.stringify(this.tickedCollections().map(({ id, version, updated, fields }) => [id, version, updated, fields]));
  }

  /** Tick exactly these, as soon as it is known which there are. */
  choose(ids: string[]): void {
    if (this.#awaited) this.#awaited = ids;
    else tellStrange(this.#tickOnly(ids));
  }

  /** Ids of the layers that are ticked, or will be. */
  chosen(): string[] {
    return this.#awaited ?? this.ticked();
  }

  /** How the chosen layers are shown, as far as that is not as usual. */
  get shown(): ShownLayers {
    if (this.#awaited) return this.#awaitedShown;
    const order = stacked(this.#lying(), this.#stack);
    const isUsual = order.join() === stacked(this.#lying()).join();
    const names = this.#entries.filter(({ row }) => row.isTicked && row.hasNames).map(({ collection }) => collection.id);
    return { order: isUsual ? [] : order, names };
  }

  /** Show the layers so, as soon as it is known which there are. */
  showAs(shown: ShownLayers): void {
    this.#awaitedShown = shown;
    if (!this.#awaited) this.#takeShown();
  }

  titleOf(id: string): string {
    return this.#find(id)?.collection.title ?? id;
  }

  /** Return the id of the layer that an OpenLayers layer draws. */
  idOf(layer: unknown): string | undefined {
    return this.#entries.find(({ drawn }) => drawn.layer === layer)?.collection.id;
  }

  #takeShown(): void {
    const { order, names } = this.#awaitedShown;
    this.#stack = [...order];
    for (const { row, collection } of this.#entries) row.wantNames(names.includes(collection.id));
    this.#refreshMap();
  }

  #takeAwaited(): string[] {
    const ids = this.#awaited;
    this.#awaited = null;
    if (ids) this.#takeShown();
    return ids && ids.length > 0 ? this.#tickOnly(ids) : [];
  }

  /** Tick these and no others; return which of them there are not. */
  #tickOnly(ids: string[]): string[] {
    const changed = this.#entries.filter(({ row, collection: { id } }) => row.isTicked !== ids.includes(id));
    for (const { row } of changed) row.tick(!row.isTicked);
    changed.forEach((entry) => this.#showOnMap(entry));
    this.#refreshMap();
    if (changed.length > 0) this.#events.onChange();
    return ids.filter((id) => !this.#find(id));
  }

  #find(id: string): Entry | undefined {
    return this.#entries.find(({ collection }) => collection.id === id);
  }

  #entry(collection: Collection): Entry {
    const drawn = new DrawnLayer(this.#map, () => {
      this.#refreshState(entry);
      this.#events.onTrouble();
    });
    const row = new LayerRow(collection, {
      onTick: () => this.#tick(entry),
      onNames: () => this.#heedChoice(),
      onMove: (step) => this.#move(entry, step),
      onGo: (bounds) => zoomTo(this.#map, bounds, ZOOM_MILLISECONDS),
    });
    const entry: Entry = { collection, row, drawn, look: null };
    return entry;
  }

  #heed(entry: Entry, collection: Collection): void {
    // A new row has described itself.
    if (entry.collection !== collection) entry.row.describe(collection);
    entry.collection = collection;
    entry.drawn.setDrawing(drawingUrl(collection));
    this.#refreshState(entry);
  }

  #tick(entry: Entry): void {
    this.#showOnMap(entry);
    this.#refreshMap();
    if (entry.row.isTicked) this.#tellPlace(entry);
    this.#events.onChange();
  }

  #showOnMap(entry: Entry): void {
    entry.look = entry.row.isTicked ? freeLook(this.#entries.flatMap(({ look }) => look ?? [])) : null;
    entry.row.showLook(entry.look);
    if (entry.look) entry.drawn.show(layerStyle(entry.look));
    else entry.drawn.hide();
    this.#refreshPlace(entry);
    this.#refreshState(entry);
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
    row.showState(row.isTicked ? stateInWords(collection, drawn.isBroken) : "");
  }

  /** Lay the ticked layers in their order, with the names that are wanted. */
  #refreshMap(): void {
    showAttribution(this.#entries.filter(({ row, collection: { id } }) => row.isTicked || id === BASE_COLLECTION));
    const order = stacked(this.#lying(), this.#stack);
    for (const { collection: { id }, drawn, row } of this.#entries) {
      const at = order.indexOf(id);
      drawn.lie(LOWEST + at * STEP);
      row.showMoves(at >= 0 && at < order.length - 1, at > 0);
    }
    const named = this.#entries.filter(({ row, collection }) => row.isTicked && row.hasNames && collection.nameField);
    this.#names.show(named.map(({ collection: { id, nameField = "", version = "" }, drawn }) => ({ id, field: nameField, version, drawn: drawn.layer })));
  }

  #lying(): Lying[] {
    return this.tickedCollections().map((collection) => ({ id: collection.id, level: levelOf(collection) }));
  }

  #move({ collection: { id, title } }: Entry, step: 1 | -1): void {
    const before = stacked(this.#lying(), this.#stack);
    this.#stack = moved(before, id, step);
    const other = this.titleOf(before[before.indexOf(id) + step] ?? id);
    announce(step > 0 ? t("{layer} lies above {other} now.", { layer: title, other }) : t("{layer} lies below {other} now.", { layer: title, other }));
    this.#heedChoice();
  }

  #heedChoice(): void {
    this.#refreshMap();
    this.#events.onChoice();
  }
}

function tellStrange(ids: string[]): void {
  if (ids.length > 0) showAt("layers", t("The address names layers that are not here: {layers}.", { layers: ids.join(", ") }));
}

function showAttribution(shown: readonly Pick<Entry, "collection">[]): void {
  const texts = shown.map(({ collection }) => collection.attribution).filter(Boolean);
  element("attribution").textContent = [...new Set(texts)].join(" · ");
}
