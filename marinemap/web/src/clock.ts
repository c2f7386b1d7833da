/** What time it is by the service's clock: a laptop's own may be hours or days off. */

/** The service tells whole seconds, and its answer takes a while. */
const UNTOLD_MILLISECONDS = 5000;

let ahead = 0;

/** Set the clock by the date of an answer. */
export function setClock(date: string | null): void {
  const difference = Date.parse(date ?? "") - Date.now();
  if (!Number.isNaN(difference)) ahead = Math.abs(difference) < UNTOLD_MILLISECONDS ? 0 : difference;
}

export function now(): number {
  return Date.now() + ahead;
}
