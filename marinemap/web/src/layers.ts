/** The layers that may be asked for: the list to tick and their drawing on the map. */

import type Map from "ol/Map.js";
import VectorTileLayer from "ol/layer/VectorTile.js";
import { PMTilesVectorSource } from "ol-pmtiles";

import { drawingUrl, type Collection } from "./api.ts";
import type { Bounds } from "./area.ts";
import { zoomTo } from "./map.ts";
import { element, make } from "./page.ts";
import { colourOf, landStyle, layerStyle } from "./symbols.ts";

/** This collection, where it exists, is the ground under all others. */
const BASE_COLLECTION = "land";
const BASE_LEVEL = 0;
const DATA_LEVEL = 2;

const ZOOM_MILLISECONDS = 400;

const NOT_TICKED_OPACITY = 0.55;

interface Entry {
  collection: Collection;
  layer: VectorTileLayer;
  /** The same once more, beneath all others. */
  ground: VectorTileLayer | null;
  box: HTMLInputElement;
  toggle: HTMLButtonElement;
  colour: string;
}

export class LayerList {
  readonly #map: Map;
  readonly #onChange: () => void;
  #entries: Entry[] = [];

  constructor(map: Map, onChange: () => void) {
    this.#map = map;
    this.#onChange = onChange;
  }

  /** Fill the list; the ground comes last, the rest in the order of the service. */
  show(collections: Collection[]): void {
    const ground = collections.filter(({ id }) => id === BASE_COLLECTION);
    const others = collections.filter(({ id }) => id !== BASE_COLLECTION);
    this.#entries = [...others, ...ground].map((collection, index) => this.#entry(collection, index));
    const items = this.#entries.map((entry) => this.#item(entry));
    element("layers").replaceChildren(...(items.length > 0 ? items : [nothingYet()]));
    this.#entries.forEach((entry) => this.#refresh(entry));
  }

  /** Show the drawings that are there by now; tell whether all are. */
  update(collections: Collection[]): boolean {
    for (const entry of this.#entries) {
      const now = collections.find(({ id }) => id === entry.collection.id);
      if (!now) continue;
      if (drawingUrl(now) !== drawingUrl(entry.collection)) setSource(entry, drawingUrl(now));
      entry.collection = now;
    }
    return collections.every(({ drawing }) => !drawing);
  }

  /** Ids of the ticked layers. */
  ticked(): string[] {
    return this.#entries.filter(({ box }) => box.checked).map(({ collection }) => collection.id);
  }

  titleOf(id: string): string {
    return this.#entries.find(({ collection }) => collection.id === id)?.collection.title ?? id;
  }

  #entry(collection: Collection, index: number): Entry {
    const isBase = collection.id === BASE_COLLECTION;
    const colour = colourOf(index);
    const ground = isBase ? new VectorTileLayer({ style: landStyle, zIndex: BASE_LEVEL }) : null;
    if (ground) this.#map.addLayer(ground);
    const layer = new VectorTileLayer({
      style: layerStyle(colour, false),
      visible: !isBase,
      zIndex: DATA_LEVEL + (isPolygons(collection) ? 0 : 1),
    });
    this.#map.addLayer(layer);
    const box = make("input", { type: "checkbox", id: `layer-${collection.id}`, testId: `layer-${collection.id}` });
    const toggle = make("button", { type: "button", className: "quiet", testId: `show-${collection.id}` });
    const entry = { collection, layer, ground, box, toggle, colour };
    setSource(entry, drawingUrl(collection));
    box.addEventListener("change", () => this.#tick(entry));
    toggle.addEventListener("click", () => this.#setVisible(entry, !layer.getVisible()));
    return entry;
  }

  #item({ collection, box, toggle, colour }: Entry): HTMLLIElement {
    const licence = collection.license ? `Licence: ${collection.license}` : "";
    const label = make("label", { htmlFor: box.id, className: "layer-title", title: licence }, collection.title);
    const swatch = make("span", { className: `swatch ${kindOf(collection)}` });
    swatch.style.color = colour;
    const paragraphs = facts(collection).map((fact) => make("p", {}, fact));
    const text = make("div", { className: "about", hidden: true }, ...paragraphs);
    const line = make("p", { className: "layer-line" }, make("span", {}, countInWords(collection)), toggle);
    const bounds = boundsOfCollection(collection);
    if (bounds) line.append(this.#zoomButton(collection, bounds));
    if (paragraphs.length > 0) line.append(aboutButton(collection, text));
    return make("li", {}, box, swatch, label, line, text);
  }

  #zoomButton(collection: Collection, bounds: Bounds): HTMLButtonElement {
    const button = make("button", { type: "button", className: "quiet", testId: `zoom-${collection.id}` }, "Zoom to");
    button.setAttribute("aria-label", `Zoom to ${collection.title}`);
    button.addEventListener("click", () => zoomTo(this.#map, bounds, ZOOM_MILLISECONDS));
    return button;
  }

  #tick(entry: Entry): void {
    if (entry.box.checked) entry.layer.setVisible(true);
    if (!entry.box.checked && entry.collection.id === BASE_COLLECTION) entry.layer.setVisible(false);
    entry.layer.setStyle(layerStyle(entry.colour, entry.box.checked));
    this.#refresh(entry);
    this.#onChange();
  }

  #setVisible(entry: Entry, isVisible: boolean): void {
    entry.layer.setVisible(isVisible);
    this.#refresh(entry);
  }

