/** The tools by which an area is drawn: their buttons, and what each says over the map. */

import type { Tool } from "./drawing.ts";
import { element } from "./page.ts";
import { t } from "./words.ts";

export const TOOLS = ["rectangle", "polygon", "circle", "move"] as const;

const OF_FINGERS: Partial<Record<Tool, string>> = {
  rectangle: t("Drag from one corner to the opposite one, or tap both."),
  polygon: t("Tap each corner; tap the last one twice to finish."),
  circle: t("Tap the middle, then how far it reaches."),
};

const HELP: Record<Tool, string> = {
  rectangle: t("Drag from one corner to the opposite one, or click both."),
  polygon: t("Click each corner; double-click the last one to finish."),
  circle: t("Click the middle, then how far it reaches."),
  move: t("Drag the area, or move it by the arrow keys."),
};

/** Show which tool is at work; null is none. */
export function showTool(tool: Tool | null): void {
  for (const each of TOOLS) element(`draw-${each}`).setAttribute("aria-pressed", String(tool === each));
  element("undo-corner").hidden = tool !== "polygon";
  element("drawing-help").hidden = tool === null;
  element("drawing-help-text").textContent = tool ? helpFor(tool) : "";
  // On a phone the buttons may be a screen away from the map.
  if (tool) element("map").scrollIntoView({ block: "nearest" });
}

function helpFor(tool: Tool): string {
  const isTouched = window.matchMedia("(pointer: coarse)").matches;
  return (isTouched && OF_FINGERS[tool]) || HELP[tool];
}
