/** Puts the page together. */

import { listFormats } from "./api/estimates.ts";
import type { Asked } from "./api/requests.ts";
import { boundsOf } from "./area.ts";
import { arrive } from "./arrival.ts";
import { AreaForm } from "./areaform.ts";
import { CatalogueWatch } from "./catalogue.ts";
import { Connection } from "./connection.ts";
import { CrsForm } from "./crsform.ts";
import { EstimateView } from "./estimateview.tsx";
import { FormatForm } from "./formatform.ts";
import { Identify } from "./identify.tsx";
import { LayerList } from "./layers.ts";
import { MoreForm } from "./parts/form.tsx";
import { LettersForm } from "./letters.ts";
import { watchLoading } from "./loading.ts";
import { createMap } from "./map.ts";
import { OrderForm } from "./order.ts";
import { announce, element, takeOnce } from "./page.ts";
import { clearProblem, hideBanner, showBanner, showProblem } from "./problems.ts";
import { RequestList } from "./requests/list.tsx";
import { offerNotifications } from "./requests/notifying.ts";
import { layerIds } from "./requests/request.ts";
import { nameSeas } from "./seas.ts";
import { Sharing } from "./sharing.ts";
import { offerUnits } from "./units.ts";
import { t } from "./words.ts";
import "./styles.css";


const NO_COOKIES = t("Your browser keeps no cookies of this page. Without them it cannot show you what you asked for, nor give you the files.");

const map = createMap();
const format = new FormatForm(heed);
const crs = new CrsForm(heed);
const more = new MoreForm(heed);
const letters = new LettersForm(heed);
const area = new AreaForm(map, {
  onChange: () => {
    crs.fitTo(area.corners);
    layers.preferWithin(area.corners && boundsOf(area.corners));
    heed();
  },
  titleOfLayer: (id) => layers.titleOf(id),
});
const layers = new LayerList(map, {
  onChange: () => {
    clearProblem("layers");
    more.show(layers.tickedCollections());
    heed();
  },
  onChoice: () => sharing.keep(),
  onTrouble: () => catalogue.hasten(),
});
const catalogue = new CatalogueWatch((collections) => {
  layers.show(collections);
  requests.refresh();
});
const requests = new RequestList({
  titles: { ofLayer: (id) => layers.titleOf(id), ofFormat: (id) => format.find(id)?.title ?? id },
  onChange: fillForm,
});
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
  more,
  letters,
  estimate: new EstimateView((id) => layers.titleOf(id), (limits) => letters.offer(limits.letters ?? null)),
  onSent: (job, order) => {
    requests.add(job, layerIds(order));
    void connection.check();
  },
});

const connection = new Connection(() => {
  catalogue.hasten();
  requests.load().catch(showProblem);
  void loadFormats();
  area.retry();
  form.refresh();
});

const sharing = new Sharing(map, { area, layers, format, crs, more });

async function loadFormats(): Promise<void> {
  try {
    format.show(await listFormats());
    requests.refresh();
  } catch (error) {
    showProblem(error);
  }
}

function heed(): void {
  form.refresh();
  sharing.keep();
}

/** Put what was asked for before into the form. */
function fillForm(asked: Asked): void {
  more.choose(asked.layers, asked.full_copy !== false);
  layers.choose(layerIds(asked));
  area.take(asked.area);
  format.choose(asked.format, asked.mode);
  crs.choose(asked.crs ?? null);
  element("order").scrollIntoView({ block: "start" });
  element("draw-rectangle").focus();
  announce(t("The form holds that request again. Change it and ask."));
}

sharing.start();
watchLoading(map);
arrive([catalogue.start().catch(showProblem), loadFormats(), requests.load().catch(showProblem)]);
offerNotifications();
window.addEventListener("load", () => void nameSeas(map));
offerUnits(() => {
  area.refreshSize();
  requests.refresh();
});
document.addEventListener("visibilitychange", () => {
  // Another tab may have asked for something meanwhile.
  if (!document.hidden) requests.load().catch(showProblem);
});
takeOnce(element("submit"));
takeOnce(element("requests"));
element("banner-close").addEventListener("click", hideBanner);
if (!navigator.cookieEnabled) showBanner(NO_COOKIES);
connection.start();
