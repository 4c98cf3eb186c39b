// The transcript: lines with their times, words lit as they are played, and edited in place.

import { byId, icon, make, wantsLessMotion } from "./dom.js";
import { t } from "./i18n.js";
import { tell } from "./jobs.js";
import { announce } from "./notices.js";
import { pause, seek, timeNow, toggle } from "./player.js";
import { retime } from "./retime.js";
import { clock } from "./units.js";

const UNSURE = 0.4; // words less probable are marked
const MAX_GAP_S = 0.4; // a word stays lit over a pause this short
const HANDS_OFF_MS = 4000; // so long after the user scrolled the page does not scroll by itself

const list = byId("segments");
let job = null;
let rows = []; // for each segment its elements: {item, time, text, words}
let now = { row: -1, word: -1 };
let scrolledAt = -Infinity;

/** Wire clicks and keys. `search()` puts the cursor into the search field. */
export function setUpTranscript(search) {
  list.addEventListener("click", onClick);
  list.addEventListener("dblclick", (event) => {
    const row = rowOf(event.target);
    if (event.target.closest(".text") && row >= 0) edit(row);
  });
  list.addEventListener("keydown", (event) => onKey(event, search));
  list.addEventListener("focusin", (event) => moveStop(rowOf(event.target)));
  const handsOn = () => {
    scrolledAt = performance.now();
  };
  for (const event of ["wheel", "touchmove"]) addEventListener(event, handsOn, { passive: true });
}

/** Show the segments of a job from the beginning; null shows none. */
export function showTranscript(next) {
  job = next;
  rows = [];
  now = { row: -1, word: -1 };
  list.replaceChildren();
  drawMore();
}

/** Draw the segments that came since. */
export function drawMore() {
  if (!job) return;
  const fresh = job.segments.slice(rows.length).map((_, i) => draw(rows.length + i));
  rows.push(...fresh);
  list.append(...fresh.map((row) => row.item));
  if (rows.length && rows.length === fresh.length) moveStop(0);
  byId("unsure").hidden = !list.querySelector(".unsure");
}

/** Light the word that is spoken at a time, and keep it in sight while playing. */
export function light(time_s, isPlaying) {
  const row = lastBefore(job?.segments ?? [], time_s);
  const words = job?.segments[row]?.words ?? [];
  const word = wordAt(words, time_s);
  if (row === now.row && word === now.word) return;
  rows[now.row]?.words[now.word]?.classList.remove("now");
  rows[row]?.words[word]?.classList.add("now");
  if (row !== now.row) {
    rows[now.row]?.item.classList.remove("now");
    rows[row]?.item.classList.add("now");
    if (isPlaying) keepInSight(row);
  }
  now = { row, word };
}

/** Bring a line to the middle of the window. */
export function scrollTo(item) {
  item.scrollIntoView({ block: "center", behavior: wantsLessMotion() ? "auto" : "smooth" });
}

function draw(index) {
  const segment = job.segments[index];
  const at = clock(segment.start);
  const time = make("button", { type: "button", className: "time", textContent: at, tabIndex: -1 });
  time.setAttribute("aria-label", t("transcript.from", { time: at }));
  const text = make("p", { className: "text", dir: "auto", lang: languageOf(segment) });
  const said = make("div", { className: "said" });
  const before = job.segments[index - 1]?.speaker;
  if (segment.speaker && segment.speaker !== before) {
    said.append(make("p", { className: "speaker", textContent: segment.speaker }));
  }
  said.append(text);
  const tools = make("div", { className: "tools" });
  tools.append(tool("edit", "transcript.edit", at));
  if (segment.original) tools.append(tool("undo", "transcript.restore", at));
  const item = make("li", { className: "segment", data: { row: index } }, time, said, tools);
  item.classList.toggle("edited", Boolean(segment.original));
  return { item, time, text, words: spell(text, segment) };
}

/** In what a segment is written, which for a translation is English. */
function languageOf(segment) {
  return job.options.task === "translate" ? "en" : segment.language || job.language;
}

function tool(name, key, at) {
  const button = make("button", { type: "button", className: `quiet round ${name}` }, icon(name));
  button.tabIndex = -1;
  button.title = t(key, { time: at });
  button.setAttribute("aria-label", button.title);
  return button;
}

/** Put the words into the line, each in an element of its own; returns these. */
function spell(text, segment) {
  if (!segment.words?.length) {
    text.textContent = segment.text.trim();
    return [];
  }
  const elements = segment.words.map(({ word, probability }) => {
    const element = make("span", { className: "word", textContent: word.trim() });
    element.classList.toggle("unsure", probability < UNSURE);
    return element;
  });
  segment.words.forEach(({ word }, i) => {
    // The space stands outside, so that it is not lit.
    if (i && /^\s/u.test(word)) text.append(" ");
    text.append(elements[i]);
  });
  return elements;
}

function redraw(row) {
  const fresh = draw(row);
  rows[row].item.replaceWith(fresh.item);
  rows[row] = fresh;
  now = { row: -1, word: -1 };
  moveStop(row);
  tell("edited", job);
}

/** One line at a time is reached by Tab; the arrow keys go from line to line. */
function moveStop(row) {
  if (row < 0) return;
  for (const element of list.querySelectorAll("button[tabindex='0']")) element.tabIndex = -1;
  for (const element of rows[row].item.querySelectorAll("button")) element.tabIndex = 0;
}

