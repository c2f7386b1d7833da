/** Degrees as people write them: 38.5, 38,5, 10E, 38°30'N, S 38 30 15, -38° 30.25'. */

import { locale, number, t } from "./words.ts";

export type Axis = "longitude" | "latitude";

/** East is Ost for a German; for who writes French, Spanish or Italian an O is the west. */
const EASTS = locale.startsWith("de") ? "EO" : "E";
const LETTERS: Record<Axis, { positive: string; negative: string; most: number }> = {
  longitude: { positive: EASTS, negative: "W", most: 180 },
  latitude: { positive: "N", negative: "S", most: 90 },
};
/** Between bounds, the surest first: a comma may belong to a number, and a blank to degrees and minutes. */
const SEPARATORS = [/\s*[;\t\n]\s*/, /\s*,\s+|\s+,/, /\s+/, /,/];
const NUMBER = /^\d+(?:[.,]\d+)?$/;
/** What programs put around a list of bounds: BBOX(5, 42, 10, 45), bbox=5,42,10,45, [5, 42, 10, 45]. */
const AROUND = /^\s*(?:bbox\s*[=:]?\s*)?[[({]?|[\])}]?\s*$/gi;
/** The signs that stand for a minus where people write, or programs that set text. */
const MINUS = /[−–‐‑]/g;

type Four = [string, string, string, string];

/** Return degrees, negative in the west and south; null where the text is none, or beyond the axis. */
export function parseDegrees(text: string, axis: Axis): number | null {
  const { positive, negative, most } = LETTERS[axis];
  const upright = text.trim().toUpperCase().replace(MINUS, "-");
  const letter = /^[A-Z]|[A-Z]$/.exec(upright)?.[0] ?? "";
  if (letter && !(positive + negative).includes(letter)) return null;
  const rest = upright.replace(/^[A-Z]\s*|\s*[A-Z]$/, "");
  const isMinus = rest.startsWith("-");
  // "-10W" says it twice, or takes it back: who knows.
  if (isMinus && letter) return null;
  const degrees = sexagesimal(rest.replace(/^[+-]\s*/, ""));
  if (degrees === null || degrees > most) return null;
  return isMinus || negative.includes(letter || " ") ? -degrees : degrees;
}

/** "38.5° N, 24.1° E", with so many digits. */
export function placeInWords(longitude: number, latitude: number, digits: number): string {
  return `${latitudeInWords(latitude, digits)}, ${longitudeInWords(longitude, digits)}`;
}

/** "38.5° N"; without a number of digits as many as it has. */
export function latitudeInWords(latitude: number, digits?: number): string {
  const degrees = written(latitude, digits);
  if (digits === undefined && latitude === 0) return `${degrees}°`;
  return latitude < 0 ? t("{degrees}° S", { degrees }) : t("{degrees}° N", { degrees });
}

export function longitudeInWords(longitude: number, digits?: number): string {
  const degrees = written(longitude, digits);
  if (digits === undefined && longitude % 180 === 0) return `${degrees}°`;
  return longitude < 0 ? t("{degrees}° W", { degrees }) : t("{degrees}° E", { degrees });
}

/** Take four texts in one, as of a list of bounds that was copied: west, south, east, north, or as their letters say. */
export function splitBounds(text: string): Four | null {
  const bare = text.replace(AROUND, "");
  const split = SEPARATORS.map((separator) => bare.split(separator).filter(Boolean)).find((parts) => parts.length === 4);
  return split ? byLetters(split as Four) : null;
}

/** Bring four to their order where each has a letter: 50N 5W 61N 9E begins in the south. */
function byLetters(parts: Four): Four {
  const [longitudes, latitudes] = (["longitude", "latitude"] as const).map((axis) => lettered(parts, axis)) as [Lettered[], Lettered[]];
  if (longitudes.length !== 2 || latitudes.length !== 2) return parts;
  const [south, north] = latitudes.sort((one, other) => one.degrees - other.degrees) as [Lettered, Lettered];
  const [first, second] = longitudes as [Lettered, Lettered];
  // Some begin in the east: 170E 170W is 20 degrees wide, 9E 5W is not 346.
  const isBackwards = (second.degrees - first.degrees + 360) % 360 > 180;
  const [west, east] = isBackwards ? [second, first] : [first, second];
  return [west.part, south.part, east.part, north.part];
}

interface Lettered {
  part: string;
  degrees: number;
}

function lettered(parts: Four, axis: Axis): Lettered[] {
  const found = parts.map((part) => ({ part, degrees: parseDegrees(part, axis) }));
  return found.filter((each): each is Lettered => each.degrees !== null && /[a-z]/i.test(each.part));
}

function written(degrees: number, digits?: number): string {
  return number(Math.abs(degrees), { minimumFractionDigits: digits ?? 0, maximumFractionDigits: digits ?? 4 });
}

function sexagesimal(text: string): number | null {
  const parts = text.split(/[°º'′’"″”:\s]+/).filter(Boolean);
  const [degrees, minutes = "0", seconds = "0"] = parts;
  if (degrees === undefined || parts.length > 3 || !parts.every((part) => NUMBER.test(part))) return null;
  const [d, m, s] = [degrees, minutes, seconds].map((part) => Number(part.replace(",", "."))) as [number, number, number];
  // Only the last may be broken: 38.5° 30' is a slip.
  const isBroken = parts.slice(0, -1).some((part) => /[.,]/.test(part));
  return m < 60 && s < 60 && !isBroken ? d + m / 60 + s / 3600 : null;
}
