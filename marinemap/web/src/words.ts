/** What the page says, in the language in which the service sent it; numbers and dates as its readers write them. */

import Tannin from "tannin";

/** What is filled in, by the names that stand in braces. */
export type Values = Record<string, string | number>;

type Catalogue = ConstructorParameters<typeof Tannin>[0][string];

// Tests of single modules run without a page.
const page = (globalThis as { document?: Document }).document;
const language = page?.documentElement.lang || "en";
const DOMAIN = "page";
const ENGLISH = "nplurals=2; plural=n != 1";
const translations = new Tannin({ [DOMAIN]: catalogueIn(page?.getElementById("words")?.textContent) });

/** By which numbers and dates are written: that of the reader's own country, where it has this language. */
export const locale = language === "en" ? "en-GB" : (navigator.languages.find((each) => each.split("-")[0] === language) ?? language);

/** Return a text in the reader's language. It is written here in English, whole, so that `make messages` finds it. */
export function t(text: string, values: Values = {}): string {
  return filled(translations.dcnpgettext(DOMAIN, undefined, text), values);
}

/** Return the form of a text that goes with a number, which is filled in as {count}. */
export function tn(one: string, many: string, count: number, values: Values = {}): string {
  const text = translations.dcnpgettext(DOMAIN, undefined, one, many, count);
  return filled(text, { count: number(count), ...values });
}

/** What the service says of itself, in the words that it declares; those are in the page's catalogue as well. */
export function declared(text: string): string {
  return text && t(text);
}

export function number(value: number, options: Intl.NumberFormatOptions = {}): string {
  return numbersBy(options).format(value);
}

/** Return a moment's day, time or both, as the reader writes them. */
export function written(date: Date, options: Intl.DateTimeFormatOptions): string {
  return momentsBy(options).format(date);
}

const numbersBy = kept((options: Intl.NumberFormatOptions) => new Intl.NumberFormat(locale, options));
const momentsBy = kept((options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, options));

/** A browser takes a hundred times as long to make a format as to write by it. */
function kept<Options, Format>(make: (options: Options) => Format): (options: Options) => Format {
  const formats = new Map<string, Format>();
  return (options) => {
    const name = JSON.stringify(options);
    const format = formats.get(name) ?? make(options);
    formats.set(name, format);
    return format;
  };
}

/** The language of what the service wrote about one request: said to whoever reads it aloud. */
export const SERVICE_LANGUAGE = "en";

/** Whether what the service wrote is in the reader's language. */
export const isServiceLanguage = language === SERVICE_LANGUAGE;

function filled(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

function catalogueIn(json: string | null | undefined): Catalogue {
  return { "": { plural_forms: ENGLISH }, ...(JSON.parse(json || "{}") as object) };
}
