// Captions that fill the screen, for a projector: the last lines of chosen rooms in big letters.

import { byId, make, recall, remember } from "../dom.js";
import { onLocale, t } from "../i18n.js";
import { notice } from "../notices.js";
import { shownView } from "../views.js";
import { allRooms, onRooms } from "./rooms.js";
import { keepAwake } from "./wake.js";

const KEPT = "captions-size";
const SIZES = [0.5, 0.65, 0.8, 1, 1.25, 1.5, 1.9, 2.4];
const USUAL = 3;
const MOST_SEGMENTS = 8; // more do not fit on any screen
const MOST_LETTERS = 900;
const IDLE_MS = 2500; // the tools go out of sight when the mouse rests

const screen = byId("captions");
let size = USUAL;
let isDue = false; // whether a draw is asked for in the next frame
let idle = 0;
let before = null; // what had the focus

/** Let captions fill the screen, by button and by key. */
export function setUpCaptions() {
  const kept = Number(recall(KEPT) ?? USUAL);
  resize(Number.isInteger(kept) ? kept : USUAL);
  byId("captions-open").addEventListener("click", open);
  byId("captions-leave").addEventListener("click", leave);
  byId("captions-larger").addEventListener("click", () => resize(size + 1));
  byId("captions-smaller").addEventListener("click", () => resize(size - 1));
  document.addEventListener("keydown", onKey);
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement) leave();
  });
  screen.addEventListener("pointermove", showTools);
  screen.addEventListener("focusin", showTools);
  onRooms(() => {
    byId("captions-open").hidden = !allRooms().length;
    if (!screen.hidden) later();
  });
  onLocale(() => !screen.hidden && draw());
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (screen.hidden) {
    const isText = event.target.closest?.("input, textarea, select, dialog");
    const isAsked = event.key.toLowerCase() === "f" && !isText && shownView().view === "live";
    if (isAsked && allRooms().length) open();
    return;
  }
  if (event.key === "Escape" || event.key.toLowerCase() === "f") leave();
  else if (event.key === "+" || event.key === "=") resize(size + 1);
  else if (event.key === "-") resize(size - 1);
}

function open() {
  if (!allRooms().some((room) => room.isProjected)) return notice(t("captions.none"));
  before = document.activeElement;
  screen.hidden = false;
  // What is behind is not to be reached, nor read.
  for (const one of behind()) one.inert = true;
  draw();
  showTools();
  screen.focus();
  keepAwake("captions", true);
  fillScreen();
}

async function fillScreen() {
  try {
    await screen.requestFullscreen();
    if (screen.hidden) await document.exitFullscreen(); // left meanwhile
  } catch {
    // Where it is refused, as on some phones, the window is filled.
  }
}

async function leave() {
  if (screen.hidden) return;
  screen.hidden = true;
  for (const one of behind()) one.inert = false;
  keepAwake("captions", false);
  // Until then nothing else takes the focus.
  if (document.fullscreenElement) await document.exitFullscreen();
  before?.focus({ preventScroll: true });
}

function behind() {
  return [...document.body.children].filter((one) => one !== screen && one.localName !== "svg");
}

function resize(to) {
  size = Math.max(0, Math.min(SIZES.length - 1, to));
  screen.style.setProperty("--scale", SIZES[size]);
  byId("captions-larger").disabled = size === SIZES.length - 1;
  byId("captions-smaller").disabled = size === 0;
  remember(KEPT, String(size));
}

function showTools() {
  screen.removeAttribute("data-idle");
  clearTimeout(idle);
  idle = setTimeout(() => screen.toggleAttribute("data-idle", true), IDLE_MS);
}

/** Draw at most once a frame: several rooms may bring many events at a time. */
function later() {
  if (!isDue) {
    requestAnimationFrame(() => {
      isDue = false;
      if (!screen.hidden) draw();
    });
  }
  isDue = true;
}

function draw() {
  const rooms = allRooms().filter((room) => room.isProjected);
  screen.style.setProperty("--columns", Math.max(1, rooms.length));
  byId("captions-rooms").replaceChildren(...rooms.map((room) => column(room, rooms.length > 1)));
}

function column(room, isNamed) {
  const lines = make("div", { className: "caption-lines" });
  for (const segment of lastOf(textOf(room))) {
    const committed = make("span", { className: "committed", textContent: segment.committed });
    const tentative = make("span", { className: "tentative", textContent: segment.tentative });
    const lang = room.task === "translate" ? "en" : segment.language;
    lines.append(make("p", { lang }, committed, tentative));
  }
  const name = make("h2", { textContent: room.name, hidden: !isNamed });
  return make("section", { className: "caption-room" }, name, lines);
}

/** The segments of a room: those of its final transcript, if there is one. */
function textOf({ story, final }) {
  if (!final) return story.segments;
  return final.map(({ text, language }) => ({ committed: text, tentative: "", language }));
}

/** The last ones, that may fit on the screen. */
function lastOf(segments) {
  const found = [];
  let n_letters = 0;
  for (const segment of segments.slice(-MOST_SEGMENTS).reverse()) {
    if (n_letters > MOST_LETTERS) break;
    const committed = segment.committed.slice(-MOST_LETTERS);
    found.unshift({ ...segment, committed });
    n_letters += committed.length;
  }
  return found;
}
