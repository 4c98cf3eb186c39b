// Runs before anything is painted, so that a remembered theme or language does not flash in late.
// A classic script, since modules wait for the document.
(() => {
  const read = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // storage may be switched off
    }
  };
  const root = document.documentElement;
  const theme = read("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  root.dataset.page = /^#live(\/|$)/.test(location.hash) ? "live" : "recordings";
  const wanted = read("locale") ?? navigator.languages.find((tag) => /^(en|zh)\b/i.test(tag));
  root.lang = wanted?.toLowerCase().startsWith("zh") ? "zh-Hans" : "en";
  // The document holds the English words: others stay hidden until they are in place (main.js).
  if (root.lang !== "en") root.classList.add("translating");
})();
