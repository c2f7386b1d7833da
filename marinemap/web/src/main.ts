/** Puts the page together. */

import { listFormats, type Order } from "./api.ts";
import { AreaForm } from "./areaform.ts";
import { CatalogueWatch } from "./catalogue.ts";
import { CrsForm } from "./crsform.ts";
import { EstimateView } from "./estimateview.ts";
import { FormatForm } from "./formatform.ts";
import { filesOf, SHAPEFILE } from "./formats.ts";
import { checkHealth, watchHealth } from "./health.ts";
import { Identify } from "./identify.ts";
import { JobList } from "./jobs.ts";
import { LayerList } from "./layers.ts";
import { watchLoading } from "./loading.ts";
import { createMap } from "./map.ts";
import { OrderForm } from "./order.ts";
import { element } from "./page.ts";
import { clearProblem, hideBanner, showProblem } from "./problems.ts";
import { Sharing } from "./sharing.ts";
import "./styles.css";


const map = createMap();
const jobs = new JobList();
const format = new FormatForm(heed);
const crs = new CrsForm(heed);
const area = new AreaForm(map, () => {
  crs.fitTo(area.ring);
  heed();
});
const layers = new LayerList(map, {
  onChange: () => {
    clearProblem("layers");
    heed();
  },
  onTrouble: () => catalogue.hasten(),
});
const catalogue = new CatalogueWatch((collections) => layers.show(collections));
new Identify(map, {
  layerOf: (layer) => layers.idOf(layer),
  titleOf: (id) => layers.titleOf(id),
  isDrawing: () => area.isDrawing,
});
const form = new OrderForm({
  area,
  layers,
  format,
  crs,
  estimate: new EstimateView((id) => layers.titleOf(id)),
  onSent: (job, order) => {
    jobs.add(job, noteOf(order));
    void checkHealth();
  },
});

const sharing = new Sharing(map, { area, layers, format, crs });

function heed(): void {
  form.refresh();
  sharing.keep();
}

function noteOf(order: Order): string {
  const titles = order.layers.map((id) => layers.titleOf(id)).join(", ");
  const chosen = [
    order.format === SHAPEFILE.id ? "" : filesOf(format.find(order.format)),
    order.mode === "clip" ? "" : "whole features",
    order.crs ?? "",
  ].filter(Boolean);
  return chosen.length > 0 ? `${titles} (${chosen.join(", ")})` : titles;
}

sharing.start();
catalogue.start().catch(showProblem);
watchLoading(map);
listFormats().then((formats) => format.show(formats)).catch(showProblem);
jobs.load().catch(showProblem);
document.addEventListener("visibilitychange", () => {
  // Another tab may have asked for something meanwhile.
  if (!document.hidden) jobs.load().catch(showProblem);
});
element("banner-close").addEventListener("click", hideBanner);
void watchHealth();
