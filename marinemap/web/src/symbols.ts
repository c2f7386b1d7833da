/** How things look on the map: colours and line widths. */

import { getWidth } from "ol/extent.js";
import CircleStyle from "ol/style/Circle.js";
import Fill from "ol/style/Fill.js";
import Stroke from "ol/style/Stroke.js";
import Style, { type StyleFunction } from "ol/style/Style.js";

/** Each is told from its neighbours and from sea and sand, also by most colour-blind people. */
const COLOURS = ["#0067a5", "#c2410c", "#6d28d9", "#0f766e", "#be185d", "#7a5c00", "#1e3a8a", "#4d7c0f"];

const AREA_COLOUR = "#d6006c";

export function colourOf(index: number): string {
  return COLOURS[index % COLOURS.length]!;
}

export const landStyle = new Style({
  fill: new Fill({ color: "#f1ead9" }),
  stroke: new Stroke({ color: "#c8bb9c", width: 0.8 }),
});

export const graticuleStroke = new Stroke({ color: "rgba(40, 90, 120, 0.16)", width: 1 });

/** Polygons narrower than this are drawn without outlines, which would hide the map. */
const SMALL_PIXELS = 6;
/** From here outwards, whole oceans are seen: finer lines and dots. */
const OVERVIEW_METRES_PER_PIXEL = 3000;

/** The outline of polygons that are too many to be told apart has this in place of an id. */
const CROWD_ID = 0;

/** Ticked polygons are tinted, others outlined; those too small for it filled. */
export function layerStyle(colour: string, isTicked: boolean): StyleFunction {
  const near = { line: lineStyle(colour, 1.4), point: pointStyle(colour, 4) };
  const far = { line: lineStyle(colour, 0.6), point: pointStyle(colour, 2) };
  const polygon = polygonStyle(colour, isTicked ? `${colour}30` : "transparent");
  const crowd = new Style({ fill: new Fill({ color: `${colour}60` }) });
  const small = polygonStyle(`${colour}60`, `${colour}60`);
  return (feature, resolution) => {
    if (feature.getId() === CROWD_ID) return crowd;
    const geometry = feature.getGeometry();
    const kind = geometry?.getType() ?? "";
    const { line, point } = resolution > OVERVIEW_METRES_PER_PIXEL ? far : near;
    if (kind.endsWith("Point")) return point;
    if (kind.endsWith("LineString")) return line;
    return geometry && getWidth(geometry.getExtent()) / resolution < SMALL_PIXELS ? small : polygon;
  };
}

function polygonStyle(outlineColour: string, fillColour: string): Style {
  return new Style({ stroke: new Stroke({ color: outlineColour, width: 1 }), fill: new Fill({ color: fillColour }) });
}

function lineStyle(color: string, width: number): Style {
  return new Style({ stroke: new Stroke({ color, width }) });
}

/** A dot ringed in white, so that it shows on sea, land and polygons alike. */
function pointStyle(color: string, radius: number): Style {
  const stroke = new Stroke({ color: "#fff", width: radius / 3 });
  return new Style({ image: new CircleStyle({ radius, fill: new Fill({ color }), stroke }) });
}

const outline = new Stroke({ color: AREA_COLOUR, width: 2.5 });
const halo = new Stroke({ color: "rgba(255, 255, 255, 0.85)", width: 5 });

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
