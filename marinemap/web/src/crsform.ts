/** Step 3 of the form: the coordinate systems that suit the area. */

import type { Ring } from "./antimeridian.ts";
import type { FoundCrs } from "./api/areas.ts";
import { boundsOf, type Bounds } from "./area.ts";
import { epsgCode, isInEurope, utmZone, wrappedBounds } from "./crs.ts";
import { offerCrs } from "./crssearch.tsx";
import { element } from "./page.ts";
import { clearProblem } from "./problems.ts";
import { t } from "./words.ts";

const UTM = "utm";
const OTHER = "other";
const NO_UTM_YET = t("UTM zone of your area (choose it first)");
const NO_UTM_HERE = t("UTM zone (your area is too wide for one)");

/** The code to ask for; null for each layer's own, undefined while what is typed is no code. */
export type CrsChoice = string | null | undefined;

export class CrsForm {
  readonly #select = element<HTMLSelectElement>("crs");
  readonly #code = element<HTMLInputElement>("crs-code");
  readonly #title = element("crs-title");
  #utmCode: string | null = null;
  #bounds: Bounds | null = null;

  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
    for (const field of [this.#select, this.#code]) field.addEventListener("input", () => this.#heed());
    offerCrs({ bounds: () => this.#bounds, onCrs: (crs) => this.#heed(crs) });
    // Some browsers restore the choice after a reload, but the area is gone.
    this.fitTo(null);
    this.#showCodeField();
  }

  get choice(): CrsChoice {
    if (this.#select.disabled) return null;
    if (this.#select.value === OTHER) return epsgCode(this.#code.value) ?? undefined;
    if (this.#select.value === UTM) return this.#utmCode;
    return this.#select.value || null;
  }

  /** Choose a code as people would: by its name where it is offered for the area, else typed. */
  choose(code: string | null): void {
    const offered = [...this.#select.options].find((option) => !option.disabled && option.value === (code ?? ""));
    if (offered) this.#select.value = offered.value;
    else this.#select.value = code === this.#utmCode ? UTM : OTHER;
    this.#code.value = this.#select.value === OTHER ? (code ?? "").replace("EPSG:", "") : "";
    this.#heed();
  }

  /** Let people choose, unless the format is always in degrees. */
  allow(isAllowed: boolean): void {
    this.#select.disabled = this.#code.disabled = !isAllowed;
    element("crs-fixed").hidden = isAllowed;
    if (!isAllowed) clearProblem("crs");
  }

  /** Offer what suits this area; a choice that no longer does goes back to "no change". */
  fitTo(ring: Ring | null): void {
    const zone = ring && utmZone(ring);
    this.#utmCode = zone?.code ?? null;
    this.#bounds = ring && wrappedBounds(boundsOf(ring));
    const utm = element<HTMLOptionElement>("crs-utm");
    utm.disabled = !zone;
    utm.textContent = zone?.name ?? (ring ? NO_UTM_HERE : NO_UTM_YET);
    const europe = element<HTMLOptionElement>("crs-europe");
    europe.hidden = europe.disabled = !(ring && isInEurope(ring));
    if (this.#select.selectedOptions[0]?.disabled) this.#select.value = "";
  }

  /** Heed what was chosen or typed; of what was found it is told what it is. */
  #heed(found?: FoundCrs): void {
    this.#title.textContent = found ? `${found.title} (${found.place})` : "";
    this.#showCodeField();
    clearProblem("crs");
    this.#onChange();
  }

  #showCodeField(): void {
    element("crs-other").hidden = this.#select.value !== OTHER;
  }
}
