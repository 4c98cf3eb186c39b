// Search inside the transcript that is shown: every match marked, one after the other brought up.

import { byId } from "./dom.js";
import { onLocale, t } from "./i18n.js";
import { scrollTo } from "./transcript.js";

const WAIT_MS = 120; // typing goes on

const list = byId("segments");
const field = byId("find-text");
let matches = []; // ranges in the document, in order
let at = -1;
let timer = 0;

/** Wire the search field. */
export function setUpSearch() {
  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    flush();
    go(at + 1);
  });
  byId("find-previous").addEventListener("click", () => go(at - 1));
  field.addEventListener("input", () => later(true));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave();
    else if (event.key === "Enter" && event.shiftKey) {
      event.preventDefault();
      flush();
      go(at - 1);
    }
  });
  onLocale(show);
}

/** Put the cursor into the search field. */
export function openSearch() {
  field.focus();
  field.select();
}

/** Search anew, since the text has changed. */
export function searchAgain() {
  if (field.value.trim()) later(false);
}

/** Forget the question, since another recording is shown. */
export function clearSearch() {
  field.value = "";
  clearTimeout(timer);
  find(false);
}

function later(isTyped) {
  clearTimeout(timer);
  timer = setTimeout(() => find(isTyped), WAIT_MS);
}

/** What was typed counts at once when Enter is pressed. */
function flush() {
  clearTimeout(timer);
  const before = at;
  find(false);
  at = Math.min(before, matches.length - 1);
}

function leave() {
  clearSearch();
  list.querySelector(".time[tabindex='0']")?.focus({ preventScroll: true });
}

function find(isTyped) {
  const before = at;
  matches = field.value.trim() ? ranges(field.value.trim()) : [];
  // New text does not move the reader; a new question begins at its first match.
  at = isTyped ? -1 : Math.min(before, matches.length - 1);
  if (isTyped && matches.length) go(0);
  else show();
}

/** Where the question stands, in whatever case, also over the ends of words and lines. */
function ranges(question) {
  const nodes = [];
  const starts = [];
  let text = "";
  for (const line of list.querySelectorAll("p.text")) {
    const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      nodes.push(walker.currentNode);
      starts.push(text.length);
      text += walker.currentNode.data;
    }
    text += "\n"; // the end of a line parts words
  }
  const plain = question.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&").replace(/\s+/g, "\\s+");
  const point = (offset) => {
    let node = starts.length - 1;
    while (starts[node] > offset) node -= 1;
    return [nodes[node], Math.min(offset - starts[node], nodes[node].data.length)];
  };
  return [...text.matchAll(new RegExp(plain, "giu"))].map((match) => {
    const range = new Range();
    range.setStart(...point(match.index));
    range.setEnd(...point(match.index + match[0].length - 1).map((x, i) => (i ? x + 1 : x)));
    return range;
  });
}

function go(to) {
  if (matches.length) {
    at = (to + matches.length) % matches.length;
    scrollTo(rowOf(matches[at]));
  }
  show();
}

function rowOf(range) {
  return range.startContainer.parentElement.closest(".segment");
}

function show() {
  const isAsked = field.value.trim() !== "";
  const count = { at: at + 1, n: matches.length };
  const words = matches.length ? t("find.count", count) : t("find.none");
  byId("find-count").textContent = isAsked ? words : "";
  for (const id of ["find-previous", "find-next"]) byId(id).disabled = !matches.length;
  list.querySelector(".found")?.classList.remove("found");
  if (matches[at]) rowOf(matches[at]).classList.add("found");
  // Older browsers mark the line alone.
  if (!CSS.highlights) return;
  CSS.highlights.set("find", new Highlight(...matches));
  CSS.highlights.set("find-now", new Highlight(...(matches[at] ? [matches[at]] : [])));
}
