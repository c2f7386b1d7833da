/** The four fields in which the sides of an area are typed. */

import { boundsOf, type Bounds } from "./area.ts";
import type { ChosenArea } from "./chosenarea.ts";
import { parseDegrees, splitBounds, type Axis } from "./degrees.ts";
import { element } from "./page.ts";
import { clearProblem, showAt } from "./problems.ts";
import { t } from "./words.ts";

const SIDES = ["west", "south", "east", "north"] as const;
type Side = (typeof SIDES)[number];
const AXES: Record<Side, Axis> = { west: "longitude", south: "latitude", east: "longitude", north: "latitude" };

const NAMES: Record<Side, string> = { west: t("West"), south: t("South"), east: t("East"), north: t("North") };

class TypingError extends Error {
  constructor(message: string, readonly sides: readonly Side[]) {
    super(message);
  }
}

export class TypedBounds {
  readonly #onBounds: (bounds: Bounds) => void;

  constructor(onBounds: (bounds: Bounds) => void) {
    this.#onBounds = onBounds;
    element("use-bounds").addEventListener("click", () => this.#use());
    element("typed-area").addEventListener("keydown", (event) => this.#onEnter(event));
    for (const side of SIDES) input(side).addEventListener("paste", (event) => paste(event));
  }

  /** Show the bounds of an area, where it is a rectangle. */
  fill(area: ChosenArea | null): void {
    mark([]);
    for (const side of SIDES) input(side).value = "";
    if (area?.kind !== "drawn" || !area.isRectangle) return;
    const bounds = boundsOf(area.ring);
    const shift = -360 * Math.floor((bounds.west + 180) / 360);
    const east = bounds.east + shift;
    const shown = { ...bounds, west: bounds.west + shift, east: east > 180 ? east - 360 : east };
    for (const side of SIDES) input(side).value = String(Number(shown[side].toFixed(7)));
  }

  // Enter in a coordinate sets the area; it must not send the form.
  #onEnter(event: KeyboardEvent): void {
    if (event.key !== "Enter" || !(event.target instanceof HTMLInputElement)) return;
    event.preventDefault();
    this.#use();
  }

  #use(): void {
    clearProblem("area");
    mark([]);
    try {
      this.#onBounds(readBounds());
    } catch (error) {
      if (!(error instanceof TypingError)) throw error;
      showAt("area", error.message);
      mark(error.sides);
      input(error.sides[0]!).focus();
    }
  }
}

/** Read the four fields; west greater than east means over the 180th meridian. */
function readBounds(): Bounds {
  const [west, south, east, north] = SIDES.map(readSide) as [number, number, number, number];
  if (south >= north) throw new TypingError(t("South must be less than north."), ["south", "north"]);
  const beyond = east < west ? east + 360 : east;
  // 180 and -180 are one meridian.
  if (west === beyond) throw new TypingError(t("West and east must differ."), ["west", "east"]);
  return { west, south, east: beyond, north };
}

function readSide(side: Side): number {
  const degrees = parseDegrees(input(side).value, AXES[side]);
  if (degrees !== null) return degrees;
  const [most, example]: [number, string] = AXES[side] === "longitude" ? [180, t("-5.5, 5.5W or 5°30'W")] : [90, t("38.5, 38.5N or 38°30'N")];
  throw new TypingError(t("{side} must be degrees from -{most} to {most}, such as {example}.", { side: NAMES[side], most, example }), [side]);
}

function mark(sides: readonly Side[]): void {
  for (const side of SIDES) {
    if (sides.includes(side)) input(side).setAttribute("aria-invalid", "true");
    else input(side).removeAttribute("aria-invalid");
  }
}

function paste(event: ClipboardEvent): void {
  const parts = splitBounds(event.clipboardData?.getData("text") ?? "");
  if (!parts) return;
  event.preventDefault();
  SIDES.forEach((side, index) => (input(side).value = parts[index]!));
}

function input(side: Side): HTMLInputElement {
  return element<HTMLInputElement>(`bound-${side}`);
}
