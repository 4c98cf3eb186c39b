// Light and dark: the system's until it is switched here, and then remembered.

import { byId, remember } from "./dom.js";
import { onLocale, t } from "./i18n.js";

const listeners = new Set();
const systemDark = matchMedia("(prefers-color-scheme: dark)");

/** Call `listener` whenever colours change, for what is drawn by hand. */
export function onTheme(listener) {
  listeners.add(listener);
}

/** Let the button switch the theme. */
export function setUpTheme() {
  byId("theme").addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    remember("theme", theme);
    show();
  });
  systemDark.addEventListener("change", show);
  onLocale(show);
  show();
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : systemDark.matches;
}

function show() {
  const words = t(isDark() ? "theme.light" : "theme.dark");
  const button = byId("theme");
  button.setAttribute("aria-label", words);
  button.title = words;
  button.dataset.shows = isDark() ? "dark" : "light";
  for (const listener of listeners) listener();
}
