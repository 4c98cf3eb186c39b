// What a room is doing, in words.

import { explain } from "../errors.js";
import { languageName, t } from "../i18n.js";
import { sentence } from "../job-list.js";
import { MicrophoneError } from "../microphone.js";
import { clock, span } from "../units.js";
import { jobOf } from "./finish.js";

/** {words, isBad} of what a room is doing now. */
export function stateOf(room) {
  if (room.job && !room.final) return recognising(room);
  if (room.isUnplugged && room.capture) return { words: t("room.unplugged"), isBad: true };
  switch (room.state) {
    case "asking":
      return { words: t("record.asking") };
    case "connecting":
      return { words: t("room.connecting") };
    case "listening":
      return { words: t(room.isSpeaking ? "room.speaking" : "room.listening") };
    case "lost":
      return { words: t(room.isOwn ? "room.lost" : "room.lost.watched"), isBad: true };
    case "busy":
      return { words: t("jobs.later", { time: span(secondsLeft(room)) }), isBad: true };
    case "waiting":
      return { words: t("room.waiting") };
    case "finishing":
      return { words: t("room.finishing") };
    case "failed":
      return { words: failure(room.error), isBad: true };
    default:
      return { words: room.final ? t("room.final") : t("room.ended") };
  }
}

/** Short facts of a room: its language, how long it is open. */
export function factsOf(room) {
  const found = [];
  const given = room.isOwn ? room.options.language : room.language;
  const language = given && given !== "auto" ? given : room.story.language();
  if (language) found.push(languageName(language));
  if (room.task === "translate") found.push(t("viewer.translated"));
  if (room.startedAt && room.capture) found.push(clock((Date.now() - room.startedAt) / 1000));
  if (!room.isOwn) found.push(t("room.watched"));
  return found.join(" · ");
}

/** How much the final transcript changed, in a sentence. */
export function changesIn(room) {
  if (room.changesError?.code === "text_too_long") return t("room.changes.long");
  if (room.changesError) return t("room.changes.failed", { why: explain(room.changesError).title });
  if (!room.changes) return "";
  const { n_changed: n, n_words: all } = room.changes;
  return n ? t("room.changes", { n, all }) : t("room.changes.none");
}

function recognising(room) {
  const job = jobOf(room);
  return { words: `${t("room.recognising")} · ${sentence(job)}`, isBad: job.state === "failed" };
}

function failure(error) {
  if (error instanceof MicrophoneError) return t(error.key);
  const { title, advice, detail } = explain(error);
  return `${title}. ${advice} ${detail}`;
}

function secondsLeft({ retryAt }) {
  return Math.max(0, Math.ceil((retryAt - performance.now()) / 1000));
}
