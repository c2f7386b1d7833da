/** Names of features on the map: asked from the API for what is in sight, where that is not too much. */

import Feature from "ol/Feature.js";
import type Map from "ol/Map.js";
import { containsCoordinate, getCenter, getHeight, getWidth, type Extent } from "ol/extent.js";
import Point from "ol/geom/Point.js";
import type VectorTileLayer from "ol/layer/VectorTile.js";
import VectorLayer from "ol/layer/Vector.js";
import type RenderFeature from "ol/render/Feature.js";
import VectorSource from "ol/source/Vector.js";

import { readNames } from "./api/layers.ts";
import { viewOf } from "./map.ts";
import { isCrowd, nameStyle } from "./symbols.ts";
import { mapTurns } from "./turns.ts";
import { t } from "./words.ts";

/** More in sight cannot be read. */
const MOST_NAMED = 100;
/** What is drawn as one point may be several features. */
const MOST_ASKED = 200;
const NAMES_LEVEL = 8;
const LONGEST = 40;
const WORLD_METRES = 2 * Math.PI * 6_378_137;

const TOO_MANY = t("Too many are in sight for names. Zoom in.");
const NOT_ALL = t("Some names are left out. Zoom in to read them.");

/** A layer whose names are wanted. */
export interface NamedLayer {
  id: string;
  field: string;
  /** Of its data; others have other names. */
  version: string;
  drawn: VectorTileLayer;
}

interface Place {
  at: number[];
  /** A name is best read where there is most room. */
  size: number;
  isPoint: boolean;
}

type Names = globalThis.Map<number, string>;

export class NamesOnMap {
  readonly #map: Map;
  readonly #tell: (layerId: string, text: string) => void;
  readonly #source = new VectorSource<Feature<Point>>();
  readonly #known = new globalThis.Map<string, Names>();
  #layers: NamedLayer[] = [];
  #asked = new AbortController();
  #isLoading = false;
  /** Of each layer, the place for which its names were asked last. */
  readonly #askedFor = new globalThis.Map<string, string>();

