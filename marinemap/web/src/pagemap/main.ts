/** A map on a page of the API, in place of the picture that stands there without a script. */

import type Feature from "ol/Feature.js";
import Map from "ol/Map.js";
import View from "ol/View.js";
import ScaleLine from "ol/control/ScaleLine.js";
import Zoom from "ol/control/Zoom.js";
import GeoJSON from "ol/format/GeoJSON.js";
import { defaults as defaultInteractions } from "ol/interaction/defaults.js";
import VectorLayer from "ol/layer/Vector.js";
import VectorSource from "ol/source/Vector.js";

import { DrawnLayer } from "../drawn.ts";
import { zoomTo } from "../map.ts";
import { COLOURS } from "../palette.ts";
import { foundStyle, landStyle, layerStyle } from "../symbols.ts";
import "./pagemap.css";

const LOOK = { colour: COLOURS[0], mark: 0 } as const;
const LAND_LEVEL = 0;
const DATA_LEVEL = 1;
const FOUND_LEVEL = 2;

/** What the page says of its map, as its `data-` attributes have it. */
interface Told {
  /** Where the features of the page are, as GeoJSON. */
  features?: string;
  /** Where the drawing of the layer is. */
  drawing?: string;
  /** Where the layer is that is the ground; there may be none. */
  land?: string;
  bounds?: string;
  zoomIn: string;
  zoomOut: string;
}

class PageMap {
  readonly #map: Map;
  readonly #found = new VectorSource();

  constructor(place: HTMLElement) {
    const told = place.dataset as unknown as Told;
    place.hidden = false;
    this.#map = new Map({
      target: place,
      controls: [new Zoom({ zoomInTipLabel: told.zoomIn, zoomOutTipLabel: told.zoomOut }), new ScaleLine()],
      interactions: defaultInteractions({ altShiftDragRotate: false, pinchRotate: false, onFocusOnly: true }),
      view: new View({ center: [0, 0], zoom: 1, maxZoom: 18, enableRotation: false }),
    });
    if (told.bounds) this.#show(told.bounds);
    if (told.land) void this.#drawLand(told.land);
    if (told.drawing) this.#draw(told.drawing, DATA_LEVEL, layerStyle(LOOK));
    if (told.features) void this.#drawFeatures(told.features);
  }

  #show(bounds: string): void {
    const [west, south, east, north] = bounds.split(",").map(Number) as [number, number, number, number];
    zoomTo(this.#map, { west, south, east: east < west ? east + 360 : east, north });
  }

  async #drawLand(address: string): Promise<void> {
    const land = (await read(address)) as { links?: { type?: string; href: string }[] } | null;
    const drawing = land?.links?.find(({ type }) => type === "application/vnd.pmtiles");
    if (drawing) this.#draw(drawing.href, LAND_LEVEL, landStyle);
  }

  #draw(address: string, level: number, style: Parameters<DrawnLayer["show"]>[0]): void {
    const drawn = new DrawnLayer(this.#map, () => {});
    drawn.lie(level);
    drawn.setDrawing(here(address));
    drawn.show(style);
  }

  async #drawFeatures(address: string): Promise<void> {
    const document = await read(address);
    if (!document) return;
    const features = new GeoJSON({ featureProjection: "EPSG:3857" }).readFeatures(document) as Feature[];
    const source = new VectorSource({ features });
    this.#map.addLayer(new VectorLayer({ source, style: layerStyle(LOOK), zIndex: DATA_LEVEL }));
    this.#map.addLayer(new VectorLayer({ source: this.#found, style: foundStyle, zIndex: FOUND_LEVEL }));
    const extent = source.getExtent();
    if (extent?.every(Number.isFinite)) this.#map.getView().fit(extent, { padding: [30, 30, 30, 30], maxZoom: 13 });
    this.#tieToRows(features);
  }

  /** Ring a feature while its row is under the pointer, or has the keyboard. */
  #tieToRows(features: Feature[]): void {
    const rows = [...document.querySelectorAll<HTMLElement>("main tbody tr")];
    if (rows.length !== features.length) return;
    rows.forEach((row, index) => {
      const ring = (): void => (this.#found.clear(), this.#found.addFeature(features[index]!.clone()));
      row.addEventListener("pointerenter", ring);
      row.addEventListener("focusin", ring);
    });
  }
}

async function read(address: string): Promise<unknown> {
  const headers = { Accept: "application/geo+json, application/json" };
  const response = await fetch(here(address), { credentials: "same-origin", headers }).catch(() => null);
  return response?.ok ? response.json() : null;
}

// On this page's own host, however the service calls itself.
function here(address: string): string {
  const { pathname, search } = new URL(address, location.href);
  return pathname + search;
}

const places = document.querySelectorAll<HTMLElement>("#page-map, .page-map");
for (const place of places) new PageMap(place);
// The picture says the same, smaller.
if (places.length) for (const figure of document.querySelectorAll("figure.sketch svg")) figure.remove();
