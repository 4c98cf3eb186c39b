// Rooms in which this page speaks: microphone, stream and recording of each.

import { MicrophoneError } from "../microphone.js";
import { keepSound, plugIn, rateOf, startCapture, stopCapture } from "./capture.js";
import { addRoom, allRooms, changeRoom, hear, newRoom } from "./rooms.js";
import { SpokenStream } from "./stream.js";

/** Let the rooms end with the page. */
export function setUpSpeaking() {
  addEventListener("pagehide", () => {
    for (const room of allRooms()) if (room.capture) room.stream.leave();
  });
}

/** Open a room with {language, task, model, hotwords, microphone}; it shows whether that works. */
export function openRoom(name, options) {
  const room = newRoom(name, { isOwn: true, options, task: options.task, state: "asking" });
  addRoom(room);
  begin(room);
  return room;
}

/** Try again to open a room that could not be opened. */
export function reopen(room) {
  changeRoom(room, { state: "asking", error: null });
  begin(room);
}

/** Close a room, with its recording kept; resolves once its last words have come. */
export async function closeRoom(room) {
  if (!room.capture) return room.over;
  const { capture, stream, stopKeeping, kept } = room;
  stopKeeping();
  const recording = await kept;
  stopCapture(capture);
  // A room that could not be opened has nothing to keep.
  const isAny = recording.size > 0 && !(room.state === "failed" && !stream.hasBegun);
  changeRoom(room, { capture: null, recording: isAny ? recording : null });
  stream.finish();
  await room.over;
}

/** Listen to a microphone again after it was unplugged; throws a MicrophoneError. */
export async function plugInAgain(room) {
  await plugIn(room.capture);
  changeRoom(room, { isUnplugged: false });
}

async function begin(room) {
  let capture;
  try {
    capture = await startCapture(room.options.microphone, {
      block: (samples) => room.stream?.send(samples),
      unplugged: () => changeRoom(room, { isUnplugged: true }),
    });
  } catch (error) {
    if (!(error instanceof MicrophoneError)) throw error;
    return changeRoom(room, { state: "failed", error });
  }
  room.kept = new Promise((resolve) => {
    room.stopKeeping = keepSound(capture, resolve);
  });
  room.over = new Promise((resolve) => {
    const on = {
      state: (state, why) => take(room, state, why, resolve),
      event: (event, part, offset_s) => {
        room.story.begin(part, offset_s);
        hear(room, event);
      },
    };
    const rate = rateOf(capture);
    room.stream = new SpokenStream({ ...query(room), rate }, rate, on);
  });
  changeRoom(room, { capture, startedAt: Date.now() });
}

/** The options of /v1/live: what is not given is the default. */
function query({ name, options }) {
  const { language, task, model, hotwords } = options;
  const given = { room: name, task, model, language, hotwords };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value));
}

function take(room, state, { error = null, retryAt = 0 }, resolve) {
  const isOver = state === "ended" || state === "failed";
  changeRoom(room, { state, error, retryAt, isSpeaking: room.isSpeaking && !isOver });
  if (!isOver) return;
  room.story.close();
  resolve();
  // What was said before it failed is kept like any other recording.
  if (state === "failed") closeRoom(room);
}
