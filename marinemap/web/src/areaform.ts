/** Step 1 of the form: the area, drawn, typed, searched, from a file; its size; undo and redo. */

import type Map from "ol/Map.js";

import type { Ring } from "./antimeridian.ts";
import { readArea, type KnownArea } from "./api/areas.ts";
import { ProblemError } from "./api/call.ts";
import type { AskedArea } from "./api/requests.ts";
import { boundsOf, type Bounds } from "./area.ts";
import { AreaFile } from "./areafile.ts";
import { offerAreas } from "./areasearch.tsx";
import { showTool, TOOLS } from "./areatools.ts";
import { isOfFile, type SharedArea } from "./address.ts";
import { askedBefore, cornersOf, editableRing, given, km2OfChosen, km2OfDrawn, type ChosenArea } from "./chosenarea.ts";
import { AreaDrawing, type Tool } from "./drawing.ts";
import { goTo, viewOf, zoomTo } from "./map.ts";
import { element, make } from "./page.ts";
import { clearProblem, problemInWords, showAt } from "./problems.ts";
import type { Sea } from "./seanames.ts";
import { TypedBounds } from "./typedbounds.ts";
import { Undo } from "./undo.ts";
import { areaInWords } from "./units.ts";
import { SERVICE_LANGUAGE, t } from "./words.ts";

const NO_AREA = t("No area yet.");
const NOT_SHOWN = t("The area of that request is given in coordinates that this page cannot show. Choose it anew, or ask for the same again on the card.");
const GONE = t("The area in this page’s address is not here any more. Choose another.");
const NOT_YOURS = t("The area in this page’s address is not here: one from a file is kept for a day, and for the browser that it was chosen in. Choose another.");
const NOT_FOUND = 404;
const ARROWS: Record<string, [right: number, up: number]> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
};
const ZOOM_MILLISECONDS = 400;
const LEAST_SKETCH_KM2 = 1e-6;

export interface AreaEvents {
  onChange: () => void;
  titleOfLayer: (id: string) => string;
}

export class AreaForm {
  readonly #map: Map;
  readonly #drawing: AreaDrawing;
  readonly #events: AreaEvents;
  readonly #undo = new Undo<ChosenArea | null>(null);
  readonly #typed = new TypedBounds((bounds) => this.#setBounds(bounds));
  #area: ChosenArea | null = null;
  /** An id that the address named, until the service has told of it. */
  #awaitedId: string | null = null;
  #isStepping = false;

