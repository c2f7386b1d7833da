/** Names of oceans and seas on the base map: quiet, below all layers, read once everything else is there. */

import Feature from "ol/Feature.js";
import type Map from "ol/Map.js";
import Point from "ol/geom/Point.js";
import VectorLayer from "ol/layer/Vector.js";
import { fromLonLat } from "ol/proj.js";
import VectorSource from "ol/source/Vector.js";

import { element } from "./page.ts";
import { readSeas, type Sea } from "./seanames.ts";
import { seaStyle } from "./symbols.ts";

const SEAS_LEVEL = 1.5;
const LONGEST_LINE = 12;

/** Bring them onto the map when the page has come to rest; without them it is a map as well. */
export async function nameSeas(map: Map): Promise<void> {
  const seas = await readSeas(element("map").dataset["seas"]!);
  const source = new VectorSource({ features: seas.map(featureOf) });
  const zoomOf = (resolution: number): number => map.getView().getZoomForResolution(resolution)!;
  map.addLayer(new VectorLayer({ source, zIndex: SEAS_LEVEL, style: (sea, resolution) => (sea.get("zoom") <= zoomOf(resolution) ? seaStyle(sea) : undefined) }));
}

function featureOf({ title, longitude, latitude, zoom }: Sea): Feature {
  return new Feature({ geometry: new Point(fromLonLat([longitude, latitude])), name: inLines(title), zoom });
}

/** A long name stands in two lines, as even as its words let them be. */
function inLines(name: string): string {
  if (name.length <= LONGEST_LINE) return name;
  const spaces = [...name.matchAll(/ /g)].map(({ index }) => index);
  const middle = spaces.reduce((best, at) => (Math.abs(at - name.length / 2) < Math.abs(best - name.length / 2) ? at : best), -1);
  return middle < 0 ? name : `${name.slice(0, middle)}\n${name.slice(middle + 1)}`;
}
