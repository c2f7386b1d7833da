/** Areas by their names; seas as well, which are places on the map without an outline. */

import { readArea, searchAreas, type KnownArea, type NamedArea } from "./api/areas.ts";
import { Combobox } from "./combobox.tsx";
import { element } from "./page.ts";
import { readSeas, seasMeant, type Sea } from "./seanames.ts";
import { t, tn } from "./words.ts";

const MOST_SEAS = 4;

export interface SearchParts {
  titleOfLayer: (id: string) => string;
  /** An area is being read: return who is told of it when it is there. */
  onWish: () => (area: KnownArea) => void;
  onSea: (sea: Sea) => void;
}

type Found = NamedArea | (Sea & { id: string });

export function offerAreas({ titleOfLayer, onWish, onSea }: SearchParts): void {
  const aboutOf = (found: Found): string => ("layer" in found ? titleOfLayer(found.layer) : t("Go there on the map"));
  new Combobox<Found>({
    field: "area-name",
    list: "area-names",
    part: "area",
    find: async (text, signal) => [...(await searchAreas(text, signal)), ...(await findSeas(text))],
    textOf: ({ title }) => title,
    View: ({ found }) => <><bdi>{found.title}</bdi> <span class="small quiet-text" dir="auto">{aboutOf(found)}</span></>,
    onChoice: async (found) => {
      if (!("layer" in found)) return onSea(found);
      const take = onWish();
      take(await readArea(found.id));
    },
    nothing: t("No area by that name here."),
    counted: (count) => tn("{count} place found.", "{count} places found.", count),
  });
}

async function findSeas(text: string): Promise<Found[]> {
  const seas = seasMeant(await readSeas(element("map").dataset["seas"]!), text);
  return seas.slice(0, MOST_SEAS).map((sea) => ({ ...sea, id: `sea:${sea.title}` }));
}
