/** The elements of the page that the template names. */

/** Return the element with this id; a template without it is a mistake of ours. */
export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element "${id}".`);
  return found as T;
}

/** Make an element with properties, data-testid and children in one go. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> & { testId?: string } = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const { testId, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  if (testId) made.dataset["testid"] = testId;
  made.append(...children);
  return made;
}

/** Take a double click for one: the second may land on what the first brought to its place. */
export function takeOnce(place: HTMLElement): void {
  const passOver = (event: MouseEvent): void => {
    if (event.detail < 2 || !(event.target as Element).closest("button, a")) return;
    event.preventDefault();
    event.stopPropagation();
  };
  place.addEventListener("click", passOver, { capture: true });
}

/** Say something to people who use a screen reader. */
export function announce(text: string): void {
  element("announcer").textContent = text;
}
