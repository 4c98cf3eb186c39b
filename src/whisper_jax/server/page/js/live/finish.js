// A closed room's recording once more, with all the time that it needs; and what that changes.

import { compare } from "../api.js";
import { ApiError } from "../errors.js";
import { addJob, allJobs, onJobs } from "../jobs.js";
import { recordingFile } from "../recording.js";
import { allRooms, changeRoom } from "./rooms.js";
import { closeRoom } from "./speak.js";

/** Follow the jobs of rooms. */
export function setUpFinishing() {
  onJobs((event, job) => {
    const room = allRooms().find((one) => one.job === job && job);
    if (!room) return;
    if (event === "removed") changeRoom(room, room.final ? {} : { job: null });
    else if (event === "changed" && job.state === "done" && !room.final) settle(room);
    else if (event === "changed") changeRoom(room, {});
  });
}

/** Close a room if it is open, and transcribe its recording like any other. */
export async function finishRoom(room) {
  await closeRoom(room);
  if (!room.recording || room.job) return;
  const { language, task, model, hotwords } = room.options;
  const usual = { beam_size: "5", chinese_script: "", split: false };
  const job = addJob(roomFile(room), { language, task, model, hotwords, ...usual });
  changeRoom(room, { job, isKept: true });
}

/** The recording of a room as a file. */
export function roomFile(room) {
  return recordingFile(room.recording, room.name);
}

/** Whether something of a room would be lost with the page. */
export function needsCare(room) {
  if (!room.isOwn) return false;
  return room.capture !== null || (room.recording !== null && !room.isKept);
}

/** The job of a room in the list of recordings; null if there is none, or no longer. */
export function jobOf(room) {
  return allJobs().includes(room.job) ? room.job : null;
}

async function settle(room) {
  const { segments, language, options } = room.job;
  const final = segments.map(({ start, text, language: spoken }) => {
    return { start, text, language: options.task === "translate" ? "en" : spoken };
  });
  changeRoom(room, { final });
  const after = final.map((segment) => segment.text).join("");
  const written = options.task === "translate" ? "en" : language || room.story.language();
  try {
    changeRoom(room, { changes: await compare(room.story.text(), after, written || "en") });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    changeRoom(room, { changesError: error });
  }
}
