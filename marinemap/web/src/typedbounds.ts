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
  readonly #onTyping: () => void;
  /** As they stand for the area that is chosen. */
  #filled: string[] = SIDES.map(() => "");

  constructor(onBounds: (bounds: Bounds) => void, onTyping: () => void) {
    this.#onBounds = onBounds;
    this.#onTyping = onTyping;
    element("use-bounds").addEventListener("click", () => this.#use());
    element("typed-area").addEventListener("keydown", (event) => this.#onEnter(event));
    for (const side of SIDES) {
      input(side).addEventListener("input", onTyping);
      input(side).addEventListener("paste", (event) => this.#paste(event));
    }
  }

  /** Whether something else is typed than the area that is chosen. */
  get isDraft(): boolean {
    const typed = texts();
    return typed.some(Boolean) && typed.join(";") !== this.#filled.join(";");
  }

  /** Show the bounds of an area, where it is a rectangle. */
  fill(area: ChosenArea | null): void {
    mark([]);
    const bounds = area?.kind === "drawn" && area.isRectangle ? shown(boundsOf(area.ring)) : null;
    for (const side of SIDES) input(side).value = bounds ? String(Number(bounds[side].toFixed(7))) : "";
    this.#filled = texts();
  }

  // Enter in a coordinate sets the area; it must not send the form.
  #onEnter(event: KeyboardEvent): void {
    if (event.key !== "Enter" || !(event.target instanceof HTMLInputElement)) return;
    event.preventDefault();
    this.#use();
  }

  #paste(event: ClipboardEvent): void {
    const parts = splitBounds(event.clipboardData?.getData("text") ?? "");
    if (!parts) return;
    event.preventDefault();
    SIDES.forEach((side, index) => (input(side).value = parts[index]!));
    this.#onTyping();
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

/** Between -180 and 180; all of it where they go round the world. */
function shown(bounds: Bounds): Bounds {
  if (bounds.east - bounds.west >= 360) return { ...bounds, west: -180, east: 180 };
  const shift = -360 * Math.floor((bounds.west + 180) / 360);
  const east = bounds.east + shift;
  return { ...bounds, west: bounds.west + shift, east: east > 180 ? east - 360 : east };
}

function texts(): string[] {
  return SIDES.map((side) => input(side).value.trim());
}

function mark(sides: readonly Side[]): void {
  for (const side of SIDES) {
    if (sides.includes(side)) input(side).setAttribute("aria-invalid", "true");
    else input(side).removeAttribute("aria-invalid");
  }
}

function input(side: Side): HTMLInputElement {
  return element<HTMLInputElement>(`bound-${side}`);
}
