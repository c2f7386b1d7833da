/** The drawing of one layer on the map: sharp, read when it is needed, renewed when it was made anew. */

import type Map from "ol/Map.js";
import VectorTileLayer from "ol/layer/VectorTile.js";
import type { StyleLike } from "ol/style/Style.js";
import { PMTilesVectorSource } from "ol-pmtiles";
import { FetchSource, type RangeResponse } from "pmtiles";

import { shareCopies } from "./copies.ts";
import { mapTurns } from "./turns.ts";

/** A tile two zooms further out, stretched to four times its size, tells of nothing that is there. */
const MOST_ZOOMS_STRETCHED = 1;

interface Source {
  url: string;
  tiles: PMTilesVectorSource;
  isBroken: boolean;
}

export class DrawnLayer {
  readonly layer: VectorTileLayer;
  readonly #onTrouble: () => void;
  #wantedUrl: string | undefined;
  #source: Source | null = null;

  constructor(map: Map, onTrouble: () => void) {
    this.layer = new SharpLayer({ visible: false, zIndex: 0 });
    this.#onTrouble = onTrouble;
    map.addLayer(this.layer);
  }

  get isVisible(): boolean {
    return this.layer.getVisible();
  }

  /** Whether what the service draws could not be read when it was tried last. */
  get isBroken(): boolean {
    return this.#source?.isBroken ?? false;
  }

  show(style: StyleLike): void {
    this.layer.setStyle(style);
    this.layer.setVisible(true);
    this.#renew();
  }

  /** Lie above all layers of a lower level. */
  lie(level: number): void {
    this.layer.setZIndex(level);
  }

  hide(): void {
    this.layer.setVisible(false);
  }

  /** Take the drawing at this address from now on; called again after trouble, it is tried again. */
  setDrawing(url: string | undefined): void {
    this.#wantedUrl = url;
    this.#renew();
  }

  #renew(): void {
    const url = this.#wantedUrl;
    if (!this.isVisible || (url === this.#source?.url && !this.isBroken)) return;
    if (url === undefined) {
      this.#source = null;
      this.layer.setSource(null);
    } else {
      this.#read(url);
    }
  }

  #read(url: string): void {
    const fail = (): void => {
      if (this.#source !== source || source.isBroken) return;
      source.isBroken = true;
      // Without its header the map would wait for it for ever.
      if (tiles.getState() === "loading") tiles.setState("error");
      this.#onTrouble();
    };
    // Taken as it is, though the types, put together from two, ask for a text as well.
    const tiles = new PMTilesVectorSource({ url: new ToldSource(url, fail) as unknown as string });
    const source: Source = { url, tiles, isBroken: false };
    this.#source = source;
    // The tiles before stay on the map until there are others.
    const take = (): void => this.layer.setSource(tiles);
    if (this.layer.getSource()?.getState() !== "ready") take();
    tiles.on("change", () => this.#source === source && tiles.getState() === "ready" && take());
  }
}

/** Tells of what could not be read. */
class ToldSource extends FetchSource {
  readonly #onFailure: () => void;

  constructor(url: string, onFailure: () => void) {
    super(url);
    this.#onFailure = onFailure;
  }

  override async getBytes(...range: Parameters<FetchSource["getBytes"]>): Promise<RangeResponse> {
    try {
      return await mapTurns.take(() => super.getBytes(...range), range[2]);
    } catch (error) {
      this.#onFailure();
      // Nobody catches what goes wrong with the header, which comes first.
      if (range[0] === 0) return new Promise(() => {});
      throw error;
    }
  }
}

class SharpLayer extends VectorTileLayer {
  override createRenderer(): ReturnType<VectorTileLayer["createRenderer"]> {
    const renderer = super.createRenderer();
    // OpenLayers has no option for it; in its place it stretches tiles of any zoom.
    const looking = renderer as unknown as { findAltTiles_: (grid: unknown, at: number[], zoom: number, found: unknown) => boolean };
    const find = looking.findAltTiles_;
    looking.findAltTiles_ = (grid, at, zoom, found) =>
      zoom >= at[0]! - MOST_ZOOMS_STRETCHED && find.call(renderer, grid, at, zoom, found);
    shareCopies(renderer, this);
    return renderer;
  }
}
