// One room: its name, what it is doing, the level of its microphone, its text, its buttons.

import { byId, icon, make } from "../dom.js";
import { onLocale, t } from "../i18n.js";
import { announce } from "../notices.js";
import { actionsOf, toolsOf } from "./actions.js";
import { showLevel } from "./capture.js";
import { RoomText } from "./room-text.js";
import { changesIn, factsOf, stateOf } from "./room-words.js";
import { onRooms } from "./rooms.js";

const cards = new Map(); // room -> its elements
let n_made = 0;

/** Show the rooms of this page. */
export function setUpCards() {
  onRooms((event, room, detail) => {
    if (event === "added") add(room);
    const card = cards.get(room);
    if (!card) return;
    if (event === "removed") drop(room);
    if (event === "changed") show(room);
    if (event === "segment") card.text.show(detail);
    if (event === "gone") card.text.remove(detail);
    if (event === "committed") card.text.say(detail);
    if (event === "segment" && detail.isDone) card.text.flush();
    if (event === "added" || event === "removed") for (const one of cards.keys()) show(one);
  });
  onLocale(() => {
    for (const room of cards.keys()) {
      if (room.final) cards.get(room).text.showFinal();
      show(room);
    }
  });
  // Times go on by themselves.
  setInterval(() => cards.forEach((_, room) => showWords(room)), 1000);
}

/** Bring a room into sight, with the focus on its name. */
export function showCard(room) {
  const { title, card } = cards.get(room);
  const isTall = card.offsetHeight > innerHeight;
  card.scrollIntoView({ block: isTall ? "start" : "nearest" });
  title.focus({ preventScroll: true });
}

function add(room) {
  n_made += 1;
  const id = `room-${n_made}`;
  const title = make("h2", { id, tabIndex: -1, textContent: room.name });
  const facts = make("p", { className: "facts" });
  const tools = make("div", { className: "room-tools" });
  const head = make("header", {}, make("div", {}, title, facts), tools);
  const words = make("span");
  const dot = make("span", { className: "dot", "aria-hidden": "true" });
  const state = make("p", { className: "room-state" }, dot, words);
  const canvas = make("canvas", { height: 32, "aria-hidden": "true" });
  const range = { "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" };
  const meter = make("div", { className: "meter", role: "meter", ...range }, canvas);
  const box = make("div", { className: "lines", role: "region", tabIndex: 0 });
  const newest = make("button", { type: "button", className: "newest small", hidden: true });
  const log = make("div", { className: "hidden", role: "log", "aria-live": "polite" });
  const switched = make("input", { type: "checkbox", checked: true, role: "switch" });
  const switchWords = make("span");
  const count = make("span", { className: "count" });
  const label = make("label", { className: "check" }, switched, switchWords);
  const changes = make("p", { className: "changes", hidden: true }, count, label);
  const actions = make("div", { className: "actions" });
  const parts = [head, state, meter, changes, make("div", { className: "lines-box" }, box, newest)];
  const card = make("li", { className: "room" }, ...parts, log, actions);
  card.setAttribute("aria-labelledby", id);
  const text = new RoomText(room, box, newest, log);
  switched.addEventListener("change", () => {
    card.toggleAttribute("data-plain", !switched.checked);
  });
  const made = { card, title, facts, tools, words, meter, changes, count, switchWords, actions };
  cards.set(room, { ...made, label, text, box, newest, log, shown: "", said: "", stopMeter: null });
  for (const segment of room.story.segments) text.show(segment);
  byId("rooms").append(card);
}

function drop(room) {
  const { card, stopMeter } = cards.get(room);
  stopMeter?.();
  card.remove();
  cards.delete(room);
}

function show(room) {
  const card = cards.get(room);
  card.card.dataset.state = room.state;
  card.card.toggleAttribute("data-live", room.state === "listening");
  card.card.toggleAttribute("data-speaking", room.isSpeaking);
  card.card.toggleAttribute("data-final", room.final !== null);
  card.box.setAttribute("aria-label", t("room.text", { name: room.name }));
  card.log.setAttribute("aria-label", room.name);
  card.newest.textContent = t("room.newest");
  card.meter.setAttribute("aria-label", t("record.level"));
  card.meter.hidden = !room.capture;
  if (room.capture && !card.stopMeter) card.stopMeter = showLevel(room.capture, card.meter);
  if (!room.capture) card.stopMeter = null;
  showWords(room);
  sayState(room);
  showFinal(room);
  showButtons(room);
}

/** Have a new state said; not who speaks, nor how long it takes, which change all the time. */
function sayState(room) {
  const card = cards.get(room);
  const state = [room.state, room.isUnplugged, room.error !== null, room.job !== null].join();
  if (state === card.said) return;
  card.said = state;
  announce(`${room.name}: ${stateOf(room).words}`);
}

function showWords(room) {
  const { words, facts, card } = cards.get(room);
  const { words: told, isBad } = stateOf(room);
  if (words.textContent !== told) words.textContent = told;
  card.toggleAttribute("data-bad", isBad === true);
  facts.textContent = factsOf(room);
}

function showFinal(room) {
  const card = cards.get(room);
  const isNew = card.final !== room.final || card.shownChanges !== room.changes;
  if (room.final && isNew) card.text.showFinal();
  if (room.final && !card.final) announce(t("jobs.announce.done", { name: room.name }));
  card.final = room.final;
  card.shownChanges = room.changes;
  card.changes.hidden = !changesIn(room);
  card.count.textContent = changesIn(room);
  card.switchWords.textContent = t("room.changes.show");
  card.label.hidden = !room.changes?.n_changed;
}

/** The buttons, drawn anew only when there are others, so that the focus stays where it is. */
function showButtons(room) {
  const card = cards.get(room);
  const actions = actionsOf(room);
  const tools = toolsOf(room);
  const shown = JSON.stringify([...actions, ...tools].map(({ act, ...words }) => words));
  if (shown === card.shown) return;
  const hadFocus = card.actions.contains(document.activeElement);
  card.shown = shown;
  card.actions.replaceChildren(...actions.map(button));
  card.tools.replaceChildren(...tools.map(button));
  if (hadFocus) (card.actions.querySelector("button") ?? card.title).focus();
}

function button({ words, act, look = "", picture = null, isPressed = null }) {
  const made = make("button", { type: "button", className: look, onclick: act });
  if (picture) made.append(icon(picture));
  if (look.includes("round")) {
    made.title = words;
    made.setAttribute("aria-label", words);
  } else made.append(make("span", { textContent: words }));
  if (isPressed !== null) made.setAttribute("aria-pressed", String(isPressed));
  return made;
}
