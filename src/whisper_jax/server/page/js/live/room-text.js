// The text of a room as it comes: paragraphs with times, the newest in sight.

import { make } from "../dom.js";
import { t } from "../i18n.js";
import { clock } from "../units.js";
import { runsOf } from "./changes.js";

const MOST_SHOWN = 300; // paragraphs in the document; the story keeps all of them
const NEAR_PX = 40; // so near its end the text counts as read to the end
const SAID_LETTERS = 80; // screen readers are told pieces of about this length
const SAID_PIECES = 8; // kept for them

/** The text of a room in `box`, with a button that goes to the newest. */
export class RoomText {
  constructor(room, box, newest, log) {
    this.room = room;
    this.box = box;
    this.newest = newest;
    this.log = log;
    this.paragraphs = new Map(); // segment -> its elements
    this.unsaid = "";
    this.isFollowing = true;
    this.isDue = false; // whether the end is gone to in the next frame
    box.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    newest.addEventListener("click", () => {
      this.follow();
      box.focus({ preventScroll: true });
    });
    new ResizeObserver(() => this.isFollowing && this.#toEnd()).observe(box);
  }

  /** A segment is new or was changed. */
  show(segment) {
    const { item, time, committed, gap, tentative } =
      this.paragraphs.get(segment) ?? this.#add(segment);
    // Somebody speaks, but there are no words yet.
    item.hidden = !segment.committed && !segment.tentative;
    item.lang = this.room.task === "translate" ? "en" : segment.language;
    time.textContent = segment.start_s === null ? "" : clock(segment.start_s);
    committed.textContent = segment.committed;
    tentative.textContent = segment.tentative.trimStart();
    gap.data = segment.tentative.startsWith(" ") ? " " : "";
    if (this.isFollowing) this.#toEnd();
  }

  /** A segment turned out to be nothing. */
  remove(segment) {
    this.paragraphs.get(segment)?.item.remove();
    this.paragraphs.delete(segment);
  }

  /** Let screen readers say what was committed, in pieces. */
  say(text) {
    this.unsaid += text;
    const isWhole = /[.!?…。！？]\s*$/.test(this.unsaid) || this.unsaid.length > SAID_LETTERS;
    if (isWhole) this.flush();
  }

  /** Say what there is, since nothing more comes for now. */
  flush() {
    if (this.unsaid.trim()) this.log.append(make("p", { textContent: this.unsaid.trim() }));
    this.unsaid = "";
    while (this.log.childElementCount > SAID_PIECES) this.log.firstChild.remove();
  }

  /** The final transcript in place of what was shown, with its changes if they are known. */
  showFinal() {
    const { final, changes } = this.room;
    const runs = changes ? runsOf(final, changes.parts) : null;
    this.paragraphs.clear();
    this.box.replaceChildren(
      ...final.map(({ start, text, language }, i) => {
        const said = make("p", { className: "text", lang: language });
        const parts = runs?.[i] ?? [{ kind: "same", text }];
        said.append(...parts.flatMap(drawRun));
        return make("div", { className: "line" }, timeOf(clock(start)), said);
      }),
    );
    this.isFollowing = false;
    this.box.scrollTop = 0;
    this.newest.hidden = true;
  }

  /** Go to the newest, and stay there. */
  follow() {
    this.isFollowing = true;
    this.newest.hidden = true;
    this.#toEnd();
  }

  #add(segment) {
    const time = timeOf("");
    const committed = make("span", { className: "committed" });
    const tentative = make("span", { className: "tentative" });
    const gap = document.createTextNode("");
    const said = make("p", { className: "text" }, committed, gap, tentative);
    const item = make("div", { className: "line" }, time, said);
    const drawn = { item, time, committed, gap, tentative };
    this.paragraphs.set(segment, drawn);
    this.box.append(item);
    if (this.paragraphs.size > MOST_SHOWN) this.remove(this.paragraphs.keys().next().value);
    return drawn;
  }

  /** Once a frame: many segments may come at a time. */
  #toEnd() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      if (this.isFollowing) this.box.scrollTop = this.box.scrollHeight;
    });
  }

  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    this.isFollowing = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    this.newest.hidden = this.isFollowing || this.room.final !== null;
  }
}

function timeOf(words) {
  return make("span", { className: "line-time", textContent: words });
}

/** Colours and strokes are for the eye; the words in front are for everybody else. */
function drawRun({ kind, text }) {
  if (kind === "same") return [text];
  const isAdded = kind === "added";
  const words = t(isAdded ? "room.added" : "room.removed");
  const told = make("span", { className: "hidden", textContent: ` [${words}] ` });
  const lead = /^\s*/.exec(text)[0];
  return [lead, make(isAdded ? "ins" : "del", {}, told, text.trimStart())];
}
