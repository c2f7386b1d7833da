/** What may be found at a place of the map, in each of its states. */

import type { Found } from "../identifycard.tsx";

const ONE = { title: "Reefs", at: 0, count: 1 };

/** By the name of the state. */
export const FOUND: Record<string, Found> = {
  "nothing is there": { ...ONE, title: "Here", text: "Nothing of the ticked layers is here.", count: 0 },
  "is read": { ...ONE, text: "Reading …" },
  "one thing": { ...ONE, text: "Feature 12", fields: [["name", "Récif 12"], ["depth_m", "-14.5"], ["seen", "–"], ["protected", "yes"]] },
  "second of three": { ...ONE, text: "Feature 9", fields: [["name", "Récif 9"]], at: 1, count: 3 },
  "has no fields": { ...ONE, text: "Feature 3 has no fields." },
  "long and from right to left": { ...ONE, title: "موانئ (2031)", text: "Feature 4", fields: [["name_of_the_place_as_it_was_recorded", "ميناء الإسكندرية (2031)"], ["source", "https://maps.example.org/a/very/long/address/without/any/space/in/it"]] },
  "too many to be told apart": { ...ONE, text: "Features are too many to be told apart here. Zoom in to read one." },
  "cannot be read": { ...ONE, text: "Feature 12 is not there any more. Reload the page." },
};
