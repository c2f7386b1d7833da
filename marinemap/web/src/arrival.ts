/** What lies below the layers comes with them: it would jump down the page when they are there. */

/** A service that is slow keeps nobody from the rest of the form for longer. */
const MOST_MILLISECONDS = 2000;

/** Show the rest of the page once all that fills it from above has come, or failed. */
export function arrive(loaded: Promise<unknown>[]): void {
  const show = (): void => document.body.classList.remove("arriving");
  window.setTimeout(show, MOST_MILLISECONDS);
  void Promise.allSettled(loaded).then(show);
}
