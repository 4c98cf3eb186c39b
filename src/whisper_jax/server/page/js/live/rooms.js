// The rooms that are open in this page, and what is known of each: the state that the views show.

import { Story } from "./story.js";

/**
 * A room is a plain object:
 *   name
 *   isOwn           whether this page speaks in it; else it is watched
 *   options         {language, task, model, hotwords, microphone} of an own one
 *   state           asking, connecting, listening, lost, busy, finishing, ended or failed;
 *                   of a watched one also waiting: nobody speaks there
 *   error, retryAt  why it is lost, busy or failed; when it is tried again, in milliseconds of
 *                   performance.now()
 *   story           what was heard (story.js)
 *   language, task  of what is heard, as the server told a watcher; "" if it is detected
 *   isSpeaking      whether somebody speaks at this moment
 *   isUnplugged     whether its microphone is gone
 *   startedAt       milliseconds since 1970; 0 before it has begun
 *   capture         its sound while it is open (capture.js)
 *   recording       a Blob once it is closed
 *   isKept          whether the recording was saved, or finished
 *   job             of the recording, once that is transcribed (jobs.js)
 *   final           [{start, language, text}] of the job, when it is done
 *   changes         {parts, n_changed, n_words} from the live text to the final one
 *   changesError    an ApiError, if they could not be had
 *   isProjected     whether it is among the captions that fill the screen
 */
const rooms = [];
const listeners = new Set();

export const LIVE = new Set(["connecting", "listening", "lost", "busy", "finishing", "waiting"]);

/**
 * Call `listener(event, room, detail)` for: added, removed, changed, segment (changed; detail is
 * it), gone (a segment), committed (detail is the text).
 */
export function onRooms(listener) {
  listeners.add(listener);
}

/** Tell the views that something of a room changed. */
export function tellRoom(event, room, detail = null) {
  for (const listener of listeners) listener(event, room, detail);
}

/** All rooms, the newest last. */
export function allRooms() {
  return rooms;
}

/** The room of this name; undefined if it is not open in this page. */
export function roomNamed(name) {
  return rooms.find((room) => room.name === name);
}

/** A room of this page, to be added. */
export function newRoom(name, values) {
  const room = { name, story: null, error: null, retryAt: 0, language: "", task: "transcribe" };
  Object.assign(room, { isSpeaking: false, isUnplugged: false, startedAt: 0, capture: null });
  Object.assign(room, { recording: null, isKept: false, job: null, final: null, changes: null });
  Object.assign(room, { changesError: null, isProjected: true }, values);
  room.story = new Story({
    changed: (segment) => tellRoom("segment", room, segment),
    removed: (segment) => tellRoom("gone", room, segment),
    committed: (text) => tellRoom("committed", room, text),
  });
  return room;
}

/** Show a room. */
export function addRoom(room) {
  rooms.push(room);
  tellRoom("added", room);
}

/** Show a room no longer; returns what puts it back. */
export function removeRoom(room) {
  rooms.splice(rooms.indexOf(room), 1);
  tellRoom("removed", room);
  return () => addRoom(room);
}

/** Change something of a room, and have it shown. */
export function changeRoom(room, values) {
  Object.assign(room, values);
  tellRoom("changed", room);
}

/** Take an event of a stream that is heard in a room. */
export function hear(room, event) {
  if (event.type === "speech_started") changeRoom(room, { isSpeaking: true });
  const isOver = event.type === "speech_stopped" || event.type === "stream_ended";
  if (isOver) changeRoom(room, { isSpeaking: false });
  room.story.take(event);
}
