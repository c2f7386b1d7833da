/** How things look on the map: colours and line widths. */

import type { FeatureLike } from "ol/Feature.js";
import { getWidth } from "ol/extent.js";
import RenderFeature from "ol/render/Feature.js";
import CircleStyle from "ol/style/Circle.js";
import Fill from "ol/style/Fill.js";
import RegularShape from "ol/style/RegularShape.js";
import Stroke from "ol/style/Stroke.js";
import Style, { type StyleFunction } from "ol/style/Style.js";
import Text from "ol/style/Text.js";

import type { Look, Mark } from "./palette.ts";

const AREA_COLOUR = "#d6006c";

export const landStyle = new Style({
  fill: new Fill({ color: "#f5f1e6" }),
  stroke: new Stroke({ color: "#b9b19a", width: 0.8 }),
});

export const graticuleStroke = new Stroke({ color: "rgba(40, 90, 120, 0.16)", width: 1 });

/** Quiet, and still 4.5 : 1 on sea and land. */
export function graticuleLabel(textBaseline: CanvasTextBaseline, textAlign: CanvasTextAlign = "center"): Text {
  const halo = new Stroke({ color: "rgba(255, 255, 255, 0.7)", width: 3 });
  return new Text({ font: "11px system-ui, sans-serif", fill: new Fill({ color: "#4a6577" }), stroke: halo, textBaseline, textAlign });
}

const seaText = new Text({ fill: new Fill({ color: "#4a6577" }), stroke: new Stroke({ color: "rgba(223, 234, 240, 0.7)", width: 2 }) });
const seaLook = new Style({ text: seaText });
const OCEAN_ZOOM = 1;

/** The name of a sea, an ocean's larger: as quiet as the graticule's. */
export function seaStyle(sea: FeatureLike): Style {
  seaText.setText(String(sea.get("name")));
  seaText.setFont(`italic ${sea.get("zoom") === OCEAN_ZOOM ? 14 : 12}px system-ui, sans-serif`);
  return seaLook;
}

const nameText = new Text({ font: "12px system-ui, sans-serif", fill: new Fill({ color: "#14252f" }), stroke: new Stroke({ color: "rgba(255, 255, 255, 0.9)", width: 3 }), overflow: true });
const nameLook = new Style({ text: nameText });

/** The name of a feature: above a point, amid anything else. */
export function nameStyle(feature: FeatureLike): Style {
  nameText.setText(String(feature.get("name")));
  nameText.setOffsetY(feature.get("isPoint") ? -NAME_PIXELS : 0);
  return nameLook;
}

/** Polygons narrower than this are drawn without outlines, which would hide the map. */
const SMALL_PIXELS = 6;
/** Its name stands clear of a point. */
const NAME_PIXELS = 11;
/** From here outwards, whole oceans are seen: finer lines and dots. */
const OVERVIEW_METRES_PER_PIXEL = 3000;

/** Whether it is of many features that cannot be told apart: of a drawing only that bears no id. 0 is one, of many files' first row. */
export function isCrowd(feature: unknown): boolean {
  return feature instanceof RenderFeature && feature.getId() === undefined;
}

/** Of each mark; lines and outlines are told apart by it where there are more layers than colours. */
export const DASHES: Record<Mark, number[]> = { 0: [], 1: [8, 4], 2: [2, 4], 3: [9, 3, 2, 3] };

/** Polygons are tinted; those too small for an outline are filled. */
export function layerStyle({ colour, mark }: Look): StyleFunction {
  const near = { line: lineStyle(colour, mark, 2), point: pointStyle(colour, mark, 4.5) };
  const far = { line: lineStyle(colour, mark, 1), point: pointStyle(colour, mark, 2.5) };
  const crowd = new Style({ fill: new Fill({ color: `${colour}60` }) });
  const small = polygonStyle(`${colour}60`, 0, `${colour}60`);
  const polygon = polygonStyle(colour, mark, `${colour}30`);
  return (feature, resolution) => {
    if (isCrowd(feature)) return crowd;
    const geometry = feature.getGeometry();
    const kind = geometry?.getType() ?? "";
    const { line, point } = resolution > OVERVIEW_METRES_PER_PIXEL ? far : near;
    if (kind.endsWith("Point")) return point;
    if (kind.endsWith("LineString")) return line;
    return geometry && getWidth(geometry.getExtent()) / resolution < SMALL_PIXELS ? small : polygon;
  };
}

function polygonStyle(color: string, mark: Mark, fillColour: string): Style {
  return new Style({ stroke: new Stroke({ color, width: 1, lineDash: DASHES[mark] }), fill: new Fill({ color: fillColour }) });
}

function lineStyle(color: string, mark: Mark, width: number): Style {
  return new Style({ stroke: new Stroke({ color, width, lineDash: DASHES[mark] }) });
}

/** Corners and turn of a point's shape: a circle, a square, a triangle, a diamond. */
export const SHAPES: Record<Mark, { points: number; angle: number } | null> = {
  0: null,
  1: { points: 4, angle: Math.PI / 4 },
  2: { points: 3, angle: 0 },
  3: { points: 4, angle: 0 },
};

/** Ringed in white, so that it shows on sea, land and polygons alike. */
function pointStyle(color: string, mark: Mark, radius: number): Style {
  const stroke = new Stroke({ color: "#fff", width: radius / 3 });
  // Without "none" OpenLayers takes points of tiles for hidden ones when it is asked what is at a place.
  const look = { radius, fill: new Fill({ color }), stroke, declutterMode: "none" as const };
  const shape = SHAPES[mark];
  return new Style({ image: shape ? new RegularShape({ ...look, ...shape, radius: radius * 1.3 }) : new CircleStyle(look) });
}

const outline = new Stroke({ color: AREA_COLOUR, width: 2.5 });
const halo = new Stroke({ color: "rgba(255, 255, 255, 0.85)", width: 5 });

/** What was asked about, ringed on the map. */
export const foundStyle = [halo, new Stroke({ color: "#14252f", width: 2 })].map(
  (stroke) => new Style({ stroke, image: new CircleStyle({ radius: 9, stroke }) }),
);

export const corner = new CircleStyle({
  radius: 5.5,
  fill: new Fill({ color: "#fff" }),
  stroke: new Stroke({ color: AREA_COLOUR, width: 2.5 }),
});

export const areaStyles = [
  new Style({ stroke: halo }),
  new Style({ stroke: outline, fill: new Fill({ color: "rgba(214, 0, 108, 0.08)" }) }),
];

export const sketchStyles = [...areaStyles, new Style({ image: corner })];
