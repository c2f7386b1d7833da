/** Says that the map is not all there yet. */

import type Map from "ol/Map.js";

import { element } from "./page.ts";

export function watchLoading(map: Map): void {
  const place = element("map-loading");
  const tell = (isLoading: boolean): void => {
    place.hidden = !isLoading;
    element("map").setAttribute("aria-busy", String(isLoading));
  };
  map.on("loadstart", () => tell(true));
  map.on("loadend", () => tell(false));
}
