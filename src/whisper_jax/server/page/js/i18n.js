// The words of the page in the language chosen: by the browser's languages, or as last switched.

import { byId, remember } from "./dom.js";
import { EN } from "./strings-en.js";
import { ZH } from "./strings-zh.js";

const TABLES = { en: EN, zh: ZH };
const TAGS = { en: "en", zh: "zh-Hans" };
const listeners = new Set();
// early.js has set the document's language.
let current = document.documentElement.lang.startsWith("zh") ? "zh" : "en";

/** The language tag for Intl and for `lang` attributes. */
export function locale() {
  return TAGS[current];
}

/** The words for `key`, with {name} replaced from `values`. A number `n` may choose `key.one`. */
export function t(key, values = {}) {
  const table = TABLES[current];
  const text = (values.n === 1 && table[`${key}.one`]) || table[key];
  if (text === undefined) throw new Error(`no words for ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** The name of a language in the language of the page; `fallback` where it is not known. */
export function languageName(code, fallback = code) {
  try {
    const names = new Intl.DisplayNames(locale(), { type: "language", fallback: "none" });
    return names.of(code) ?? fallback;
  } catch {
    return fallback; // not a code that Intl reads
  }
}

/** Call `listener` after each change of language, once the document's own words are changed. */
export function onLocale(listener) {
  listeners.add(listener);
}

/** Put the words of the chosen language into the document, and offer the choice. */
export function setUpLocale() {
  const choice = byId("locale");
  choice.value = current;
  choice.addEventListener("change", () => {
    current = choice.value;
    document.documentElement.lang = locale();
    remember("locale", current);
    translate();
    for (const listener of listeners) listener();
  });
  translate();
}

function translate() {
  for (const element of document.querySelectorAll("[data-i18n]")) {
    element.textContent = t(element.dataset.i18n);
  }
  for (const element of document.querySelectorAll("[data-i18n-label]")) {
    const words = t(element.dataset.i18nLabel);
    element.setAttribute("aria-label", words);
    if (element.localName === "button") element.title = words;
  }
  for (const element of document.querySelectorAll("[data-i18n-placeholder]")) {
    element.placeholder = t(element.dataset.i18nPlaceholder);
  }
}
