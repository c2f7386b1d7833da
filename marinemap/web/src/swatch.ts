/** The small picture beside a layer's title: its kind, and its look while it is on the map. */

import type { Kind } from "./collection.ts";
import type { Look } from "./palette.ts";
import { DASHES, SHAPES } from "./symbols.ts";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 20;
const HEIGHT = 14;
const OFF = "#6b7c86";

/** Draw into an svg element; null is a layer that is not on the map. */
export function drawSwatch(svg: SVGSVGElement, kind: Kind, look: Look | null): void {
  const colour = look?.colour ?? OFF;
  const mark = look?.mark ?? 0;
  const paint = { stroke: colour, "stroke-width": "2", "stroke-dasharray": DASHES[mark].map((dash) => dash / 2).join(" ") };
  const shape = {
    polygons: () => made("rect", { ...paint, x: 2, y: 2, width: 16, height: 10, fill: look ? `${colour}30` : "none" }),
    features: () => made("rect", { ...paint, x: 2, y: 2, width: 16, height: 10, fill: "none" }),
    lines: () => made("path", { ...paint, d: "M1 11 7 4l6 5 6-6", fill: "none" }),
    points: () => pointShape(mark, { fill: look ? colour : "none", stroke: colour, "stroke-width": "1.5" }),
  }[kind]();
  svg.replaceChildren(shape);
}

export function newSwatch(): SVGSVGElement {
  const svg = made("svg", { width: WIDTH, height: HEIGHT, class: "swatch", "aria-hidden": "true" });
  return svg as SVGSVGElement;
}

function pointShape(mark: Look["mark"], paint: Record<string, string>): SVGElement {
  const shape = SHAPES[mark];
  if (!shape) return made("circle", { ...paint, cx: WIDTH / 2, cy: HEIGHT / 2, r: 4.5 });
  const corners = Array.from({ length: shape.points }, (_, n) => {
    const angle = shape.angle + (2 * Math.PI * n) / shape.points - Math.PI / 2;
    return `${WIDTH / 2 + 6 * Math.cos(angle)},${HEIGHT / 2 + 6 * Math.sin(angle)}`;
  });
  return made("polygon", { ...paint, points: corners.join(" ") });
}

function made(name: string, attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
