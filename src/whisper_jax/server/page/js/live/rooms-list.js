// The rooms in which others speak, as links that show what is said there.

import { byId, icon, make } from "../dom.js";
import { languageName, onLocale, t } from "../i18n.js";
import { addressOfRoom } from "../views.js";
import { onRooms } from "./rooms.js";
import { onSpeaking, roomsOfOthers } from "./watch.js";

let shown = "";

/** Show the list whenever it has changed. */
export function setUpRoomsList() {
  onSpeaking(show);
  onRooms((event) => (event === "added" || event === "removed") && show());
  onLocale(() => {
    shown = "";
    show();
  });
}

function show() {
  const rooms = roomsOfOthers();
  // Drawn anew it would lose the focus.
  if (JSON.stringify(rooms) === shown) return;
  shown = JSON.stringify(rooms);
  byId("others").hidden = !rooms.length;
  byId("others-list").replaceChildren(...rooms.map(draw));
}

function draw({ room, language, task, viewers }) {
  const facts = [];
  if (language && language !== "auto") facts.push(languageName(language));
  if (task === "translate") facts.push(t("viewer.translated"));
  if (viewers) facts.push(t("rooms.watching", { n: viewers }));
  const name = make("b", { textContent: room });
  const words = make("span", { className: "facts", textContent: facts.join(" · ") });
  const href = addressOfRoom(room);
  const link = make("a", { href, className: "other" }, icon("screen"), name, words);
  link.setAttribute("aria-label", t("rooms.watch", { name: room }));
  return make("li", {}, link);
}
