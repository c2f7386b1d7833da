/** What a person wishes of every page of ours: kept by the browser, on or off. */

/** Whether it was turned on before. */
export function isWished(key: string): boolean {
  try {
    return localStorage.getItem(key) === ON;
  } catch {
    return false;
  }
}

export function keepWish(key: string, isOn: boolean): void {
  try {
    localStorage.setItem(key, isOn ? ON : "");
  } catch {
    // Forbidden storage: the wish holds for this page.
  }
}

const ON = "on";
