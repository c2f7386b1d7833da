/** Step 1 of the form: the drawing buttons, the size, typed coordinates. */

import type Map from "ol/Map.js";

import { areaKm2, boundsOf, densified, isRectangle, sizeInWords, type Bounds } from "./area.ts";
import type { Ring } from "./antimeridian.ts";
import type { AskedArea } from "./api.ts";
import { AreaDrawing, type DrawnArea, type Tool } from "./drawing.ts";
import { zoomTo } from "./map.ts";
import { element } from "./page.ts";
import { clearProblem, showAt } from "./problems.ts";
import { outlineOf } from "./requests/outline.ts";

const HELP: Record<Tool, string> = {
  rectangle: "Drag from one corner to the opposite one, or click both.",
  polygon: "Click each corner; double-click the last one to finish.",
};
const NO_AREA = "No area yet.";
const SIDES = ["west", "south", "east", "north"] as const;
const ZOOM_MILLISECONDS = 400;

export class AreaForm {
  readonly #map: Map;
  readonly #drawing: AreaDrawing;
  readonly #onChange: () => void;
  #area: DrawnArea | null = null;

  constructor(map: Map, onChange: () => void) {
    this.#map = map;
    this.#onChange = onChange;
    this.#drawing = new AreaDrawing(map, {
      onArea: (area) => this.#showArea(area),
      onTool: (tool) => this.#showTool(tool),
    });
    this.#listen();
  }

  /** Corners of the area in degrees, as drawn; null while there is none. */
  get ring(): Ring | null {
    return this.#area?.ring ?? null;
  }

  get drawn(): DrawnArea | null {
    return this.#area;
  }

  /** Set an area that was drawn before; null clears it. */
  restore(area: DrawnArea | null): void {
    if (area) this.#drawing.setArea(area);
    else this.#drawing.clear();
  }

  /** Set an area that was asked for before, and show it. */
  take(asked: AskedArea): void {
    const [[ring]] = outlineOf(asked) as [[Ring]];
    this.#drawing.setArea({ ring, isRectangle: isRectangle(ring) });
    zoomTo(this.#map, boundsOf(ring), ZOOM_MILLISECONDS);
  }

  get isDrawing(): boolean {
    return this.#drawing.tool !== null;
  }

  #listen(): void {
    for (const tool of ["rectangle", "polygon"] as const) {
      element(`draw-${tool}`).addEventListener("click", () => this.#toggle(tool));
    }
    element("undo-corner").addEventListener("click", () => this.#drawing.undoCorner());
    element("stop-drawing").addEventListener("click", () => this.#drawing.cancel());
    element("clear-area").addEventListener("click", () => this.#drawing.clear());
    element("use-bounds").addEventListener("click", () => this.#useBounds());
    element("typed-area").addEventListener("keydown", (event) => this.#onEnter(event));
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  #toggle(tool: Tool): void {
    if (this.#drawing.tool === tool) {
      this.#drawing.cancel();
    } else {
      this.#drawing.start(tool);
    }
  }

  #onKey(event: KeyboardEvent): void {
    if (this.#drawing.tool === null || event.target instanceof HTMLInputElement) return;
    const isUndo = event.key === "Backspace" || (event.key === "z" && (event.ctrlKey || event.metaKey));
    if (event.key === "Escape") this.#drawing.cancel();
    if (isUndo) this.#drawing.undoCorner();
    if (isUndo) event.preventDefault();
  }

  // Enter in a coordinate sets the area; it must not send the form.
  #onEnter(event: KeyboardEvent): void {
    if (event.key !== "Enter" || !(event.target instanceof HTMLInputElement)) return;
    event.preventDefault();
    this.#useBounds();
  }

  #useBounds(): void {
    try {
      const bounds = readBounds();
      this.#drawing.setBounds(bounds);
      zoomTo(this.#map, bounds, ZOOM_MILLISECONDS);
    } catch (error) {
      showAt("area", (error as RangeError).message);
    }
  }

  #showArea(area: DrawnArea | null): void {
    this.#area = area;
    clearProblem("area");
    element("area-size").textContent = area ? `Area: ${sizeInWords(areaKm2(densified(area.ring)))}` : NO_AREA;
    element<HTMLButtonElement>("clear-area").disabled = area === null;
    fillBounds(area?.isRectangle ? boundsOf(area.ring) : null);
    this.#onChange();
  }

  #showTool(tool: Tool | null): void {
    for (const each of ["rectangle", "polygon"] as const) {
      element(`draw-${each}`).setAttribute("aria-pressed", String(tool === each));
    }
    element("undo-corner").hidden = tool !== "polygon";
    element("drawing-help").hidden = tool === null;
    element("drawing-help-text").textContent = tool ? HELP[tool] : "";
    // On a phone the buttons may be a screen away from the map.
    if (tool) element("map").scrollIntoView({ block: "nearest" });
  }
}

function input(side: (typeof SIDES)[number]): HTMLInputElement {
  return element<HTMLInputElement>(`bound-${side}`);
}

/** Read the four fields; west greater than east means over the 180th meridian. */
function readBounds(): Bounds {
  const [west, south, east, north] = [
    readDegrees("west", 180), readDegrees("south", 90), readDegrees("east", 180), readDegrees("north", 90),
  ];
  if (south >= north) throw new RangeError("South must be less than north.");
  if (west === east) throw new RangeError("West and east must differ.");
  return { west, south, east: east < west ? east + 360 : east, north };
}

function readDegrees(side: (typeof SIDES)[number], limit: number): number {
  const typed = input(side).value.trim().replace(",", ".").replace("−", "-");
  const degrees = Number(typed);
  if (typed !== "" && Math.abs(degrees) <= limit) return degrees;
  input(side).focus();
  const name = side[0]!.toUpperCase() + side.slice(1);
  throw new RangeError(`${name} must be a number of degrees from -${limit} to ${limit}.`);
}

function fillBounds(bounds: Bounds | null): void {
  for (const side of SIDES) input(side).value = "";
  if (!bounds) return;
  const shift = -360 * Math.floor((bounds.west + 180) / 360);
  const east = bounds.east + shift;
  const shown = { ...bounds, west: bounds.west + shift, east: east > 180 ? east - 360 : east };
  for (const side of SIDES) input(side).value = String(Number(shown[side].toFixed(5)));
}
