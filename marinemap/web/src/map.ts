/** The map itself: view, controls, coordinates under the pointer. */

import Map from "ol/Map.js";
import View from "ol/View.js";
import MousePosition from "ol/control/MousePosition.js";
import ScaleLine from "ol/control/ScaleLine.js";
import Zoom from "ol/control/Zoom.js";
import type { Coordinate } from "ol/coordinate.js";
import { defaults as defaultInteractions } from "ol/interaction/defaults.js";
import { fromLonLat, transformExtent } from "ol/proj.js";

import type { Bounds } from "./area.ts";
import { wrapped } from "./crs.ts";
import { placeInWords } from "./degrees.ts";
import { offerGraticule } from "./graticule.ts";
import { element } from "./page.ts";
import { t } from "./words.ts";

/** Latitude at which the Web Mercator square ends. */
export const MERCATOR_LIMIT = 85.0511;

export function createMap(): Map {
  const map = new Map({
    target: "map",
    controls: [new Zoom({ zoomInTipLabel: t("Zoom in"), zoomOutTipLabel: t("Zoom out"), ...(isStill() && { duration: 0 }) }), new ScaleLine({ minWidth: 80 }), pointerPosition()],
    interactions: defaultInteractions({ altShiftDragRotate: false, pinchRotate: false, ...(isStill() && { zoomDuration: 0 }) }),
    view: new View({ center: [0, 0], zoom: 2, maxZoom: 18, enableRotation: false }),
  });
  offerGraticule(map);
  zoomTo(map, { west: -170, south: -58, east: 190, north: 76 });
  return map;
}

export function zoomTo(map: Map, bounds: Bounds, milliseconds = 0): void {
  const { west, east } = bounds;
  const [south, north] = [bounds.south, bounds.north].map((latitude) => Math.max(-MERCATOR_LIMIT, Math.min(MERCATOR_LIMIT, latitude))) as [number, number];
  const extent = transformExtent([west, south, east, north], "EPSG:4326", "EPSG:3857");
  map.getView().fit(extent, { padding: [30, 30, 30, 30], maxZoom: 13, duration: isStill() ? 0 : milliseconds });
}

/** Put a place into the middle. */
export function goTo(map: Map, place: Coordinate, zoom: number, milliseconds: number): void {
  map.getView().animate({ center: fromLonLat(place), zoom, duration: isStill() ? 0 : milliseconds });
}

/** Whether the person asked their system for as little motion as can be. */
function isStill(): boolean {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** What the map shows, in degrees; longitudes run on where it shows other copies of the world. */
export function viewOf(map: Map): Bounds {
  const extent = map.getView().calculateExtent(map.getSize());
  const [west, south, east, north] = transformExtent(extent, "EPSG:3857", "EPSG:4326") as [number, number, number, number];
  return { west, south, east, north };
}

function pointerPosition(): MousePosition {
  return new MousePosition({
    projection: "EPSG:4326",
    placeholder: "",
    target: element("pointer"),
    coordinateFormat: (coordinate) => positionInWords(coordinate ?? []),
  });
}

function positionInWords([longitude, latitude]: Coordinate): string {
  if (longitude === undefined || latitude === undefined) return "";
  return placeInWords(wrapped(longitude), latitude, 4);
}
