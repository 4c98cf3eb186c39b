// What can be done with a room: {words, act, look, picture, isPressed} for each button.

import { byId } from "../dom.js";
import { saveFile } from "../downloads.js";
import { t } from "../i18n.js";
import { RUNNING, select } from "../jobs.js";
import { MicrophoneError } from "../microphone.js";
import { notice } from "../notices.js";
import { cancel, retry } from "../runner.js";
import { addressOfRoom, openView } from "../views.js";
import { finishRoom, jobOf, roomFile } from "./finish.js";
import { allRooms, changeRoom, LIVE, removeRoom } from "./rooms.js";
import { closeRoom, plugInAgain, reopen } from "./speak.js";
import { leaveRoom } from "./watch.js";

/** Small ones beside the name. */
export function toolsOf(room) {
  const found = [];
  const round = { look: "quiet round" };
  if (allRooms().length > 1) {
    const act = () => changeRoom(room, { isProjected: !room.isProjected });
    const words = t("room.project", { name: room.name });
    found.push({ ...round, words, act, picture: "screen", isPressed: room.isProjected });
  }
  if (LIVE.has(room.state)) {
    const words = t("room.link", { name: room.name });
    found.push({ ...round, words, act: () => copyLink(room), picture: "link" });
  }
  return found;
}

/** Those below the text, what is wanted most first. */
export function actionsOf(room) {
  if (!room.isOwn) return [saveText(room), leave(room)];
  if (room.final) {
    const open = { words: t("room.viewer"), act: () => view(room), look: "primary" };
    return [open, saveSound(room), discard(room)];
  }
  if (room.job) return duringJob(room);
  if (room.capture) return whileOpen(room);
  if (room.state === "failed" && !room.recording) {
    const again = { words: t("jobs.retry"), act: () => reopen(room), look: "primary" };
    return [again, discard(room)];
  }
  if (!room.recording) return room.state === "ended" ? [saveText(room), discard(room)] : [];
  const finish = { words: t("room.finish.late"), act: () => finishRoom(room), look: "primary" };
  return [...(room.state === "finishing" ? [] : [finish]), ...keep(room), discard(room)];
}

function whileOpen(room) {
  const look = { look: "primary", picture: "stop" };
  const finish = { words: t("room.finish"), act: () => finishRoom(room), ...look };
  const found = [finish, { words: t("room.close"), act: () => closeRoom(room) }];
  if (room.isUnplugged) found.unshift({ words: t("room.plugin"), act: () => plugIn(room) });
  return found;
}

function duringJob(room) {
  const job = jobOf(room);
  const isRunning = job.state === "waiting" || RUNNING.has(job.state);
  const stop = { words: t("room.stop"), act: () => cancel(job) };
  const again = { words: t("jobs.retry"), act: () => retry(job), look: "primary" };
  return [isRunning ? stop : again, ...keep(room), ...(isRunning ? [] : [discard(room)])];
}

function keep(room) {
  return [saveSound(room), saveText(room)];
}

function saveSound(room) {
  const act = () => {
    const file = roomFile(room);
    saveFile(file, file.name);
    changeRoom(room, { isKept: true });
  };
  return { words: t("room.save.sound"), act };
}

function saveText(room) {
  const act = () => {
    const lines = room.story.segments.map(({ committed }) => `${committed.trim()}\n`);
    saveFile(new Blob(lines, { type: "text/plain;charset=utf-8" }), `${room.name}.txt`);
  };
  return { words: t("room.save.text"), act };
}

function discard(room) {
  return { words: t("record.discard"), act: () => remove(room) };
}

function leave(room) {
  return { words: t("room.leave"), act: () => remove(room) };
}

function remove(room) {
  if (!room.isOwn) leaveRoom(room);
  const putBack = removeRoom(room);
  openView("live");
  byId("live-title").focus({ preventScroll: true });
  if (room.isOwn && room.recording) {
    notice(t("jobs.removed", { name: room.name }), { words: t("jobs.undo"), act: putBack });
  }
}

async function copyLink(room) {
  const address = addressOfRoom(room.name);
  try {
    await navigator.clipboard.writeText(address);
    notice(t("room.link.copied"));
  } catch {
    notice(address);
  }
}

function view(room) {
  if (!jobOf(room)) return notice(t("room.viewer.gone"));
  select(room.job);
  document.body.dataset.pane = "viewer";
  openView("recordings");
}

async function plugIn(room) {
  try {
    await plugInAgain(room);
  } catch (error) {
    if (!(error instanceof MicrophoneError)) throw error;
    notice(t(error.key));
  }
}