  constructor(map: Map, events: AreaEvents) {
    this.#map = map;
    this.#events = events;
    this.#drawing = new AreaDrawing(map, {
      onArea: (area) => this.#heed(area),
      onSketch: (ring) => this.#showSketch(km2OfDrawn(ring)),
      onTool: (tool) => this.#heedTool(tool),
    });
    offerAreas({ titleOfLayer: events.titleOfLayer, onArea: (area) => this.#takeKnown(area), onSea: (sea) => this.#goToSea(sea) });
    new AreaFile((area) => this.#takeKnown(area));
    this.#listen();
  }

  get chosen(): ChosenArea | null {
    return this.#area;
  }

  /** All outer corners, in degrees as drawn; null while there is no area. */
  get corners(): Ring | null {
    return this.#area && cornersOf(this.#area);
  }

  get isDrawing(): boolean {
    return this.#drawing.tool !== null;
  }

  /** The area as the address can hold it. */
  get shared(): SharedArea | null {
    if (this.#awaitedId) return { id: this.#awaitedId };
    if (this.#area?.kind === "drawn") return this.#area;
    if (this.#area?.id) return { id: this.#area.id };
    const ring = editableRing(this.#area);
    return ring && { ring, isRectangle: false };
  }

  /** Tell the size anew, as when it is wished in other units. */
  refreshSize(): void {
    this.#showArea(this.#area);
  }

  /** Set the area that an address holds; null clears it. */
  restore(area: SharedArea | null): void {
    this.#awaitedId = null;
    if (!area) this.#drawing.clear();
    else if ("id" in area) void this.#restoreKnown(area.id);
    else this.#drawing.setArea({ kind: "drawn", ...area });
  }

  /** Set an area that was asked for before, and go there. */
  take(asked: AskedArea): void {
    const area = askedBefore(asked);
    if (!area) {
      this.#drawing.clear();
      return showAt("area", NOT_SHOWN);
    }
    this.#drawing.setArea(area);
    this.#goThere();
  }

  async #restoreKnown(id: string): Promise<void> {
    this.#awaitedId = id;
    try {
      const area = await readArea(id);
      if (this.#awaitedId === id) this.#drawing.setArea(chosenOf(area));
      if (this.#awaitedId === id) this.#awaitedId = null;
    } catch (error) {
      if (this.#awaitedId === id) this.#heedUntold(id, error);
    }
  }

  /** Ask once more for the area that the address names, as when the connection is back. */
  retry(): void {
    if (this.#awaitedId) void this.#restoreKnown(this.#awaitedId);
  }

  #heedUntold(id: string, error: unknown): void {
    const { status, isUnreachable } = error instanceof ProblemError ? error.problem : {};
    // It stays in the address until somebody can tell.
    if (isUnreachable) return;
    this.#awaitedId = null;
    showAt("area", status === NOT_FOUND ? (isOfFile(id) ? NOT_YOURS : GONE) : problemInWords(error));
  }

  #takeKnown(area: KnownArea): void {
    this.#drawing.setArea(chosenOf(area));
    this.#goThere();
  }

  /** Nobody has told its limits: it is no area. */
  #goToSea({ title, longitude, latitude, zoom }: Sea): void {
    goTo(this.#map, [longitude, latitude], zoom + 1, ZOOM_MILLISECONDS);
    element("sea-note").textContent = t("The map is at “{sea}” now, which has no outline here: draw your area, or take the map’s view.", { sea: title });
  }

  #goThere(): void {
    if (this.#area) zoomTo(this.#map, boundsOf(cornersOf(this.#area)), ZOOM_MILLISECONDS);
  }

  #listen(): void {
    for (const tool of TOOLS) element(`draw-${tool}`).addEventListener("click", () => this.#toggle(tool));
    element("undo-corner").addEventListener("click", () => this.#drawing.undoCorner());
    element("stop-drawing").addEventListener("click", () => this.#stop());
    element("clear-area").addEventListener("click", () => this.#drawing.clear());
    element("use-view").addEventListener("click", () => this.#useView());
    element("undo-area").addEventListener("click", () => this.#step(-1));
    element("redo-area").addEventListener("click", () => this.#step(1));
    // Before the map, which would move as well.
    document.addEventListener("keydown", (event) => this.#onKey(event), { capture: true });
  }

  #toggle(tool: Tool): void {
    if (this.#drawing.tool === tool) this.#drawing.cancel();
    else this.#drawing.start(tool);
  }

  // The button goes, and the keyboard would be lost with it.
  #stop(): void {
    const { tool } = this.#drawing;
    this.#drawing.cancel();
    if (tool) element(`draw-${tool}`).focus({ preventScroll: true });
  }

  #onKey(event: KeyboardEvent): void {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) return;
    const { tool } = this.#drawing;
    const isUndo = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey);
    const arrow = tool === "move" ? ARROWS[event.key] : undefined;
    if (event.key === "Escape" && tool) this.#stop();
    else if (tool === "polygon" && (isUndo || event.key === "Backspace")) this.#drawing.undoCorner();
    else if (isUndo) this.#step(event.shiftKey ? 1 : -1);
    else if (arrow) this.#drawing.nudge(...arrow);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #useView(): void {
    const { west, south, east, north } = viewOf(this.#map);
    this.#drawing.setBounds({ west, south: Math.max(-90, south), east: Math.min(east, west + 360), north: Math.min(90, north) });
  }

  #setBounds(bounds: Bounds): void {
    this.#drawing.setBounds(bounds);
    zoomTo(this.#map, bounds, ZOOM_MILLISECONDS);
  }

  #step(by: 1 | -1): void {
    const area = this.#undo.step(by);
    this.#isStepping = true;
    if (area) this.#drawing.setArea(area);
    else this.#drawing.clear();
    this.#isStepping = false;
  }

  #heed(area: ChosenArea | null): void {
    this.#area = area;
    this.#awaitedId = null;
    if (!this.#isStepping && area !== this.#undo.now) this.#undo.push(area);
    clearProblem("area");
    this.#showArea(area);
    this.#typed.fill(area);
    this.#events.onChange();
  }

  #showArea(area: ChosenArea | null): void {
    element("sea-note").textContent = "";
    if (area) this.#showSize(km2OfChosen(area), area.kind === "given" ? area.title : "");
    else element("area-size").textContent = NO_AREA;
    const notes = area?.kind === "given" ? area.notes : [];
    element("area-notes").replaceChildren(...notes.map((note) => make("li", { lang: SERVICE_LANGUAGE }, note)));
    enable("clear-area", area !== null);
    enable("draw-move", editableRing(area) !== null);
    enable("undo-area", this.#undo.canUndo);
    enable("redo-area", this.#undo.canRedo);
  }

  #showSize(km2: number, title = ""): void {
    const size = areaInWords(km2);
    // By itself: a name that is written from right to left would turn the number behind it.
    if (title) element("area-size").replaceChildren(make("bdi", {}, title), `: ${size}`);
    else element("area-size").textContent = t("Area: {size}", { size });
  }

  /** Corners on a line, as the first two are, have a size by rounding only. */
  #showSketch(km2: number): void {
    if (km2 < LEAST_SKETCH_KM2) element("area-size").textContent = NO_AREA;
    else this.#showSize(km2);
  }

  #heedTool(tool: Tool | null): void {
    showTool(tool);
    // What was sketched and left does not count.
    if (tool === null) this.#showArea(this.#area);
  }
}

function chosenOf({ id, geometry, properties }: KnownArea): ChosenArea {
  const { title = "", notes = [] } = properties;
  return given(geometry, { id, title, notes });
}

// A button that has the keyboard and is disabled would lose it.
function enable(id: string, isEnabled: boolean): void {
  const button = element<HTMLButtonElement>(id);
  if (!isEnabled && document.activeElement === button) element("draw-rectangle").focus({ preventScroll: true });
  button.disabled = !isEnabled;
}
