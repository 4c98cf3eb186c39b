// The form of options: filled from what the server offers, remembered for the next visit.

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
  byId("model").replaceChildren(...facts.models.map((name) => new Option(name, name)));
  byId("model-field").hidden = facts.models.length < 2;
  offerLanguages();
  restore();
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

function restore() {
  let kept = {};
  try {
    kept = JSON.parse(recall(KEPT)) ?? {};
  } catch {
    // What an earlier version kept in another form is forgotten.
  }
  const fields = byId("options").elements;
  for (const [name, value] of Object.entries(kept)) {
    const field = fields.namedItem(name);
    if (field?.type === "checkbox") field.checked = value === true;
    // A model or language that is no longer offered is not chosen.
    else if ([...(field?.options ?? [])].some((one) => one.value === value)) field.value = value;
  }
}

function offerLanguages() {
  const select = byId("language");
  const before = select.value;
  const known = facts.languages.map(({ code, name }) => {
    return { code, name: languageName(code, name) };
  });
  const order = new Intl.Collator(locale());
  known.sort((a, b) => order.compare(a.name, b.name));
  select.replaceChildren(
    new Option(t("options.language.detect"), ""),
    new Option(t("options.language.several"), "auto"),
    make("hr"),
    ...known.map(({ code, name }) => new Option(name, code)),
  );
  if ([...select.options].some((one) => one.value === before)) select.value = before;
}
