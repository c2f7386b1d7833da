/** An area from a file, chosen or dropped on the map; the service reads it. */

import { uploadArea, type KnownArea } from "./api/areas.ts";
import { bytesInWords } from "./estimate.ts";
import { element } from "./page.ts";
import { isLost, notRead, problemInWords, showAt } from "./problems.ts";
import { t, tn } from "./words.ts";

/** As the service takes them (docs/reference/api.md, "An area from a file"). */
const MOST_BYTES = 5 * 1024 * 1024;

export interface FileEvents {
  /** An area is being read: return who is told of it when it is there. */
  onWish: () => (area: KnownArea) => void;
  /** None came of it: what was told of the area before is so again. */
  onFailure: () => void;
}

export class AreaFile {
  readonly #events: FileEvents;
  readonly #input = element<HTMLInputElement>("area-file");
  readonly #status = element("area-size");

  constructor(events: FileEvents) {
    this.#events = events;
    element("choose-file").addEventListener("click", () => this.#input.click());
    this.#input.addEventListener("change", () => void this.#take(this.#input.files?.[0]));
    this.#takeDrops();
  }

  // Anywhere on the page: a browser that nobody stops opens the file and leaves the page.
  #takeDrops(): void {
    const hint = element("drop-hint");
    document.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      hint.hidden = false;
    });
    document.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) hint.hidden = true;
    });
    document.addEventListener("drop", (event) => {
      hint.hidden = true;
      const files = event.dataTransfer?.files;
      if (!files || files.length === 0) return;
      event.preventDefault();
      if (files.length === 1) void this.#take(files[0]);
      else showAt("area", tn("{count} file was dropped; an area comes from one. Zip the parts of a shapefile.", "{count} files were dropped; an area comes from one. Zip the parts of a shapefile.", files.length));
    });
  }

  async #take(file: File | undefined): Promise<void> {
    // Chosen again, the same file is a change.
    this.#input.value = "";
    if (!file) return;
    const unfit = unfitness(file.size);
    if (unfit) return showAt("area", `${file.name}: ${unfit}`);
    const take = this.#events.onWish();
    this.#status.textContent = t("Reading {file} …", { file: file.name });
    try {
      take(await uploadArea(file));
    } catch (error) {
      this.#events.onFailure();
      showAt("area", isLost(error) ? notRead(file.name) : `${file.name}: ${problemInWords(error)}`);
    }
  }
}

/** Why a file of so many bytes is no use to the service, in words of whoever has it in the hand. */
function unfitness(size: number): string {
  if (size === 0) return t("The file is empty.");
  if (size <= MOST_BYTES) return "";
  return t("The file has {size}; one for an area has at most {most}. Simplify its outline, or take fewer areas.", { size: bytesInWords(size), most: bytesInWords(MOST_BYTES) });
}
