/** Drawing a rectangle on the map, by dragging or by two clicks, and pulling its corners. */

import type MapBrowserEvent from "ol/MapBrowserEvent.js";
import type { Coordinate } from "ol/coordinate.js";
import { boundingExtent, getBottomLeft, getBottomRight, getTopLeft, getTopRight, type Extent } from "ol/extent.js";
import PointerInteraction from "ol/interaction/Pointer.js";
import type { Pixel } from "ol/pixel.js";

/** Below this a press and release is a click, not a drag. */
const CLICK_PIXELS = 6;
const CORNER_PIXELS = 12;

export interface RectangleEvents {
  /** The rectangle changes under the pointer. */
  onSketch: (extent: Extent) => void;
  onFinish: (extent: Extent) => void;
}

export class RectangleInteraction extends PointerInteraction {
  readonly #events: RectangleEvents;
  #isDrawing = false;
  #anchor: Coordinate | null = null;
  #finished: Extent | null = null;

  constructor(events: RectangleEvents) {
    super();
    this.#events = events;
  }

  /** From the next press on, draw a new rectangle. */
  start(): void {
    this.#isDrawing = true;
    this.#anchor = null;
  }

  stop(): void {
    this.#isDrawing = false;
    this.#anchor = null;
  }

  /** Set the rectangle whose corners may be pulled; null if there is none. */
  setFinished(extent: Extent | null): void {
    this.#finished = extent;
  }

  override handleDownEvent(event: MapBrowserEvent): boolean {
    if (this.#isDrawing) {
      this.#anchor ??= event.coordinate;
    } else {
      this.#anchor = this.#oppositeOfCornerAt(event.pixel);
    }
    return this.#anchor !== null;
  }

  override handleDragEvent(event: MapBrowserEvent): void {
    this.#sketch(event);
  }

  override handleMoveEvent(event: MapBrowserEvent): void {
    this.#sketch(event);
    const isOverCorner = !this.#isDrawing && this.#oppositeOfCornerAt(event.pixel) !== null;
    event.map.getTargetElement()?.classList.toggle("over-corner", isOverCorner);
  }

  override handleUpEvent(event: MapBrowserEvent): boolean {
    // A click sets the first corner and leaves the second to the next click.
    if (!this.#anchor || this.#pixelsFromAnchor(event) <= CLICK_PIXELS) return false;
    const extent = boundingExtent([this.#anchor, event.coordinate]);
    this.#anchor = null;
    this.#events.onFinish(extent);
    return false;
  }

  override handleEvent(event: MapBrowserEvent): boolean {
    const goesOn = super.handleEvent(event);
    // Two quick clicks are two corners here, not a zoom.
    return event.type === "dblclick" && this.#isDrawing ? false : goesOn;
  }

  #sketch(event: MapBrowserEvent): void {
    if (this.#anchor) this.#events.onSketch(boundingExtent([this.#anchor, event.coordinate]));
  }

  #pixelsFromAnchor({ map, pixel }: MapBrowserEvent): number {
    const anchor = map.getPixelFromCoordinate(this.#anchor!);
    return Math.hypot(anchor[0]! - pixel[0]!, anchor[1]! - pixel[1]!);
  }

  #oppositeOfCornerAt(pixel: Pixel): Coordinate | null {
    const map = this.getMap();
    if (!this.#finished || !map) return null;
    const corners = [getBottomLeft, getBottomRight, getTopRight, getTopLeft].map((corner) => corner(this.#finished!));
    const grabbed = corners.findIndex((corner) => {
      const at = map.getPixelFromCoordinate(corner);
      return Math.hypot(at[0]! - pixel[0]!, at[1]! - pixel[1]!) <= CORNER_PIXELS;
    });
    return grabbed < 0 ? null : corners[(grabbed + 2) % 4]!;
  }
}
