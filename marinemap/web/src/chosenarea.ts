/** The area that is chosen: drawn by hand, or given by a name, a file or an earlier request. */

import { normaliseArea, type AreaGeometry, type Position, type Ring } from "./antimeridian.ts";
import { areaKm2, crossesItself, densified, isRectangle } from "./area.ts";
import type { AskedArea } from "./api/requests.ts";
import { outlineOf, type Outline } from "./requests/outline.ts";

export interface DrawnArea {
  kind: "drawn";
  /** Corners in degrees; longitudes run on beyond 180 where the map repeats. */
  ring: Ring;
  isRectangle: boolean;
}

export interface GivenArea {
  kind: "given";
  geometry: AreaGeometry;
  /** The same in one piece, for the map. */
  outline: Outline;
  title: string;
  /** By which the service knows it; null where it does not. */
  id: string | null;
  /** What was repaired, in the service's words. */
  notes: string[];
}

export type ChosenArea = DrawnArea | GivenArea;

/** Above this many corners nobody pulls at one. */
const MOST_CORNERS_EDITED = 500;

export function drawn(ring: Ring): DrawnArea {
  return { kind: "drawn", ring, isRectangle: isRectangle(ring) };
}

export function given(geometry: AreaGeometry, about: { title?: string; id?: string; notes?: string[] } = {}): GivenArea {
  const { title = "", id = null, notes = [] } = about;
  return { kind: "given", geometry, outline: outlineOf(geometry), title, id, notes };
}

/** An area as it was asked for before: to be drawn on where it is a rectangle; null where it cannot be shown. */
export function askedBefore(area: AskedArea): ChosenArea | null {
  if ("bbox" in area) {
    const [polygon] = outlineOf(area);
    return polygon ? drawn(polygon[0]!) : null;
  }
  const [polygon, ...others] = outlineOf(area);
  const isPlain = others.length === 0 && polygon!.length === 1 && isRectangle(polygon![0]!);
  return isPlain ? drawn(polygon![0]!) : given(area);
}

/** What is sent to the service. */
export function inputOf(area: ChosenArea): string | AreaGeometry {
  if (area.kind === "drawn") return normaliseArea(densified(area.ring));
  return area.id ?? area.geometry;
}

export function outlineOfChosen(area: ChosenArea): Outline {
  return area.kind === "drawn" ? [[area.ring]] : area.outline;
}

/** All outer corners: what its bounds are made of. */
export function cornersOf(area: ChosenArea): Position[] {
  return outlineOfChosen(area).flatMap(([outer]) => outer!);
}

/** The ring whose corners may be pulled at and which may be moved; null where there are too many, or holes. */
export function editableRing(area: ChosenArea | null): Ring | null {
  const [polygon, ...others] = area ? outlineOfChosen(area) : [];
  const isPlain = others.length === 0 && polygon?.length === 1 && polygon[0]!.length <= MOST_CORNERS_EDITED;
  return isPlain ? polygon[0]! : null;
}

/** NaN where the outline crosses itself: the service makes of it what it can. */
export function km2OfChosen(area: ChosenArea): number {
  return area.kind === "drawn" ? km2OfDrawn(area.ring) : km2OfOutline(area.outline);
}

export function km2OfDrawn(ring: Ring): number {
  return isTangled(ring) ? NaN : areaKm2(densified(ring));
}

export function km2OfOutline(outline: Outline): number {
  if (outline.some(([outer]) => isTangled(outer!))) return NaN;
  return outline.reduce((sum, [outer, ...holes]) => sum + areaKm2(outer!) - holes.reduce((inner, hole) => inner + areaKm2(hole), 0), 0);
}

// What nobody drew by hand was made by a program, and is dear to look through.
function isTangled(ring: Ring): boolean {
  return ring.length <= MOST_CORNERS_EDITED && crossesItself(ring);
}
