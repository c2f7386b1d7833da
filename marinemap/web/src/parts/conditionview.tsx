/** One condition: a field, a comparison, and values among those that exist. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import type { FieldValues } from "../api/layers.ts";
import { OPERATORS, valuesOf, type Condition, type Operator } from "./draft.ts";
import { kindOf, type Field, type Kind } from "./part.ts";
import type { KnownValues } from "./values.ts";
import { newCondition } from "./view.tsx";
import { OPERATOR_WORDS, TIME_WORDS } from "./words.ts";
import { number, t, tn } from "../words.ts";

/** Fewer are seen at a glance. */
const MANY_VALUES = 12;

interface ConditionProps {
  /** Tells it from all others. */
  name: string;
  layerId: string;
  fields: Field[];
  condition: Condition;
  known: KnownValues;
  onChange: (condition: Condition) => void;
  onRemove: () => void;
}

interface ValueProps {
  name: string;
  kind: Kind;
  condition: Condition;
  told: FieldValues | null;
  put: (values: string[]) => void;
}

export function ConditionView(props: ConditionProps): JSX.Element {
  const { name, layerId, fields, condition, known, onChange, onRemove } = props;
  const field = fields.find((each) => each.name === condition.field);
  const kind = kindOf(field?.type ?? "");
  const needsValues = valuesOf(condition.operator) !== 0;
  const values: ValueProps = {
    name, kind, condition,
    told: needsValues && field && kind !== "other" ? known.of(layerId, condition.field) : null,
    put: (changed) => onChange({ ...condition, values: changed }),
  };
  return (
    <div class="condition" role="group" aria-label={t("Condition on {field}", { field: condition.field })}>
      <select value={condition.field} aria-label={t("Field")} data-testid={`condition-field-${name}`} onChange={(event) => onChange(newCondition(fields.find((each) => each.name === event.currentTarget.value)!))}>
        {!field && <option value={condition.field}>{t("{field} (not in this layer)", { field: condition.field })}</option>}
        {fields.map((each) => <option key={each.name} value={each.name}>{each.name}</option>)}
      </select>
      <select value={condition.operator} aria-label={t("Comparison")} data-testid={`condition-operator-${name}`} onChange={(event) => onChange(withOperator(condition, event.currentTarget.value as Operator))}>
        {OPERATORS[kind].map((operator) => <option key={operator} value={operator}>{wordsOf(operator, kind)}</option>)}
      </select>
      <button type="button" class="quiet" aria-label={t("Remove the condition on {field}", { field: condition.field })} data-testid={`condition-remove-${name}`} onClick={onRemove}>{t("Remove")}</button>
      {needsValues && (condition.operator === "in" ? <Choice {...values} /> : <Typed {...values} />)}
    </div>
  );
}

/** Values by boxes, the most frequent first; many can be searched, and others typed. */
function Choice({ name, condition: { values }, told, put }: ValueProps): JSX.Element {
  const [sought, setSought] = useState("");
  // Those chosen at first stand first, and none moves while others are chosen.
  const [first] = useState(values);
  const counts = new Map((told?.values ?? []).map(({ value, count }) => [String(value), count]));
  const all = [...new Set([...first, ...values.filter((value) => !counts.has(value)), ...counts.keys()])];
  const isSought = (value: string): boolean => value.toLowerCase().includes(sought.trim().toLowerCase());
  const add = (): void => (put([...new Set([...values, sought.trim()])]), setSought(""));
  const canAdd = told !== null && !isAllOf(told) && sought.trim() !== "" && !all.includes(sought.trim());
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== "Enter") return;
    // It must not send the form.
    event.preventDefault();
    if (canAdd) add();
  };
  return (
    <div class="condition-values">
      {(all.length > MANY_VALUES || (told && !isAllOf(told))) && (
        <input type="text" aria-label={t("Find a value")} placeholder={t("Find a value")} autocomplete="off" maxLength={200} data-testid={`condition-find-${name}`} value={sought} onInput={(event) => setSought(event.currentTarget.value)} onKeyDown={onKey} />
      )}
      {canAdd && <button type="button" onClick={add}>{t("Take “{value}”", { value: sought.trim() })}</button>}
      <ul class="boxes" tabIndex={0} aria-label={t("Values")}>
        {all.filter((value) => values.includes(value) || isSought(value)).map((value) => (
          <li key={value}>
            <label class="choice">
              <input type="checkbox" checked={values.includes(value)} onChange={(event) => put(event.currentTarget.checked ? [...values, value] : values.filter((each) => each !== value))} />
              <span>{value}</span> {counts.has(value) && <span class="count">{number(counts.get(value)!)}</span>}
            </label>
          </li>
        ))}
      </ul>
      <p class="note small" role="status">{told ? listedInWords(told) : t("Reading the values …")}</p>
    </div>
  );
}

