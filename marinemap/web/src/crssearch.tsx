/** Coordinate systems by name, place or code, those that fit the area first. */

import { searchCrs, type FoundCrs } from "./api/areas.ts";
import type { Bounds } from "./area.ts";
import { Combobox } from "./combobox.tsx";
import { t, tn } from "./words.ts";

export interface CrsSearchParts {
  /** Of the area, west beyond east across 180; null while there is none. */
  bounds: () => Bounds | null;
  onCrs: (crs: FoundCrs) => void;
}

export function offerCrs({ bounds, onCrs }: CrsSearchParts): void {
  new Combobox({
    field: "crs-code",
    list: "crs-names",
    part: "crs",
    find: (text, signal) => searchCrs(text, bounds(), signal),
    offersAtOnce: true,
    textOf: ({ id }) => id,
    View: ({ found: { id, title, place, fits } }) => (
      <><span lang="en">{title}</span> ({id}) <span class="place small quiet-text">{fits === false && <>{t("not made for your area")}: </>}<span lang="en">{place}</span></span></>
    ),
    onChoice: onCrs,
    nothing: t("No coordinate system by that name or code."),
    counted: (count) => tn("{count} coordinate system found.", "{count} coordinate systems found.", count),
  });
}
