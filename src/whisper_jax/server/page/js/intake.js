// Takes recordings in: files that are chosen, dropped anywhere on the page, or pasted.

import { byId } from "./dom.js";
import { onLocale, t } from "./i18n.js";
import { addJob } from "./jobs.js";
import { notice } from "./notices.js";
import { chosenOptions } from "./options.js";
import { size } from "./units.js";
import { openView } from "./views.js";

let maxBytes = null;

/** Let files be chosen, dropped and pasted. */
export function setUpIntake() {
  const input = byId("files");
  byId("choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    takeFiles(input.files);
    input.value = ""; // so that the same file can be chosen again
  });
  setUpDrop();
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) takeFiles(event.clipboardData.files);
  });
  onLocale(showLimit);
}

/** Say how large a file may be. */
export function setLimit(bytes) {
  maxBytes = bytes;
  showLimit();
}

/** The most bytes that the server takes; null while unknown. */
export function limit() {
  return maxBytes;
}

/** Add files as jobs, with the options as they stand now. */
export function takeFiles(files) {
  // They may have been dropped on another view.
  openView("recordings");
  for (const file of files) addJob(file, chosenOptions());
}

function showLimit() {
  byId("limits").textContent = maxBytes ? t("intake.limit", { size: size(maxBytes) }) : "";
}

function setUpDrop() {
  const words = byId("drop").querySelector("[data-i18n='intake.drop']");
  const show = (isOver) => {
    document.body.toggleAttribute("data-dropping", isOver);
    words.textContent = t(isOver ? "intake.release" : "intake.drop");
  };
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  // A file may be let go anywhere: beside the target a browser would open it in place of the page.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    if (hasFiles(event)) show(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) show(false);
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    show(false);
    const files = event.dataTransfer?.files ?? [];
    if (files.length) takeFiles(files);
    else notice(t("intake.none"));
  });
}
