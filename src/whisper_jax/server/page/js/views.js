// The views of the page. Which one is shown stands in the address, so that it can be linked.

import { byId } from "./dom.js";
import { onLocale, t } from "./i18n.js";

const listeners = new Set();
let shown = { view: "recordings", room: "" };

/** Follow the address; `#live/NAME` is the live view with a room of this name. */
export function setUpViews() {
  addEventListener("hashchange", follow);
  onLocale(show);
  follow();
}

/** Call `listener({view, room})` whenever the address names a view. */
export function onView(listener) {
  listeners.add(listener);
}

/** What is shown: {view: "recordings" or "live", room: a name or ""}. */
export function shownView() {
  return shown;
}

/** Show a view, and perhaps a room in it. */
export function openView(view, room = "") {
  const asked = { view, room };
  if (hashOf(asked) !== hashOf(shown)) location.hash = hashOf(asked);
}

/** The address under which others see a room. */
export function addressOfRoom(room) {
  return new URL(hashOf({ view: "live", room }), location.href).href;
}

function hashOf({ view, room }) {
  return room ? `#${view}/${encodeURIComponent(room)}` : `#${view}`;
}

function follow() {
  const asked = viewOf(location.hash);
  if (!asked) {
    // A place in the document, such as the content to skip to: the view stays as it is.
    history.replaceState(null, "", hashOf(shown));
    return;
  }
  shown = asked;
  show();
  for (const listener of listeners) listener(shown);
}

function viewOf(hash) {
  if (hash === "" || hash === "#recordings") return { view: "recordings", room: "" };
  const [, isLive, room] = /^#(live)(?:\/(.*))?$/.exec(hash) ?? [];
  if (!isLive) return null;
  try {
    return { view: "live", room: decodeURIComponent(room ?? "").trim() };
  } catch {
    return { view: "live", room: "" };
  }
}

function show() {
  // The style sheets hide the other one: early.js has set the first before anything was painted.
  document.documentElement.dataset.page = shown.view;
  for (const view of ["recordings", "live"]) {
    const link = byId(`to-${view}`);
    if (view === shown.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const name = t(shown.view === "live" ? "view.live" : "view.recordings");
  document.title = `${shown.room || name} · Whisper JAX`;
}
