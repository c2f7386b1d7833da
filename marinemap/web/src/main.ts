/** Puts the page together. */

import { listCollections, type Order } from "./api.ts";
import { AreaForm } from "./areaform.ts";
import { CrsForm } from "./crsform.ts";
import { checkHealth, watchHealth } from "./health.ts";
import { JobList } from "./jobs.ts";
import { LayerList } from "./layers.ts";
import { createMap } from "./map.ts";
import { OrderForm } from "./order.ts";
import { element } from "./page.ts";
import { clearProblem, hideBanner, showProblem } from "./problems.ts";
import "./styles.css";

const map = createMap();
const jobs = new JobList();
const crs = new CrsForm(() => form.refresh());
const area = new AreaForm(map, () => {
  crs.fitTo(area.ring);
  form.refresh();
});
const layers = new LayerList(map, () => {
  clearProblem("layers");
  form.refresh();
});
const form = new OrderForm({
  area,
  layers,
  crs,
  onSent: (job, order) => {
    jobs.add(job, noteOf(order));
    void checkHealth();
  },
});

function noteOf(order: Order): string {
  const titles = order.layers.map((id) => layers.titleOf(id)).join(", ");
  return order.crs ? `${titles} (${order.crs})` : titles;
}

listCollections().then((collections) => layers.show(collections)).catch(showProblem);
jobs.load().catch(showProblem);
document.addEventListener("visibilitychange", () => {
  // Another tab may have asked for something meanwhile.
  if (!document.hidden) jobs.load().catch(showProblem);
});
element("banner-close").addEventListener("click", hideBanner);
void watchHealth();
