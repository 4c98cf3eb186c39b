// The forms of options: filled from what the server offers, remembered for the next visit.

import { byId, make, recall, remember } from "./dom.js";
import { languageName, locale, onLocale, t } from "./i18n.js";

const KEPT = "options";
// What is particular to one recording is not remembered.
const FORGOTTEN = new Set(["hotwords"]);
let facts = { models: [], languages: [] };

/** Keep the form's choices, and its language names in the language of the page. */
export function setUpOptions() {
  const form = byId("options");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => {
    const kept = Object.entries(chosenOptions()).filter(([name]) => !FORGOTTEN.has(name));
    remember(KEPT, JSON.stringify(Object.fromEntries(kept)));
  });
  onLocale(offerLanguages);
  offerLanguages();
}

/** Offer the server's models and languages, with what was chosen last time. */
export function offer(serverFacts) {
  facts = serverFacts;
  for (const select of document.querySelectorAll("[data-offers='models']")) {
    select.replaceChildren(...facts.models.map((name) => new Option(name, name)));
    select.closest(".field").hidden = facts.models.length < 2;
  }
  offerLanguages();
  restore(byId("options"), recall(KEPT));
}

/** The model for recordings that came before the server had answered. */
export function firstModel() {
  return facts.models[0] ?? "";
}

/** The choices as they stand: {language, task, model, beam_size, hotwords, chinese_script, split}. */
export function chosenOptions() {
  const form = byId("options");
  const chosen = Object.fromEntries(new FormData(form));
  chosen.hotwords = chosen.hotwords.trim();
  chosen.split = form.elements.namedItem("split").checked;
  return chosen;
}

/** Choose again in a form what was remembered as JSON. */
export function restore(form, remembered) {
  let kept = {};
  try {
    kept = JSON.parse(remembered) ?? {};
  } catch {
    // What an earlier version kept in another form is forgotten.
  }
  const fields = form.elements;
  for (const [name, value] of Object.entries(kept)) {
    const field = fields.namedItem(name);
    if (field?.type === "checkbox") field.checked = value === true;
    // A model or language that is no longer offered is not chosen.
    else if ([...(field?.options ?? [])].some((one) => one.value === value)) field.value = value;
  }
}

function offerLanguages() {
  const known = facts.languages.map(({ code, name }) => {
    return { code, name: languageName(code, name) };
  });
  const order = new Intl.Collator(locale());
  known.sort((a, b) => order.compare(a.name, b.name));
  for (const select of document.querySelectorAll("[data-offers='languages']")) {
    const before = select.value;
    select.replaceChildren(
      new Option(t("options.language.detect"), ""),
      new Option(t("options.language.several"), "auto"),
      make("hr"),
      ...known.map(({ code, name }) => new Option(name, code)),
    );
    if ([...select.options].some((one) => one.value === before)) select.value = before;
  }
}
