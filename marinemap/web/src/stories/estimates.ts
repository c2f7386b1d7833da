/** Estimates in each of their states, as the service would tell of them. */

import { estimateInWords, type Estimate } from "../estimate.ts";
import type { Told } from "../estimatebox.tsx";

const reefs = { name: "reefs", features: 1234, exact: true, size_bytes: 1_234_567, warnings: [] };
const ports = { name: "ports", features: 12, exact: true, size_bytes: 1_800, warnings: ["Field 'name_of_the_port' is cut to 'name_of_th'.", "3 texts are longer than 254 bytes and are cut."] };
const lanes = { name: "lanes", features: 0, exact: true, size_bytes: 0, warnings: [] };

function told(layers: Estimate["layers"], about: Partial<Estimate> = {}): Told {
  const sum = (of: (layer: Estimate["layers"][number]) => number): number => layers.reduce((all, layer) => all + of(layer), 0);
  const estimate = { layers, features: sum(({ features }) => features), size_bytes: sum(({ size_bytes }) => size_bytes), exact: true, ...about };
  return { text: estimateInWords(estimate), estimate };
}

/** By the name of the state. */
export const ESTIMATES: Record<string, Told> = {
  "one layer": told([reefs]),
  "several layers, one with warnings": told([reefs, ports, lanes]),
  "likely numbers": told([{ ...reefs, exact: false }], { exact: false }),
  "nothing there": told([lanes]),
  "of the order before": { ...told([reefs, ports]), isStale: true },
  "takes its time": { text: "Counting what is in the area … You can ask without waiting for it." },
  "passes a limit": { ...told([reefs], { notes: ["The outline of the area was repaired."] }), notes: ["This has 1,234 features; 1,000 are allowed. Draw a smaller area: this one is 1.3 times too large."] },
  "cannot be had": { text: "This cannot be had as it is: see above." },
};
