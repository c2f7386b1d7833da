/** Oceans and seas by their names: places on the map, of which nobody has told the limits. */

import { isMeant } from "./layerorder.ts";
import { declared } from "./words.ts";

/** As the file has it: the zoom is that from which its name has room on the map. */
export type Row = [name: string, longitude: number, latitude: number, zoom: number];

export interface Sea {
  /** In the reader's language. */
  title: string;
  longitude: number;
  latitude: number;
  zoom: number;
}

let known: readonly Sea[] = [];

/** Read them, once; without them there are none. */
export async function readSeas(url: string): Promise<readonly Sea[]> {
  if (known.length > 0) return known;
  const answer = await fetch(url, { priority: "low" }).catch(() => null);
  const rows = answer?.ok ? ((await answer.json()) as Row[]) : [];
  return (known = rows.map(([name, longitude, latitude, zoom]) => ({ title: declared(name), longitude, latitude, zoom })));
}

/** Return those whose names have words that begin so. */
export function seasMeant(seas: readonly Sea[], text: string): Sea[] {
  return seas.filter(({ title }) => isMeant({ id: "", title }, text));
}
