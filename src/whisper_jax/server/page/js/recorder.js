// Records from the microphone, with its level, and hands the recording on as a file.

import { byId } from "./dom.js";
import { onLocale, t } from "./i18n.js";
import { takeFiles } from "./intake.js";
import { startMeter } from "./meter.js";
import { MicrophoneError, openMicrophone } from "./microphone.js";
import { notice } from "./notices.js";
import { recordingFile, startRecording, timeInName } from "./recording.js";
import { clock } from "./units.js";

const TIME_MS = 200;

let session = null; // what is open while recording

/** Let the microphone be recorded. */
export function setUpRecorder() {
  byId("record").addEventListener("click", start);
  byId("record-stop").addEventListener("click", () => session?.stop());
  byId("record-drop").addEventListener("click", () => {
    if (session) session.isDiscarded = true;
    session?.stop();
  });
  onLocale(() => session && showWords("record.recording"));
}

/** Whether something is being recorded. */
export function isRecording() {
  return session !== null;
}

async function start() {
  byId("record").disabled = true;
  show(true);
  showWords("record.asking");
  try {
    record(await openMicrophone());
  } catch (error) {
    if (!(error instanceof MicrophoneError)) throw error;
    show(false);
    notice(t(error.key));
  } finally {
    byId("record").disabled = false;
  }
}

function record(stream) {
  const context = new AudioContext();
  const stop = startRecording(stream, finish);
  session = { stop, stream, context, startedAt: performance.now() };
  // Unplugged: what was said so far is kept.
  for (const track of stream.getTracks()) track.onended = stop;
  session.stopMeter = startMeter(byId("meter"), context, context.createMediaStreamSource(stream));
  session.timer = setInterval(showTime, TIME_MS);
  showWords("record.recording");
  byId("record-stop").focus();
}

function finish(blob) {
  const { stream, context, isDiscarded, stopMeter, timer } = session;
  clearInterval(timer);
  stopMeter();
  session = null;
  for (const track of stream.getTracks()) track.stop();
  context.close();
  show(false);
  byId("record").focus();
  if (isDiscarded) return;
  if (!blob.size) return notice(t("record.empty"));
  takeFiles([recordingFile(blob, t("record.file", { time: timeInName() }))]);
}

function show(isOpen) {
  byId("recorder").hidden = !isOpen;
  byId("drop-idle").hidden = isOpen;
  byId("recorder-time").textContent = "";
}

function showTime() {
  byId("recorder-time").textContent = clock((performance.now() - session.startedAt) / 1000);
}

function showWords(key) {
  byId("recorder-words").textContent = t(key);
  byId("recorder").toggleAttribute("data-live", session !== null);
  for (const id of ["record-stop", "record-drop"]) byId(id).disabled = session === null;
}
