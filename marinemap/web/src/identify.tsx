/** A click on the map, or Enter in its middle: the fields of what is there, asked from the API. */

import Feature from "ol/Feature.js";
import type Map from "ol/Map.js";
import GeoJSON from "ol/format/GeoJSON.js";
import VectorLayer from "ol/layer/Vector.js";
import type { Pixel } from "ol/pixel.js";
import VectorSource from "ol/source/Vector.js";
import { render } from "preact";

import { readFeature, type ReadFeature } from "./api/layers.ts";
import { fieldsInWords } from "./fields.ts";
import { IdentifyCard, type Found } from "./identifycard.tsx";
import { element } from "./page.ts";
import { problemInWords } from "./problems.ts";
import { foundStyle, isCrowd } from "./symbols.ts";
import { t } from "./words.ts";

/** A fingertip or an unsteady hand misses a point by as much. */
const REACH_PIXELS = 5;
const MOST_FOUND = 50;
const FOUND_LEVEL = 9;
/** By which the template names the card. */
const TITLE_ID = "identify-title";

const NOTHING = t("Nothing of the ticked layers is here.");
const CROWD = t("Features are too many to be told apart here. Zoom in to read one.");

export interface IdentifyParts {
  /** Return the id of the layer that an OpenLayers layer draws, if it is one of the data. */
  layerOf: (layer: unknown) => string | undefined;
  titleOf: (layerId: string) => string;
  /** Whether a click belongs to a drawing now. */
  isDrawing: () => boolean;
}

/** One thing that is drawn at a place. */
interface Hit {
  layerId: string;
  /** As the drawing bears it; undefined for many drawn together. */
  featureId: number | undefined;
}

export class Identify {
  readonly #map: Map;
  readonly #parts: IdentifyParts;
  readonly #card = element("identify");
  readonly #outline = new VectorSource();
  #hits: Hit[] = [];
  #at = 0;
  #asked = new AbortController();
  #isOfDrawing = false;

  constructor(map: Map, parts: IdentifyParts) {
    this.#map = map;
    this.#parts = parts;
    map.addLayer(new VectorLayer({ source: this.#outline, style: foundStyle, zIndex: FOUND_LEVEL }));
    this.#listen();
  }

  #listen(): void {
    // The click that ends a drawing is over it by the time that it is known to be a single one.
    this.#map.on("click", () => (this.#isOfDrawing = this.#parts.isDrawing()));
    this.#map.on("singleclick", ({ pixel }) => this.#isOfDrawing || this.#look(pixel));
    element("map").addEventListener("keydown", (event) => this.#onMapKey(event));
    this.#card.addEventListener("keydown", (event) => event.key === "Escape" && this.#close());
  }

  #onMapKey(event: KeyboardEvent): void {
    // The map's own buttons lie within it, and take Enter for themselves.
    if (event.key !== "Enter" || event.target !== event.currentTarget || this.#parts.isDrawing()) return;
    const [width = 0, height = 0] = this.#map.getSize() ?? [];
    this.#look([width / 2, height / 2]);
  }

  #look(pixel: Pixel): void {
    this.#hits = this.#hitsAt(pixel);
    this.#at = 0;
    this.#card.hidden = false;
    void this.#show();
    this.#card.focus({ preventScroll: true });
  }

  #turn(step: number): void {
    this.#at = (this.#at + step + this.#hits.length) % this.#hits.length;
    void this.#show();
  }

  #close(): void {
    this.#asked.abort();
    this.#outline.clear();
    this.#card.hidden = true;
    element("map").focus({ preventScroll: true });
  }

  /** What is drawn at a place, uppermost first, each thing once. */
  #hitsAt(pixel: Pixel): Hit[] {
    const found = new globalThis.Map<string, Hit>();
    const take = (feature: { getId(): unknown }, layer: unknown): boolean => {
      const layerId = this.#parts.layerOf(layer)!;
      const featureId = isCrowd(feature) ? undefined : (feature.getId() as number);
      found.set(`${layerId}/${featureId}`, { layerId, featureId });
      return found.size >= MOST_FOUND;
    };
    const layerFilter = (layer: unknown): boolean => this.#parts.layerOf(layer) !== undefined;
    this.#map.forEachFeatureAtPixel(pixel, take, { hitTolerance: REACH_PIXELS, layerFilter });
    return [...found.values()];
  }

  async #show(): Promise<void> {
    const { signal } = this.#renew();
    const hit = this.#hits[this.#at];
    if (!hit) return this.#tell({ text: NOTHING });
    if (hit.featureId === undefined) return this.#tell({ text: CROWD });
    this.#tell({ text: t("Reading …") });
    try {
      const feature = await readFeature(hit.layerId, hit.featureId, signal);
      if (!signal.aborted) this.#fill(feature);
    } catch (error) {
      if (!signal.aborted) this.#tell({ text: problemInWords(error) });
    }
  }

  #renew(): AbortController {
    this.#asked.abort();
    this.#outline.clear();
    return (this.#asked = new AbortController());
  }

  #tell(told: Pick<Found, "text" | "fields">): void {
    const hit = this.#hits[this.#at];
    const title = hit ? this.#parts.titleOf(hit.layerId) : t("Here");
    const found = { title, at: this.#at, count: this.#hits.length, ...told };
    const events = { close: () => this.#close(), turn: (step: number) => this.#turn(step) };
    render(<IdentifyCard id={TITLE_ID} found={found} events={events} />, this.#card);
  }

  #fill({ id, geometry, properties }: ReadFeature): void {
    const fields = fieldsInWords(properties);
    this.#tell({ text: fields.length > 0 ? t("Feature {id}", { id }) : t("Feature {id} has no fields.", { id }), fields });
    const shape = geometry && new GeoJSON({ featureProjection: "EPSG:3857" }).readGeometry(geometry);
    if (shape) this.#outline.addFeature(new Feature(shape));
  }
}