function rowOf(element) {
  return Number(element.closest(".segment")?.dataset.row ?? -1);
}

function onClick(event) {
  const row = rowOf(event.target);
  if (row < 0 || event.target.localName === "textarea") return;
  const segment = job.segments[row];
  if (event.target.closest(".edit")) edit(row);
  else if (event.target.closest(".undo")) restore(row);
  // Who selects text to copy it does not want to jump.
  else if (getSelection().isCollapsed) {
    const word = rows[row].words.indexOf(event.target);
    if (word >= 0) seek(segment.words[word].start, { andPlay: true });
    else if (event.target.closest(".time, .text")) seek(segment.start, { andPlay: true });
  }
}

function onKey(event, search) {
  const row = rowOf(event.target);
  if (row < 0 || event.target.localName === "textarea" || event.ctrlKey || event.metaKey) return;
  const act = {
    ArrowUp: () => focusRow(row - 1),
    ArrowDown: () => focusRow(row + 1),
    Home: () => focusRow(0),
    End: () => focusRow(rows.length - 1),
    ArrowLeft: () => step(row, -1),
    ArrowRight: () => step(row, 1),
    " ": toggle,
    e: () => edit(row),
    F2: () => edit(row),
    "/": search,
  }[event.key];
  // Space presses buttons: on the time of a line it plays and pauses instead.
  if (!act || (event.key === " " && !event.target.matches(".time"))) return;
  event.preventDefault();
  act();
}

function focusRow(row) {
  const found = rows[Math.min(Math.max(0, row), rows.length - 1)];
  found.time.focus({ preventScroll: true });
  scrollTo(found.item);
}

/** Go to the next or previous word, from where the player is if that is in this line. */
function step(row, by) {
  const words = job.segments[row].words ?? [];
  const at = now.row === row ? lastBefore(words, timeNow() + 0.01) : by > 0 ? -1 : words.length;
  const word = words[at + by];
  if (word) return seek(word.start);
  const next = job.segments[row + by];
  if (!next) return undefined;
  focusRow(row + by);
  const other = by > 0 ? next.words?.[0] : next.words?.at(-1);
  return seek((other ?? next).start);
}

function edit(row) {
  const { item, text } = rows[row];
  if (item.querySelector("textarea")) return;
  pause();
  getSelection().removeAllRanges();
  const segment = job.segments[row];
  const field = make("textarea", { className: "text", value: segment.text.trim(), rows: 1 });
  field.dir = "auto";
  field.lang = text.lang;
  field.setAttribute("aria-label", t("transcript.editing", { time: clock(segment.start) }));
  // As high as the text, also where browsers do not know field-sizing.
  const fit = () => {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  };
  let isOpen = true;
  const close = (isKept, byKey) => {
    if (!isOpen) return;
    isOpen = false;
    if (isKept) keep(row, field.value);
    if (field.isConnected) field.replaceWith(text);
    item.classList.remove("editing");
    if (byKey) rows[row].time.focus();
  };
  field.addEventListener("input", fit);
  field.addEventListener("blur", () => close(true, false));
  field.addEventListener("keydown", (event) => {
    // While an input method is composing, Enter and Escape are its own.
    if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
    event.preventDefault();
    close(event.key === "Enter", true);
  });
  item.classList.add("editing");
  text.replaceWith(field);
  fit();
  field.focus();
}

function keep(row, value) {
  const segment = job.segments[row];
  const written = value.replace(/\s+/gu, " ").trim();
  if (written === segment.text.trim()) return;
  const { text, words } = segment.original ?? segment;
  // Whisper's texts begin with a space where the language has spaces.
  const fresh = written && text.startsWith(" ") ? ` ${written}` : written;
  if (written === text.trim()) return restore(row);
  segment.original = { text, words };
  segment.text = fresh;
  if (words?.length) segment.words = retime(words, fresh, languageOf(segment));
  job.unsaved = true;
  redraw(row);
  announce(t("transcript.kept"));
}

function restore(row) {
  const segment = job.segments[row];
  Object.assign(segment, segment.original);
  delete segment.original;
  job.unsaved = true;
  redraw(row);
  rows[row].time.focus({ preventScroll: true });
}

function keepInSight(row) {
  const item = rows[row]?.item;
  if (!item || performance.now() - scrolledAt < HANDS_OFF_MS) return;
  if (list.querySelector("textarea")) return;
  const { top, bottom } = item.getBoundingClientRect();
  // The player covers the lines that go under it, unless it stands beside them.
  const stage = byId("stage").getBoundingClientRect();
  const covered = stage.left < list.getBoundingClientRect().left ? stage.bottom : 0;
  if (top < covered + 8 || bottom > innerHeight * 0.85) scrollTo(item);
}

/** The last of these that begins at or before a time; -1 if none does. They are in order. */
function lastBefore(things, time_s) {
  let low = 0;
  let high = things.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (things[middle].start <= time_s) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function wordAt(words, time_s) {
  const at = lastBefore(words, time_s);
  if (at < 0) return -1;
  const next = words[at + 1]?.start ?? Infinity;
  const end = Math.min(next, words[at].end + MAX_GAP_S);
  return time_s < end ? at : -1;
}