  constructor(map: Map, tell: (layerId: string, text: string) => void) {
    this.#map = map;
    this.#tell = tell;
    map.addLayer(new VectorLayer({ source: this.#source, style: nameStyle, declutter: true, zIndex: NAMES_LEVEL }));
    map.on("movestart", () => this.#asked.abort());
    map.on("moveend", () => this.#refresh());
    // Tiles come first: what is not there yet has no names either.
    map.on("loadstart", () => this.#heedLoading(true));
    map.on("loadend", () => this.#heedLoading(false));
  }

  /** Show the names of these layers, and of no others. */
  show(layers: NamedLayer[]): void {
    const isSame = layers.map(keyOf).join() === this.#layers.map(keyOf).join();
    this.#layers = layers;
    // The catalogue is looked at again and again; a question that is out is not given up for it.
    if (!isSame) this.#refresh();
  }

  #heedLoading(isLoading: boolean): void {
    this.#isLoading = isLoading;
    if (isLoading) this.#asked.abort();
    else this.#refresh();
  }

  #refresh(): void {
    this.#asked.abort();
    this.#source.clear();
    const lacking = this.#layers.filter((layer) => this.#write(layer));
    if (!this.#isLoading) void this.#ask(lacking);
  }

  /** Write what is known of a layer's names, and tell whether others are to be asked for. */
  #write(layer: NamedLayer): boolean {
    const places = this.#inSight(layer);
    if (!places) {
      this.#tell(layer.id, TOO_MANY);
      return false;
    }
    const names = this.#namesOf(layer);
    for (const [id, { at, isPoint }] of places) {
      const name = names.get(id);
      if (name) this.#source.addFeature(new Feature({ geometry: new Point(at), name: shortened(name), isPoint }));
    }
    const isLacking = [...places.keys()].some((id) => !names.has(id));
    const isAsked = this.#askedFor.get(keyOf(layer)) === this.#place;
    this.#tell(layer.id, isLacking && isAsked ? NOT_ALL : "");
    return isLacking && !isAsked;
  }

  get #place(): string {
    return this.#map.getView().calculateExtent().join();
  }

  /** Ask for the names of the first of these layers, then look again. */
  async #ask([layer]: NamedLayer[]): Promise<void> {
    if (!layer) return;
    const place = this.#place;
    const { signal } = (this.#asked = new AbortController());
    try {
      const names = await mapTurns.take(() => readNames(layer.id, layer.field, viewOf(this.#map), MOST_ASKED, signal), signal);
      this.#askedFor.set(keyOf(layer), place);
      const known = this.#namesOf(layer);
      for (const [id, name] of names) known.set(id, name);
      this.#refresh();
    } catch {
      // Asked again when the map moves; the connection is told of elsewhere.
    }
  }

  #namesOf(layer: NamedLayer): Names {
    const key = keyOf(layer);
    const names = this.#known.get(key) ?? new globalThis.Map<number, string>();
    this.#known.set(key, names);
    return names;
  }

  /** Where each feature in sight has its name; null where they are too many. */
  #inSight({ drawn }: NamedLayer): globalThis.Map<number, Place> | null {
    const found = new globalThis.Map<number, Place>();
    for (const extent of extentsIn(this.#map.getView().calculateExtent())) {
      const pieces = (drawn.getFeaturesInExtent(extent) as RenderFeature[]).filter((piece) => !isCrowd(piece));
      // Before places are looked for, which takes time.
      if (new Set(pieces.map((piece) => piece.getId())).size > MOST_NAMED) return null;
      for (const piece of pieces) takeBest(found, piece, extent);
    }
    return found.size > MOST_NAMED ? null : found;
  }
}

/** Tiles cut a feature to pieces: its name stands where it has most room. */
function takeBest(found: globalThis.Map<number, Place>, piece: RenderFeature, extent: Extent): void {
  const id = piece.getId() as number;
  for (const place of placesIn(piece)) {
    if (containsCoordinate(extent, place.at) && place.size >= (found.get(id)?.size ?? 0)) found.set(id, place);
  }
}

function keyOf({ id, field, version }: NamedLayer): string {
  return JSON.stringify([id, field, version]);
}

/** Drawings are of one world; the map may show others beside it. */
function extentsIn([west, south, east, north]: Extent): Extent[] {
  const [first, last] = [west!, east!].map((x) => Math.floor(x / WORLD_METRES + 0.5)) as [number, number];
  const shifts = Array.from({ length: Math.min(3, last - first + 1) }, (_, n) => (first + n) * WORLD_METRES);
  return shifts.map((shift) => [west! - shift, south!, east! - shift, north!]);
}

/** Within each polygon, amid each line, at a point. */
function placesIn(piece: RenderFeature): Place[] {
  const kind = piece.getType();
  // Whatever a tile calls a polygon may be several.
  if (kind.endsWith("Polygon")) return parted(piece.getFlatInteriorPoints(), 3).map(([x, y, size]) => ({ at: [x!, y!], size: size!, isPoint: false }));
  const size = getWidth(piece.getExtent()) + getHeight(piece.getExtent());
  if (kind === "LineString") return [{ at: piece.getFlatMidpoint(), size, isPoint: false }];
  if (kind === "MultiLineString") return parted(piece.getFlatMidpoints(), 2).map((at) => ({ at, size, isPoint: false }));
  return [{ at: getCenter(piece.getExtent()), size, isPoint: true }];
}

function parted(numbers: number[], length: number): number[][] {
  return Array.from({ length: Math.floor(numbers.length / length) }, (_, n) => numbers.slice(n * length, (n + 1) * length));
}

function shortened(name: string): string {
  const letters = [...name];
  return letters.length <= LONGEST ? name : `${letters.slice(0, LONGEST - 1).join("")}…`;
}