  #refresh({ collection, layer, box, toggle }: Entry): void {
    const isVisible = layer.getVisible();
    layer.setOpacity(box.checked ? 1 : NOT_TICKED_OPACITY);
    toggle.textContent = isVisible ? "Hide" : "Show";
    toggle.setAttribute("aria-label", `${isVisible ? "Hide" : "Show"} ${collection.title} on the map`);
    this.#refreshAttribution();
  }

  #refreshAttribution(): void {
    const shown = this.#entries.filter(({ layer, collection: { id } }) => layer.getVisible() || id === BASE_COLLECTION);
    const texts = shown.map(({ collection }) => collection.attribution).filter(Boolean);
    element("attribution").textContent = [...new Set(texts)].join(" · ");
  }
}

/** A drawing of another name is another drawing. */
function setSource({ layer, ground }: Entry, url: string | undefined): void {
  const source = url === undefined ? null : new PMTilesVectorSource({ url });
  layer.setSource(source);
  ground?.setSource(source);
}

/** In a bbox over the 180th meridian west is greater than east (RFC 7946, section 5.2). */
function boundsOfCollection(collection: Collection): Bounds | null {
  const bbox = collection.extent?.spatial.bbox[0];
  if (!bbox) return null;
  const [west, south, east, north] = bbox;
  return { west, south, east: east < west ? east + 360 : east, north };
}

function kindOf({ geometryType = "" }: Collection): "polygons" | "lines" | "points" | "features" {
  if (geometryType.endsWith("Polygon")) return "polygons";
  if (geometryType.endsWith("LineString")) return "lines";
  return geometryType.endsWith("Point") ? "points" : "features";
}

function isPolygons(collection: Collection): boolean {
  return kindOf(collection) === "polygons";
}

function countInWords(collection: Collection): string {
  const kind = kindOf(collection);
  const { featureCount } = collection;
  if (featureCount === undefined) return kind;
  return `${featureCount.toLocaleString("en")} ${featureCount === 1 ? kind.slice(0, -1) : kind}`;
}

function facts({ description, license, attribution, version }: Collection): string[] {
  const known = [
    description,
    license && `Licence: ${license}`,
    attribution && `Source: ${attribution}`,
    version && `Version: ${version}`,
  ];
  return known.filter((fact): fact is string => Boolean(fact));
}

function aboutButton(collection: Collection, text: HTMLElement): HTMLButtonElement {
  const button = make("button", { type: "button", className: "quiet" }, "About");
  button.setAttribute("aria-label", `About ${collection.title}`);
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => {
    text.hidden = !text.hidden;
    button.setAttribute("aria-expanded", String(!text.hidden));
  });
  return button;
}

function nothingYet(): HTMLLIElement {
  return make("li", { className: "note" }, "There are no layers on this service yet.");
}
