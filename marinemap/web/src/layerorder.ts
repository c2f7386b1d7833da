/** Which of many layers are shown first, and which are meant by a few letters. */

import type { Collection } from "./api.ts";
import type { Bounds } from "./area.ts";
import { boundsOfCollection } from "./collection.ts";

/** Fewer are seen at a glance. */
export const MANY_LAYERS = 9;

/** Whether each word of a text begins a word of a title or description; accents and case do not count. */
export function isMeant({ id, title, description = "" }: Pick<Collection, "id" | "title" | "description">, text: string): boolean {
  const words = plainWords(`${id} ${title} ${description}`);
  return plainWords(text).every((sought) => words.some((word) => word.startsWith(sought)));
}

/** Whether a layer has anything near an area; what does not say where it lies may. */
export function mayTouch(collection: Collection, area: Bounds): boolean {
  const bounds = boundsOfCollection(collection);
  if (!bounds) return true;
  // In whichever copy of the world.
  const shift = 360 * Math.floor((area.east - bounds.west) / 360);
  return bounds.east + shift >= area.west && bounds.south <= area.north && bounds.north >= area.south;
}

function plainWords(text: string): string[] {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);
}
