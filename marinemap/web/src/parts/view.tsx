/** The part of a layer that is wanted, to be chosen: fields by boxes, features by conditions. */

import type { JSX } from "preact";

import { ConditionView } from "./conditionview.tsx";
import type { Built, Condition, Draft } from "./draft.ts";
import { OPERATORS } from "./draft.ts";
import { kindOf, type Field } from "./part.ts";
import type { KnownValues } from "./values.ts";
import { t } from "../words.ts";

export interface PartEvents {
  chooseFields: (fields: string[] | null) => void;
  draw: (draft: Draft) => void;
}

export interface PartProps {
  layerId: string;
  title: string;
  /** Those that the layer has. */
  fields: Field[];
  /** Those to keep; null for all. */
  kept: string[] | null;
  draft: Draft;
  /** In words, what is chosen. */
  said: string;
  isOpen: boolean;
  known: KnownValues;
  events: PartEvents;
}

export function PartView(props: PartProps): JSX.Element {
  const { layerId, title, said, isOpen } = props;
  return (
    <details class="part" open={isOpen} data-testid={`part-${layerId}`}>
      <summary><bdi>{title}</bdi>: <span data-testid={`part-said-${layerId}`}>{said}</span></summary>
      <Fields {...props} />
      {"written" in props.draft ? <Written {...props} text={props.draft.written} /> : <Conditions {...props} draft={props.draft} />}
    </details>
  );
}

function Fields({ layerId, title, fields, kept, events }: PartProps): JSX.Element {
  // What is asked for and not there is shown: it can be left out.
  const names = [...new Set([...fields.map(({ name }) => name), ...(kept ?? [])])];
  const choose = (name: string, isKept: boolean): void => {
    const chosen = names.filter((each) => (each === name ? isKept : (kept ?? names).includes(each)));
    events.chooseFields(chosen.length === fields.length && fields.every((field) => chosen.includes(field.name)) ? null : chosen);
  };
  return (
    <fieldset class="part-fields">
      <legend>{t("Fields to keep")}</legend>
      <div class="buttons small-buttons">
        <button type="button" aria-label={t("All fields of {layer}", { layer: title })} onClick={() => events.chooseFields(null)}>{t("All")}</button>
        <button type="button" aria-label={t("None of the fields of {layer}", { layer: title })} data-testid={`no-fields-${layerId}`} onClick={() => events.chooseFields([])}>{t("None")}</button>
      </div>
      <ul class="boxes">
        {names.map((name) => (
          <li key={name}>
            <label class="choice">
              <input type="checkbox" checked={kept === null || kept.includes(name)} data-testid={`field-${layerId}-${name}`} onChange={(event) => choose(name, event.currentTarget.checked)} /> {fields.some((field) => field.name === name) ? name : t("{field} (not in this layer)", { field: name })}
            </label>
          </li>
        ))}
      </ul>
    </fieldset>
  );
}

function Conditions({ layerId, title, fields, draft, known, events }: PartProps & { draft: Built }): JSX.Element {
  const { conditions, joined } = draft;
  const put = (changed: Condition[]): void => events.draw({ joined, conditions: changed });
  const add = (): void => {
    put([...conditions, newCondition(fields[0]!)]);
    focusLater(`[data-testid="condition-field-${layerId}-${conditions.length}"]`);
  };
  const remove = (index: number): void => {
    put(conditions.filter((_, n) => n !== index));
    focusLater(`[data-testid="add-condition-${layerId}"]`);
  };
  return (
    <fieldset class="part-filter">
      <legend>{t("Features to keep")}</legend>
      {conditions.length === 0 && <p class="note small">{t("All features in your area.")}</p>}
      {conditions.length > 1 && (
        <select value={joined} aria-label={t("Which conditions have to be met, {layer}", { layer: title })} data-testid={`joined-${layerId}`} onChange={(event) => events.draw({ joined: event.currentTarget.value as Built["joined"], conditions })}>
          <option value="and">{t("that meet all of these")}</option>
          <option value="or">{t("that meet at least one of these")}</option>
        </select>
      )}
      {conditions.map((condition, index) => (
        <ConditionView
          key={index} name={`${layerId}-${index}`} layerId={layerId} fields={fields} condition={condition} known={known}
          onChange={(changed) => put(conditions.map((each, n) => (n === index ? changed : each)))}
          onRemove={() => remove(index)}
        />
      ))}
      {fields.length > 0 && <button type="button" data-testid={`add-condition-${layerId}`} aria-label={t("Add a condition for {layer}", { layer: title })} onClick={add}>{t("Add a condition")}</button>}
    </fieldset>
  );
}

function Written({ layerId, title, text, events }: PartProps & { text: string }): JSX.Element {
  return (
    <fieldset class="part-filter">
      <legend>{t("Features to keep")}</legend>
      <label class="field" for={`written-${layerId}`}>{t("Those that pass this filter (CQL2)")}</label>
      <textarea id={`written-${layerId}`} data-testid={`written-${layerId}`} rows={3} spellcheck={false} value={text} onInput={(event) => events.draw({ written: event.currentTarget.value })} />
      <button type="button" aria-label={t("Choose by fields in place of it, {layer}", { layer: title })} onClick={() => events.draw({ joined: "and", conditions: [] })}>{t("Choose by fields in place of it")}</button>
    </fieldset>
  );
}

export function newCondition({ name, type }: Field): Condition {
  const operator = OPERATORS[kindOf(type)][0]!;
  return { field: name, operator, values: operator === "in" || operator === "isThere" ? [] : [""] };
}

/** The keyboard goes where something was added, or on where it was removed. */
function focusLater(selector: string): void {
  window.setTimeout(() => document.querySelector<HTMLElement>(selector)?.focus());
}
