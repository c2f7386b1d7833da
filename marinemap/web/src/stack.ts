/** In which order layers lie on each other on the map. */

export interface Lying {
  id: string;
  /** Of its kind: what covers least lies on top, unless somebody chose otherwise. */
  level: number;
}

/** Return the ids of layers, the lowest first: as they were chosen, others by their levels. */
export function stacked(layers: readonly Lying[], chosen: readonly string[] = []): string[] {
  const levels = new Map(layers.map(({ id, level }) => [id, level]));
  const order = [...new Set(chosen)].filter((id) => levels.has(id));
  for (const { id, level } of [...layers].sort((one, other) => one.level - other.level)) {
    if (order.includes(id)) continue;
    const below = order.map((each) => levels.get(each)! <= level).lastIndexOf(true);
    order.splice(below + 1, 0, id);
  }
  return order;
}

/** Return the order with one layer a step higher, or lower (-1). */
export function moved(order: readonly string[], id: string, step: 1 | -1): string[] {
  const found = [...order];
  const at = found.indexOf(id);
  const other = found[at + step];
  if (at < 0 || other === undefined) return found;
  [found[at], found[at + step]] = [other, id];
  return found;
}
