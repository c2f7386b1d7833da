/** What was asked for with a request, as the service keeps it, in words. */

import type { Asked } from "../api.ts";
import { km2OfOutline } from "../chosenarea.ts";
import { areaInWords } from "../units.ts";
import { outlineOf } from "./outline.ts";

export interface Titles {
  ofLayer: (id: string) => string;
  ofFormat: (id: string) => string;
}

const MODES: Record<string, string> = { intersects: "whole features", within: "only what lies wholly within" };

/** Ids of the layers; one is an object where fields or a filter are chosen. */
export function layerIds({ layers }: Asked): string[] {
  return layers.map((layer) => (typeof layer === "string" ? layer : layer.name));
}

export function titleOf(asked: Asked, titles: Titles): string {
  return layerIds(asked).map(titles.ofLayer).join(", ");
}

/** What tells requests for the same layers apart: format, size of the area, and what is not usual. */
export function choicesOf(asked: Asked, titles: Titles): string[] {
  const hasPart = asked.layers.some((layer) => typeof layer !== "string");
  return [
    titles.ofFormat(asked.format),
    areaInWords(km2OfOutline(outlineOf(asked.area))),
    MODES[asked.mode] ?? "",
    asked.crs ?? "",
    hasPart ? "chosen fields or features" : "",
    asked.full_copy === false ? "without a full copy" : "",
  ].filter(Boolean);
}
