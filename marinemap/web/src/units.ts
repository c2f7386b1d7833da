/** In which units areas are told: square kilometres, or square nautical miles for who wishes. */

import { sizeInWords } from "./area.ts";
import { element } from "./page.ts";
import { t } from "./words.ts";

const KEY = "marinemap.units";
const NAUTICAL = "nautical";
const TURN_ON = t("In nmi²");
const TURN_OFF = t("In km²");

let isNautical = kept() === NAUTICAL;

/** An area as whoever looks wishes it. */
export function areaInWords(km2: number): string {
  return sizeInWords(km2, isNautical);
}

/** Let people choose; the browser keeps it. */
export function offerUnits(onChange: () => void): void {
  const button = element("units");
  const show = (): void => void (button.textContent = isNautical ? TURN_OFF : TURN_ON);
  button.addEventListener("click", () => {
    isNautical = !isNautical;
    keep();
    show();
    onChange();
  });
  show();
}

function keep(): void {
  try {
    localStorage.setItem(KEY, isNautical ? NAUTICAL : "");
  } catch {
    // Forbidden storage: the choice holds for this page.
  }
}

function kept(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
