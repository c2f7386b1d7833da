/** Lines of longitude and latitude: on the map for who wishes them. */

import type Map from "ol/Map.js";
import Control from "ol/control/Control.js";
import Graticule from "ol/layer/Graticule.js";

import { wrapped } from "./crs.ts";
import { latitudeInWords, longitudeInWords } from "./degrees.ts";
import { make } from "./page.ts";
import { isWished, keepWish } from "./preference.ts";
import { graticuleLabel, graticuleStroke } from "./symbols.ts";
import { t } from "./words.ts";

const KEY = "marinemap.graticule";
const LEVEL = 1;
/** In tenths where others have minutes, as all degrees of this page. */
const INTERVALS_DEGREES = [90, 45, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

/** Offer them below the buttons that zoom; the browser keeps the choice. */
export function offerGraticule(map: Map): void {
  const label = t("Lines of longitude and latitude");
  const button = make("button", { type: "button", title: label, testId: "graticule" }, "#");
  button.setAttribute("aria-label", label);
  let lines: Graticule | null = null;
  const show = (isOn: boolean): void => {
    button.setAttribute("aria-pressed", String(isOn));
    // Made when they are wished first: its labels cost each frame something.
    if (isOn && !lines) map.addLayer((lines = graticule()));
    lines?.setVisible(isOn);
  };
  button.addEventListener("click", () => {
    const isOn = button.getAttribute("aria-pressed") !== "true";
    keepWish(KEY, isOn);
    show(isOn);
  });
  map.addControl(new Control({ element: make("div", { className: "ol-graticule ol-unselectable ol-control" }, button) }));
  show(isWished(KEY));
}

function graticule(): Graticule {
  return new Graticule({
    strokeStyle: graticuleStroke, intervals: INTERVALS_DEGREES, wrapX: true, zIndex: LEVEL,
    // Above and at the right, where little else stands.
    showLabels: true, lonLabelPosition: 1, latLabelPosition: 1,
    lonLabelFormatter: (longitude) => longitudeInWords(wrapped(longitude)), lonLabelStyle: graticuleLabel("top"),
    latLabelFormatter: (latitude) => latitudeInWords(latitude), latLabelStyle: graticuleLabel("bottom", "right"),
  });
}
