/** The map itself: view, controls, graticule, coordinates under the pointer. */

import Map from "ol/Map.js";
import View from "ol/View.js";
import MousePosition from "ol/control/MousePosition.js";
import ScaleLine from "ol/control/ScaleLine.js";
import Zoom from "ol/control/Zoom.js";
import type { Coordinate } from "ol/coordinate.js";
import { defaults as defaultInteractions } from "ol/interaction/defaults.js";
import Graticule from "ol/layer/Graticule.js";
import { transformExtent } from "ol/proj.js";

import type { Bounds } from "./area.ts";
import { wrapped } from "./crs.ts";
import { latitudeInWords, longitudeInWords, placeInWords } from "./degrees.ts";
import { element } from "./page.ts";
import { graticuleLabel, graticuleStroke } from "./symbols.ts";
import { t } from "./words.ts";

/** Latitude at which the Web Mercator square ends. */
export const MERCATOR_LIMIT = 85.0511;

const GRATICULE_LEVEL = 1;
/** In tenths where others have minutes, as all degrees of this page. */
const INTERVALS_DEGREES = [90, 45, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

export function createMap(): Map {
  const graticule = new Graticule({
    strokeStyle: graticuleStroke, intervals: INTERVALS_DEGREES, wrapX: true, zIndex: GRATICULE_LEVEL,
    // Above and at the right, where little else stands.
    showLabels: true, lonLabelPosition: 1, latLabelPosition: 1,
    lonLabelFormatter: (longitude) => longitudeInWords(wrapped(longitude)), lonLabelStyle: graticuleLabel("top"),
    latLabelFormatter: (latitude) => latitudeInWords(latitude), latLabelStyle: graticuleLabel("bottom", "right"),
  });
  const map = new Map({
    target: "map",
    layers: [graticule],
    controls: [new Zoom({ zoomInTipLabel: t("Zoom in"), zoomOutTipLabel: t("Zoom out"), ...(isStill() && { duration: 0 }) }), new ScaleLine({ minWidth: 80 }), pointerPosition()],
    interactions: defaultInteractions({ altShiftDragRotate: false, pinchRotate: false, ...(isStill() && { zoomDuration: 0 }) }),
    view: new View({ center: [0, 0], zoom: 2, maxZoom: 18, enableRotation: false }),
  });
  zoomTo(map, { west: -170, south: -58, east: 190, north: 76 });
  return map;
}

export function zoomTo(map: Map, bounds: Bounds, milliseconds = 0): void {
  const { west, east } = bounds;
  const south = Math.max(bounds.south, -MERCATOR_LIMIT);
  const north = Math.min(bounds.north, MERCATOR_LIMIT);
  const extent = transformExtent([west, south, east, north], "EPSG:4326", "EPSG:3857");
  map.getView().fit(extent, { padding: [30, 30, 30, 30], maxZoom: 13, duration: isStill() ? 0 : milliseconds });
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
