/** One layer in the list: its box, what it is, and what there is to say of it now. */

import type { Collection } from "./api/layers.ts";
import type { Bounds } from "./area.ts";
import { boundsOfCollection, countInWords, facts, kindOf, type Place } from "./collection.ts";
import { make } from "./page.ts";
import type { Look } from "./palette.ts";
import { drawSwatch, newSwatch } from "./swatch.ts";
import { t } from "./words.ts";

const PLACES: Record<Place, string> = {
  "in view": "",
  elsewhere: t("Lies elsewhere on the map."),
  tiny: t("Is a speck on this map."),
};

export interface RowEvents {
  onTick: () => void;
  onNames: () => void;
  /** A step up, or down (-1). */
  onMove: (step: 1 | -1) => void;
  onGo: (bounds: Bounds) => void;
}

export class LayerRow {
  readonly item: HTMLLIElement;
  readonly #events: RowEvents;
  readonly #box: HTMLInputElement;
  readonly #swatch = newSwatch();
  readonly #label = make("label", { className: "layer-title" });
  readonly #title = make("bdi");
  readonly #count = make("span");
  readonly #about = make("div", { className: "about", hidden: true });
  readonly #aboutButton = make("button", { type: "button", className: "quiet" }, t("About"));
  readonly #place = make("p", { className: "layer-place", hidden: true });
  readonly #placeText = make("span");
  readonly #state = make("p", { className: "layer-state" });
  readonly #names = make("input", { type: "checkbox" });
  readonly #namesNote = make("p", { className: "note small" });
  readonly #moves = ([1, -1] as const).map((step) => this.#moveButton(step));
  readonly #options = make("div", { className: "layer-options", hidden: true });
  readonly #facts = make("div");
  #collection: Collection;

  constructor(collection: Collection, events: RowEvents) {
    const { id } = collection;
    this.#collection = collection;
    this.#events = events;
    this.#box = make("input", { type: "checkbox", id: `layer-${id}`, testId: `layer-${id}` });
    this.#box.addEventListener("change", events.onTick);
    this.#label.htmlFor = this.#box.id;
    this.#label.append(this.#title);
    this.#aboutButton.dataset["testid"] = `about-${id}`;
    this.#aboutButton.addEventListener("click", () => this.#toggleAbout());
    this.#fillOptions(id);
    this.#about.append(this.#options, this.#facts);
    this.#place.append(this.#placeText, " ", this.#goButton(t("Go there"), `go-${id}`));
    const line = make("p", { className: "layer-line" }, this.#count, this.#aboutButton);
    this.item = make("li", {}, this.#box, this.#swatch, this.#label, line, this.#place, this.#state, this.#about);
    this.describe(collection);
    this.showLook(null);
    this.showPlace("in view");
  }

  get isTicked(): boolean {
    return this.#box.checked;
  }

  get hasNames(): boolean {
    return this.#names.checked;
  }

  /** Want the names of its features on the map, or not; nobody is told. */
  wantNames(isWanted: boolean): void {
    this.#names.checked = isWanted;
  }

  /** Say how far the names are there. */
  showNamesNote(text: string): void {
    if (this.#namesNote.textContent !== text) this.#namesNote.textContent = text;
  }

  /** Offer to lay it higher or lower, where others are on the map. */
  showMoves(canRise: boolean, canSink: boolean): void {
    const focused = this.#moves.findIndex((button) => button === document.activeElement);
    [canRise, canSink].forEach((can, n) => (this.#moves[n]!.disabled = !can));
    this.#moves[0]!.parentElement!.hidden = !canRise && !canSink;
    // A button that goes would take the keyboard with it.
    if (focused >= 0 && this.#moves[focused]!.disabled) (this.#moves.find(({ disabled }) => !disabled) ?? this.#aboutButton).focus({ preventScroll: true });
  }

  tick(isTicked: boolean): void {
    this.#box.checked = isTicked;
  }

  describe(collection: Collection): void {
    const { title } = (this.#collection = collection);
    this.#title.textContent = title;
    this.#count.textContent = countInWords(collection);
    this.#aboutButton.setAttribute("aria-label", t("About {layer}", { layer: title }));
    this.#aboutButton.setAttribute("aria-expanded", String(!this.#about.hidden));
    // Most are never opened, and a page of many layers is there sooner without.
    if (!this.#about.hidden) this.#fillAbout();
  }

  showLook(look: Look | null): void {
    // What is not on the map has no names there, and lies nowhere.
    this.#options.hidden = look === null;
    drawSwatch(this.#swatch, kindOf(this.#collection), look);
  }

  /** Offer the way to a layer that is not seen where the map is. */
  showPlace(place: Place): void {
    const isInView = place === "in view";
    // What goes would take the keyboard with it.
    if (isInView && this.#place.contains(document.activeElement)) this.#box.focus({ preventScroll: true });
    this.#placeText.textContent = PLACES[place];
    this.#place.hidden = isInView;
  }

  showState(text: string): void {
    if (this.#state.textContent !== text) this.#state.textContent = text;
  }

  #goButton(text: string, testId: string): HTMLButtonElement {
    const button = make("button", { type: "button", className: "quiet", testId }, text);
    button.setAttribute("aria-label", `${text}: ${this.#collection.title}`);
    button.addEventListener("click", () => {
      const bounds = boundsOfCollection(this.#collection);
      if (bounds) this.#events.onGo(bounds);
      // The offer goes once it is taken, and the keyboard would be lost with it.
      this.#box.focus({ preventScroll: true });
    });
    return button;
  }

  #fillOptions(id: string): void {
    this.#names.dataset["testid"] = `names-${id}`;
    this.#names.addEventListener("change", this.#events.onNames);
    const names = make("label", { className: "choice" }, this.#names, t("Names on the map"));
    this.#options.append(names, this.#namesNote, make("p", { className: "buttons small-buttons" }, ...this.#moves));
  }

  #moveButton(step: 1 | -1): HTMLButtonElement {
    const button = make("button", { type: "button" }, step > 0 ? t("Lay higher") : t("Lay lower"));
    button.addEventListener("click", () => this.#events.onMove(step));
    return button;
  }

  #fillAbout(): void {
    const { id, title, nameField } = this.#collection;
    this.#names.setAttribute("aria-label", t("Names on the map: {layer}", { layer: title }));
    this.#names.parentElement!.hidden = nameField === undefined;
    this.#moves.forEach((button) => button.setAttribute("aria-label", `${button.textContent}: ${title}`));
    // Made anew only when it says something else: the keyboard may be in it.
    const paragraphs = facts(this.#collection);
    if (this.#about.dataset["says"] === paragraphs.join("\n")) return;
    this.#about.dataset["says"] = paragraphs.join("\n");
    this.#facts.replaceChildren(...paragraphs.map((fact) => make("p", {}, fact)), this.#goButton(t("Zoom to"), `zoom-${id}`));
  }

  #toggleAbout(): void {
    this.#about.hidden = !this.#about.hidden;
    if (!this.#about.hidden) this.#fillAbout();
    this.#aboutButton.setAttribute("aria-expanded", String(!this.#about.hidden));
  }
}
