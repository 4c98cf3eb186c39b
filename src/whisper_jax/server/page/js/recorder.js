// Records from the microphone, with its level, and hands the recording on as a file.

import { byId, wantsLessMotion } from "./dom.js";
import { onLocale, t } from "./i18n.js";
import { takeFiles } from "./intake.js";
import { notice } from "./notices.js";
import { onTheme } from "./theme.js";
import { clock } from "./units.js";

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
const BAR_PX = 4; // width of a bar of the level's history, gap included
const BAR_MS = 60;
const FLOOR_DB = -60; // shown as no level at all

let session = null; // what is open while recording

/** Let the microphone be recorded. */
export function setUpRecorder() {
  byId("record").addEventListener("click", start);
  byId("record-stop").addEventListener("click", () => session?.recorder.stop());
  byId("record-drop").addEventListener("click", () => {
    if (session) session.isDiscarded = true;
    session?.recorder.stop();
  });
  onLocale(() => session && showWords("record.recording"));
  onTheme(() => session && readColours(session));
}

/** Whether something is being recorded. */
export function isRecording() {
  return session !== null;
}

async function start() {
  if (!navigator.mediaDevices?.getUserMedia) return notice(t("record.insecure"));
  byId("record").disabled = true;
  show(true);
  showWords("record.asking");
  try {
    // What Whisper hears well is the plain sound: speech far away is not to be gated away.
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: true };
    record(await navigator.mediaDevices.getUserMedia({ audio }));
  } catch (error) {
    show(false);
    notice(t(reason(error)));
  } finally {
    byId("record").disabled = false;
  }
}

function reason(error) {
  if (error.name === "NotAllowedError" || error.name === "SecurityError") return "record.denied";
  return error.name === "NotFoundError" ? "record.missing" : "record.failed";
}

function record(stream) {
  const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  const recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  context.createMediaStreamSource(stream).connect(analyser);
  const chunks = [];
  session = { recorder, stream, context, analyser, levels: [], startedAt: performance.now() };
  recorder.ondataavailable = (event) => event.data.size && chunks.push(event.data);
  recorder.onstop = () => finish(new Blob(chunks, { type: recorder.mimeType }));
  // Unplugged: what was said so far is kept.
  for (const track of stream.getTracks()) {
    track.onended = () => recorder.state !== "inactive" && recorder.stop();
  }
  recorder.start(1000);
  readColours(session);
  showWords("record.recording");
  byId("record-stop").focus();
  session.timer = setInterval(measure, BAR_MS);
}

function finish(blob) {
  const { stream, context, isDiscarded, timer } = session;
  clearInterval(timer);
  session = null;
  for (const track of stream.getTracks()) track.stop();
  context.close();
  show(false);
  byId("record").focus();
  if (isDiscarded) return;
  if (!blob.size) return notice(t("record.empty"));
  const type = blob.type.split(";")[0];
  const ending = type.split("/")[1];
  // "2031-05-04 17.30.00": sorts by time, and holds nothing that file names may not.
  const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString();
  const time = now.slice(0, 19).replace("T", " ").replaceAll(":", ".");
  const name = t("record.file", { time });
  takeFiles([new File([blob], `${name}.${ending}`, { type })]);
}

function show(isOpen) {
  byId("recorder").hidden = !isOpen;
  byId("drop-idle").hidden = isOpen;
  byId("recorder-time").textContent = "";
}

function showWords(key) {
  byId("recorder-words").textContent = t(key);
  byId("recorder").toggleAttribute("data-live", session !== null);
  for (const id of ["record-stop", "record-drop"]) byId(id).disabled = session === null;
}

function readColours(open) {
  open.colour = getComputedStyle(byId("meter")).color;
}

function measure() {
  const samples = new Float32Array(session.analyser.fftSize);
  session.analyser.getFloatTimeDomainData(samples);
  const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
  const level_db = 10 * Math.log10(power + 1e-12);
  const level = Math.min(1, Math.max(0, 1 - level_db / FLOOR_DB));
  session.levels.push(level);
  byId("meter").setAttribute("aria-valuenow", String(Math.round(level * 100)));
  byId("recorder-time").textContent = clock((performance.now() - session.startedAt) / 1000);
  draw(level);
}

/** The levels of the last seconds, the newest at the right; a single bar where motion disturbs. */
function draw(level) {
  const canvas = byId("meter-canvas");
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = session.colour;
  if (wantsLessMotion()) {
    pen.fillRect(0, height / 2 - 4, width * level, 8);
    return;
  }
  const n_bars = Math.floor(width / BAR_PX);
  session.levels.splice(0, session.levels.length - n_bars);
  session.levels.forEach((one, i) => {
    const tall = Math.max(2, one * height);
    const x = width - (session.levels.length - i) * BAR_PX;
    pen.beginPath();
    pen.roundRect(x, (height - tall) / 2, BAR_PX - 1.5, tall, 1.5);
    pen.fill();
  });
}
