/** What a request would give, as it stands above the button. */

import type { JSX } from "preact";
import { useId } from "preact/hooks";

import { bytesInWords, countInWords, type Estimate } from "./estimate.ts";
import { t, tn } from "./words.ts";

/** What there is to say of an estimate now. */
export interface Told {
  text: string;
  /** Whether it is that of the order before. */
  isStale?: boolean;
  estimate?: Estimate;
  /** What is told besides the estimate's own notes, such as a limit that it passes. */
  notes?: string[];
}

export function EstimateBox({ told, titleOf }: { told: Told; titleOf: (id: string) => string }): JSX.Element {
  const notes = [...(told.estimate?.notes ?? []), ...(told.notes ?? [])];
  return (
    <div class={told.isStale ? "estimate stale" : "estimate"} data-testid="estimate">
      <p data-testid="estimate-text" role="status">{told.text}</p>
      <ul class="estimate-notes" data-testid="estimate-notes" aria-label={t("What to know beforehand")}>
        {notes.map((text) => <li key={text}>{text}</li>)}
      </ul>
      <LayerByLayer estimate={told.estimate} titleOf={titleOf} />
    </div>
  );
}

/** Hidden where it would say no more than the text does. */
function LayerByLayer({ estimate, titleOf }: { estimate: Estimate | undefined; titleOf: (id: string) => string }): JSX.Element {
  const summary = useId();
  const layers = estimate?.layers ?? [];
  const count = layers.reduce((sum, { warnings }) => sum + warnings.length, 0);
  const isMore = count > 0 || layers.length > 1;
  return (
    <details data-testid="estimate-details" hidden={!isMore}>
      <summary id={summary}>{count > 0 ? tn("Layer by layer, {count} note", "Layer by layer, {count} notes", count) : t("Layer by layer")}</summary>
      <div class="estimate-layers" data-testid="estimate-layers" role="region" tabIndex={0} aria-labelledby={summary}>
        {isMore && <dl>{layers.map((layer) => <LayerEntry key={layer.name} layer={layer} title={titleOf(layer.name)} />)}</dl>}
      </div>
    </details>
  );
}

function LayerEntry({ layer, title }: { layer: Estimate["layers"][number]; title: string }): JSX.Element {
  const isSome = layer.features > 0;
  return (
    <div>
      <dt><bdi>{title}</bdi></dt>
      <dd>{isSome ? `${countInWords(layer)}, ${bytesInWords(layer.size_bytes)}` : countInWords(layer)}</dd>
      {isSome && layer.warnings.map((warning) => <dd key={warning} class="quiet-text">{warning}</dd>)}
    </div>
  );
}