function Typed({ name, kind, condition: { operator, values }, told, put }: ValueProps): JSX.Element {
  if (kind === "flag") {
    return (
      <select class="condition-values" aria-label={t("Value")} data-testid={`condition-value-${name}`} value={values[0]} onChange={(event) => put([event.currentTarget.value])}>
        <option value="">{t("Choose …")}</option>
        <option value="true">{t("yes")}{countOf(told, true)}</option>
        <option value="false">{t("no")}{countOf(told, false)}</option>
      </select>
    );
  }
  const isBetween = operator === "between";
  const listId = `condition-list-${name}`;
  // Days have a calendar of the browser's own.
  const hasList = kind !== "time" && (operator === "=" || operator === "<>") && told !== null;
  return (
    <div class="condition-values">
      <div class="bounds-of-values">
        {values.map((value, index) => (
          <input
            key={index} type={kind === "time" ? "date" : "text"} aria-label={isBetween ? [t("From"), t("To")][index]! : t("Value")} autocomplete="off" spellcheck={false} maxLength={1000}
            inputMode={kind === "number" ? "decimal" : "text"} list={hasList ? listId : undefined} value={value} data-testid={`condition-value-${name}${index > 0 ? "-to" : ""}`}
            onInput={(event) => put(values.map((each, n) => (n === index ? event.currentTarget.value : each)))}
          />
        ))}
      </div>
      {hasList && <datalist id={listId}>{told.values.map((each) => <option key={String(each.value)} value={String(each.value)} label={`${each.value} (${number(each.count)})`} />)}</datalist>}
      {kind !== "text" && told?.minimum !== undefined && <p class="note small" data-testid={`condition-range-${name}`}>{rangeInWords(told)}</p>}
    </div>
  );
}

function withOperator({ field, values }: Condition, operator: Operator): Condition {
  const count = valuesOf(operator);
  if (count === null) return { field, operator, values: values.filter(Boolean) };
  return { field, operator, values: Array.from({ length: count }, (_, n) => values[n] ?? "") };
}

function wordsOf(operator: Operator, kind: Kind): string {
  return (kind === "time" ? TIME_WORDS[operator] : undefined) ?? OPERATOR_WORDS[operator];
}

/** Whether nothing is in the field but what is listed. */
function isAllOf({ values, distinct, complete }: FieldValues): boolean {
  return complete && values.length === distinct;
}

function listedInWords(told: FieldValues): string {
  const { values, distinct, complete, lookedAt, missing } = told;
  if (!complete && lookedAt === 0) return t("The values cannot be told now; type one.");
  const listed = values.length < distinct
    ? tn("The {listed} most frequent of {count} value; others can be typed.", "The {listed} most frequent of {count} values; others can be typed.", distinct, { listed: number(values.length) })
    : "";
  const looked = complete ? "" : tn("Counted in the first {count} feature.", "Counted in the first {count} features.", lookedAt);
  const without = missing > 0 ? tn("{count} without a value.", "{count} without a value.", missing) : "";
  return [listed, looked, without].filter(Boolean).join(" ");
}

function rangeInWords({ minimum, maximum, complete }: FieldValues): string {
  const [from, to] = [minimum, maximum].map((value) => String(value).replace(/T.*/, "")) as [string, string];
  return complete ? t("There are {from} to {to}.", { from, to }) : t("There are at least {from} to {to}.", { from, to });
}

function countOf(told: FieldValues | null, value: boolean): string {
  const found = told?.values.find((each) => each.value === value);
  return told && told.lookedAt > 0 ? ` (${number(found?.count ?? 0)})` : "";
}
