/** Which of many layers are shown first, and which are meant by a few letters. */

import type { Collection } from "./api/layers.ts";
import type { Bounds } from "./area.ts";
import { boundsOfCollection } from "./collection.ts";
import { locale } from "./words.ts";

/** Fewer are seen at a glance. */
export const MANY_LAYERS = 9;

/** Whether each word of a text begins a word of a title or description; accents and case do not count. */
export function isMeant({ id, title, theme = "", description = "" }: Pick<Collection, "id" | "title" | "theme" | "description">, text: string): boolean {
  const words = plainWords(`${id} ${title} ${theme} ${description}`);
  return plainWords(text).every((sought) => words.some((word) => word.startsWith(sought)));
}

/**
 * Order layers as their operator placed them, the others behind as the reader looks for words and
 * numbers; of a database capitals may come first, and Ä after Z.
 */
export function inOrder<T extends Pick<Collection, "title" | "position">>(layers: readonly T[]): T[] {
  const words = new Intl.Collator(locale, { numeric: true });
  return [...layers].sort((one, other) => compared(one.position, other.position) || words.compare(one.title, other.title));
}

export interface Themed<T> {
  /** Empty for those that have none. */
  theme: string;
  members: T[];
}

/** Put layers below their themes: by the first place in each, then by name; those with nothing near after the others, layers without a theme last. */
export function byTheme<T extends { collection: Pick<Collection, "theme" | "position"> }>(layers: readonly T[], isFar: (layer: T) => boolean): Themed<T>[] {
  const themes = new Map<string, T[]>();
  for (const layer of layers) {
    const { theme = "" } = layer.collection;
    themes.set(theme, [...(themes.get(theme) ?? []), layer]);
  }
  const rank = ({ theme, members }: Themed<T>): number => (theme === "" ? 2 : members.every(isFar) ? 1 : 0);
  const groups = [...themes].map(([theme, members]) => ({ theme, members }));
  return groups.sort((one, other) => rank(one) - rank(other) || compared(firstOf(one), firstOf(other)) || one.theme.localeCompare(other.theme, locale));
}

function firstOf<T extends { collection: Pick<Collection, "position"> }>({ members }: Themed<T>): number {
  return Math.min(...members.map(({ collection: { position = Infinity } }) => position));
}

function compared(one = Infinity, other = Infinity): number {
  return one === other ? 0 : one - other;
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
