/** What this browser remembers of its requests: the service tells states, not what was asked for. */

const KEY = "marinemap.requests";
const MOST_KEPT = 100;

type Notes = Record<string, string>;

export function readNote(jobId: string): string | undefined {
  return readAll()[jobId];
}

export function keepNote(jobId: string, note: string): void {
  const entries = Object.entries({ ...readAll(), [jobId]: note }).slice(-MOST_KEPT);
  try {
    localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(entries)));
  } catch {
    // Storage may be full or forbidden; then a request is told by its time alone.
  }
}

function readAll(): Notes {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Notes;
  } catch {
    return {};
  }
}
