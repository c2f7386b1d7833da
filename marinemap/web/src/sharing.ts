/** Keeps the address as the page is, and the page as the address is. */

import type Map from "ol/Map.js";
import { fromLonLat, transform } from "ol/proj.js";

import { readAddress, strangeIn, unreadIn, writeAddress, type Shared, type SharedView, type Unread } from "./address.ts";
import type { AreaForm } from "./areaform.ts";
import type { CrsForm } from "./crsform.ts";
import type { FormatForm } from "./formatform.ts";
import { SHAPEFILE } from "./formats.ts";
import type { LayerList } from "./layers.ts";
import type { MoreForm } from "./parts/form.tsx";
import { showAt, showBanner, type FormPart } from "./problems.ts";
import { t } from "./words.ts";

/** Browsers refuse an address that changes too often. */
const WAIT_MILLISECONDS = 300;

const UNREAD: Record<Unread, [part: FormPart, text: string]> = {
  layers: ["layers", t("Not all layers in this page’s address can be read. Tick those that you want.")],
  area: ["area", t("The area in this page’s address cannot be read: a part of it may be missing. Choose it anew.")],
  format: ["format", t("The format in this page’s address cannot be read. Choose it anew.")],
  mode: ["format", t("What this page’s address says of the edge of the area cannot be read. Choose it anew.")],
  crs: ["crs", t("The coordinate system in this page’s address cannot be read. Choose it anew.")],
  parts: ["more", t("The fields and conditions in this page’s address cannot be read: a part of it may be missing. Choose them anew.")],
};

export interface SharedParts {
  area: AreaForm;
  layers: LayerList;
  format: FormatForm;
  crs: CrsForm;
  more: MoreForm;
}

export class Sharing {
  readonly #map: Map;
  readonly #parts: SharedParts;
  #timer: number | undefined;
  /** The address as it was written or read last. */
  #known = "";

  constructor(map: Map, parts: SharedParts) {
    this.#map = map;
    this.#parts = parts;
  }

  /** Take over what the address holds, and keep it up to date from now on. */
  start(): void {
    this.#restore();
    window.addEventListener("hashchange", () => this.#restore());
    this.#map.on("moveend", () => this.keep());
  }

  /** Write down how the page is, in a moment. */
  keep(): void {
    window.clearTimeout(this.#timer);
    // The history would fill with every move of the map.
    this.#timer = window.setTimeout(() => this.#write(), WAIT_MILLISECONDS);
  }

  #write(): void {
    // What a person has just given is read first: word of it is on its way.
    if (location.hash !== this.#known) return this.keep();
    history.replaceState(null, "", writeAddress(this.#shared()));
    this.#known = location.hash;
  }

  #restore(): void {
    this.#known = location.hash;
    // "#order" is the way past the map, and clears nothing.
    if (!location.hash.includes("=")) return;
    const shared = readAddress(location.hash);
    const { area, layers, format, crs, more } = this.#parts;
    if (shared.view) this.#show(shared.view);
    area.restore(shared.area);
    more.choose(shared.parts, shared.hasCopy);
    layers.showAs(shared.shown);
    layers.choose(shared.layers);
    format.choose(shared.format ?? SHAPEFILE.id, shared.mode);
    // Last: which are offered depends on the area.
    crs.choose(shared.crs);
    for (const name of unreadIn(location.hash)) showAt(...UNREAD[name]);
    const strange = strangeIn(location.hash);
    if (strange.length > 0) showBanner(t("This page’s address has words that mean nothing here, and were passed over: {names}.", { names: strange.join(", ") }));
  }

  #show({ zoom, latitude, longitude }: SharedView): void {
    const view = this.#map.getView();
    view.setZoom(zoom);
    // Not by fromLonLat alone, which would leave the copy of the world.
    view.setCenter([transform([longitude, 0], "EPSG:4326", "EPSG:3857")[0]!, fromLonLat([0, latitude])[1]!]);
  }

  #shared(): Shared {
    const { area, layers, format, crs, more } = this.#parts;
    const view = this.#map.getView();
    const [longitude, latitude] = transform(view.getCenter()!, "EPSG:3857", "EPSG:4326") as [number, number];
    const chosen = format.chosen;
    return {
      view: { zoom: view.getZoom()!, latitude, longitude },
      layers: layers.chosen(),
      shown: layers.shown,
      area: area.shared,
      format: chosen === SHAPEFILE.id ? null : chosen,
      mode: format.mode,
      crs: crs.choice ?? null,
      parts: more.partsOf(layers.chosen()),
      hasCopy: more.hasCopy,
    };
  }
}
