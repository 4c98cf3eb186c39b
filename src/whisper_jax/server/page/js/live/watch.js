// Rooms in which others speak: found in the server's list, and watched.

import { speakingRooms } from "../api.js";
import { ApiError } from "../errors.js";
import { askForKey, hasKey, hasKeyIfNeeded } from "../key.js";
import { shownView } from "../views.js";
import { addRoom, allRooms, changeRoom, hear, newRoom, roomNamed } from "./rooms.js";
import { openSocket } from "./socket.js";

const LOOK_MS = 3000;
const RETRY_MS = 2000;

const sockets = new Map(); // watched room -> its connection; null while there is none yet
const listeners = new Set();
let speaking = []; // the server's rooms

/** Keep looking which rooms there are, while somebody looks at them. */
export function setUpWatching() {
  setInterval(() => look(), LOOK_MS);
}

/** Call `listener()` whenever the server's rooms were looked at. */
export function onSpeaking(listener) {
  listeners.add(listener);
}

/** The server's rooms that are not open in this page. */
export function roomsOfOthers() {
  return speaking.filter(({ room }) => !roomNamed(room));
}

/**
 * Look now which rooms there are, and watch those that somebody wants to see. Who looks by a click
 * may be asked for a key; who would rather not give one is not asked again and again.
 */
export async function look({ mayAsk = false } = {}) {
  const isSeen = shownView().view === "live" && !document.hidden;
  const isWaiting = allRooms().some((room) => !room.isOwn && !sockets.has(room));
  if (!(isSeen || isWaiting)) return;
  if (!(mayAsk ? await hasKeyIfNeeded() : hasKey())) return;
  try {
    speaking = await speakingRooms();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.asksForKey && mayAsk && (await askForKey({ wasWrong: true }))) look();
    return;
  }
  for (const room of allRooms()) {
    const isThere = speaking.some((one) => one.room === room.name);
    const isDue = performance.now() >= room.retryAt;
    if (!room.isOwn && isThere && isDue && !sockets.has(room)) follow(room);
  }
  for (const listener of listeners) listener();
}

/** Show what is said in a room, now or as soon as somebody speaks there. */
export function watchRoom(name) {
  const room = newRoom(name, { isOwn: false, state: "waiting" });
  addRoom(room);
  look({ mayAsk: true });
  return room;
}

/** Watch a room no longer. */
export function leaveRoom(room) {
  sockets.get(room)?.close();
  sockets.delete(room);
  room.story.close();
}

async function follow(room) {
  sockets.set(room, null);
  changeRoom(room, { state: "connecting" });
  try {
    const socket = await openSocket(`v1/rooms/${encodeURIComponent(room.name)}`, {
      message: (message) => take(room, message),
      close: () => lose(room),
    });
    if (!sockets.has(room)) return socket.close(); // left meanwhile
    sockets.set(room, socket);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    sockets.delete(room);
    const isBusy = error.status === 429 || error.status === 503;
    const wait_ms = error.retryAfter_s ? error.retryAfter_s * 1000 : RETRY_MS;
    const state = isBusy ? "busy" : error.status === 404 ? "waiting" : "lost";
    changeRoom(room, { state, error, retryAt: performance.now() + wait_ms });
  }
}

function take(room, message) {
  if (message.type === "room") {
    const { language, task, started_at } = message;
    // Who speaks may begin again: times go on.
    const startedAt = room.startedAt || started_at * 1000;
    room.story.begin(String(started_at), started_at - startedAt / 1000);
    const isSpeaking = message.under_way.length > 0;
    const known = { language: language ?? "", task, startedAt, isSpeaking };
    changeRoom(room, { state: "listening", error: null, ...known });
  }
  hear(room, message);
  if (message.type === "stream_ended") lose(room, "waiting");
}

function lose(room, state = "lost") {
  if (!sockets.has(room)) return;
  sockets.get(room)?.close();
  sockets.delete(room);
  changeRoom(room, { state, isSpeaking: false, retryAt: 0 });
}
