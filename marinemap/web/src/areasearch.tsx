/** Areas by their names. */

import { readArea, searchAreas, type KnownArea } from "./api/areas.ts";
import { Combobox } from "./combobox.tsx";
import { t, tn } from "./words.ts";

export interface SearchParts {
  titleOfLayer: (id: string) => string;
  onArea: (area: KnownArea) => void;
}

export function offerAreas({ titleOfLayer, onArea }: SearchParts): void {
  new Combobox({
    field: "area-name",
    list: "area-names",
    part: "area",
    find: searchAreas,
    textOf: ({ title }) => title,
    View: ({ found }) => <><bdi>{found.title}</bdi> <span class="small quiet-text" dir="auto">{titleOfLayer(found.layer)}</span></>,
    onChoice: async ({ id }) => onArea(await readArea(id)),
    nothing: t("No area by that name here."),
    counted: (count) => tn("{count} area found.", "{count} areas found.", count),
  });
}
