/** What was asked for with a request, as the service keeps it, in words. */

import type { Asked, AskedArea } from "../api/requests.ts";
import { km2OfOutline } from "../chosenarea.ts";
import { partInWords } from "../parts/words.ts";
import { areaInWords } from "../units.ts";
import { outlineOf } from "./outline.ts";
import { t } from "../words.ts";

export interface Titles {
  ofLayer: (id: string) => string;
  ofFormat: (id: string) => string;
}

const MODES: Record<string, string> = { intersects: t("whole features"), within: t("only what lies wholly within") };

/** Ids of the layers; one is an object where fields or a filter are chosen. */
export function layerIds({ layers }: Pick<Asked, "layers">): string[] {
  return layers.map((layer) => (typeof layer === "string" ? layer : layer.name));
}

export function titleOf(asked: Asked, titles: Titles): string {
  return layerIds(asked).map(titles.ofLayer).join(", ");
}

/** What tells requests for the same layers apart: format, size of the area, and what is not usual. */
export function choicesOf(asked: Asked, titles: Titles): string[] {
  return [
    titles.ofFormat(asked.format),
    sizeOf(asked.area),
    MODES[asked.mode] ?? "",
    asked.crs ?? "",
    ...partsOf(asked, titles),
    asked.full_copy === false ? t("without a full copy") : "",
  ].filter(Boolean);
}

function sizeOf(area: AskedArea): string {
  const outline = outlineOf(area);
  return outline.length > 0 ? areaInWords(km2OfOutline(outline)) : t("bounds in {crs}", { crs: (area as { crs: string }).crs });
}

/** What is chosen of layers, each named where there are several; a name turns nothing around it. */
function partsOf({ layers }: Asked, titles: Titles): string[] {
  return layers.filter((layer) => typeof layer !== "string").map((layer) => {
    const words = partInWords(layer);
    return layers.length > 1 ? `\u2068${titles.ofLayer(layer.name)}\u2069: ${words}` : words;
  });
}
