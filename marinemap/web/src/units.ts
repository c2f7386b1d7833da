/** In which units areas are told: square kilometres, or square nautical miles for who wishes. */

import { sizeInWords } from "./area.ts";
import { element } from "./page.ts";
import { isWished, keepWish } from "./preference.ts";
import { t } from "./words.ts";

const KEY = "marinemap.nautical";
const TURN_ON = t("In nmi²");
const TURN_OFF = t("In km²");

let isNautical = isWished(KEY);

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
    keepWish(KEY, isNautical);
    show();
    onChange();
  });
  show();
}
