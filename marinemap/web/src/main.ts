/** Puts the page together. */

import type Map from "ol/Map.js";

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

/** All parts of the page beside the map: each is told what it has to heed of the others. */
class Parts {
  readonly #area: AreaForm;
  readonly #layers: LayerList;
  readonly #catalogue: CatalogueWatch;
  readonly #requests: RequestList;
  readonly #connection: Connection;
  readonly #form: OrderForm;
  readonly #sharing: Sharing;
  readonly #format = new FormatForm(() => this.#heed());
  readonly #crs = new CrsForm(() => this.#heed());
  readonly #more = new MoreForm(() => this.#heed());
  readonly #letters = new LettersForm(() => this.#heed());

  constructor(map: Map) {
    this.#area = new AreaForm(map, { onChange: () => this.#heedArea(), titleOfLayer: (id) => this.#layers.titleOf(id) });
    this.#layers = new LayerList(map, {
      onChange: () => this.#heedLayers(),
      onChoice: () => this.#sharing.keep(),
      onTrouble: () => this.#catalogue.hasten(),
    });
    this.#catalogue = new CatalogueWatch((collections) => {
      this.#layers.show(collections);
      this.#requests.refresh();
    });
    this.#requests = new RequestList({
      titles: { ofLayer: (id) => this.#layers.titleOf(id), ofFormat: (id) => this.#format.find(id)?.title ?? id },
      onChange: (asked) => this.#fillForm(asked),
    });
    new Identify(map, {
      layerOf: (layer) => this.#layers.idOf(layer),
      titleOf: (id) => this.#layers.titleOf(id),
      isDrawing: () => this.#area.isDrawing,
    });
    this.#form = this.#orderForm();
    this.#connection = new Connection(() => this.#makeUp(), (isThere) => this.#requests.heedWorker(isThere));
    this.#sharing = new Sharing(map, { area: this.#area, layers: this.#layers, format: this.#format, crs: this.#crs, more: this.#more });
  }

  start(): void {
    this.#sharing.start();
    arrive([this.#catalogue.start().catch(showProblem), this.#loadFormats(), this.#requests.load().catch(showProblem)]);
    offerNotifications();
    offerUnits(() => {
      this.#area.refreshSize();
      this.#requests.refresh();
    });
    document.addEventListener("visibilitychange", () => {
      // Another tab may have asked for something meanwhile.
      if (!document.hidden) this.#requests.load().catch(showProblem);
    });
    this.#connection.start();
  }

  #orderForm(): OrderForm {
    const letters = this.#letters;
    return new OrderForm({
      area: this.#area,
      layers: this.#layers,
      format: this.#format,
      crs: this.#crs,
      more: this.#more,
      letters,
      estimate: new EstimateView((id) => this.#layers.titleOf(id), (limits) => letters.offer(limits.letters ?? null)),
      onSent: (job, order) => {
        this.#requests.add(job, layerIds(order));
        void this.#connection.check();
      },
    });
  }

  #heed(): void {
    this.#form.refresh();
    this.#sharing.keep();
  }

  #heedArea(): void {
    const { corners } = this.#area;
    this.#crs.fitTo(corners);
    this.#layers.preferWithin(corners && boundsOf(corners));
    this.#heed();
  }

  #heedLayers(): void {
    clearProblem("layers");
    this.#more.show(this.#layers.tickedCollections());
    this.#heed();
  }

  /** Do what was missed while the service could not be reached. */
  #makeUp(): void {
    this.#catalogue.hasten();
    this.#requests.load().catch(showProblem);
    void this.#loadFormats();
    this.#area.retry();
    this.#form.refresh();
  }

  async #loadFormats(): Promise<void> {
    try {
      this.#format.show(await listFormats());
      this.#requests.refresh();
    } catch (error) {
      showProblem(error);
    }
  }

  /** Put what was asked for before into the form. */
  #fillForm(asked: Asked): void {
    this.#more.choose(asked.layers, asked.full_copy !== false);
    this.#layers.choose(layerIds(asked));
    this.#area.take(asked.area);
    this.#format.choose(asked.format, asked.mode);
    this.#crs.choose(asked.crs ?? null);
    element("order").scrollIntoView({ block: "start" });
    element("draw-rectangle").focus();
    announce(t("The form holds that request again. Change it and ask."));
  }
}

function putTogether(map: Map): void {
  new Parts(map).start();
  watchLoading(map);
  takeOnce(element("submit"));
  takeOnce(element("requests"));
  element("banner-close").addEventListener("click", hideBanner);
  if (!navigator.cookieEnabled) showBanner(NO_COOKIES);
}

const map = createMap();
window.addEventListener("load", () => void nameSeas(map));
// Between the two the browser can draw, and heed whoever is there already.
setTimeout(() => putTogether(map));
