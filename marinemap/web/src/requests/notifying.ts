/** Tells by the browser's own notifications that a request is ready, where somebody wished for it. */

import { element } from "../page.ts";
import { t } from "../words.ts";

const KEY = "marinemap.notify";
const REFUSED = t("Your browser does not let this page notify you. Its settings for this site can change that.");

/** Offer the wish beside the requests; it is kept by the browser. */
export function offerNotifications(): void {
  const box = element<HTMLInputElement>("notify");
  element("notify-choice").hidden = !("Notification" in window);
  box.checked = isWished();
  box.addEventListener("change", () => void wish(box));
}

/** Notify that something is over, unless the person looks at the page. */
export function notify(id: string, title: string, text: string): void {
  if (!isWished() || (!document.hidden && document.hasFocus())) return;
  // One for all tabs: those of one tag are one.
  shown(title, { body: text, tag: id })?.addEventListener("click", () => {
    window.focus();
    document.querySelector<HTMLElement>(`[data-job="${CSS.escape(id)}"]`)?.scrollIntoView({ block: "center" });
  });
}

async function wish(box: HTMLInputElement): Promise<void> {
  const isAllowed = !box.checked || (canNotify() && (await Notification.requestPermission()) === "granted");
  box.checked = box.checked && isAllowed;
  element("notify-note").textContent = isAllowed ? "" : REFUSED;
  try {
    localStorage.setItem(KEY, String(box.checked));
  } catch {
    // Forbidden storage: the wish holds for this page.
  }
}

/** Browsers of phones have the class, and throw where a page makes one. */
function shown(title: string, options: NotificationOptions): Notification | null {
  try {
    return new Notification(title, options);
  } catch {
    return null;
  }
}

// Without a permission nothing is shown.
function canNotify(): boolean {
  return Notification.permission === "granted" || shown("", {}) !== null;
}

function isWished(): boolean {
  return "Notification" in window && Notification.permission === "granted" && kept() === "true";
}

function kept(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return String(element<HTMLInputElement>("notify").checked);
  }
}
