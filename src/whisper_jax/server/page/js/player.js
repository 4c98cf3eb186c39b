// Plays the recording: one media element for sound and video, with controls of its own, and a map
// of where speech is on its time line.

import { byId } from "./dom.js";
import { onLocale, t } from "./i18n.js";
import { onTheme } from "./theme.js";
import { clock } from "./units.js";

const SKIP_S = 5;
const MAP_MS = 100; // the map is drawn ten times a second at most

const media = byId("media");
const seekBar = byId("seek");
const places = new WeakMap(); // job -> seconds where it was left
const listeners = new Set();
let job = null;
let address = null;
let drawnAt = 0;

/** Call `listener(seconds)` while time goes on, at each frame, and after each jump. */
export function onTime(listener) {
  listeners.add(listener);
}

/** Wire the controls. */
export function setUpPlayer() {
  byId("play").addEventListener("click", toggle);
  byId("skip-back").addEventListener("click", () => seek(media.currentTime - SKIP_S));
  byId("skip-forward").addEventListener("click", () => seek(media.currentTime + SKIP_S));
  seekBar.addEventListener("input", () => seek(Number(seekBar.value)));
  byId("rate").addEventListener("change", applyRate);
  media.addEventListener("click", toggle);
  media.addEventListener("play", tick);
  for (const event of ["play", "pause", "ended"]) media.addEventListener(event, showState);
  for (const event of ["seeked", "timeupdate"]) media.addEventListener(event, showTime);
  media.addEventListener("loadedmetadata", ready);
  media.addEventListener("durationchange", measured);
  media.addEventListener("error", () => media.hasAttribute("src") && showPlayable(false));
  new ResizeObserver(drawMap).observe(byId("track-map"));
  onTheme(drawMap);
  onLocale(() => {
    showState();
    showTime();
  });
  showState();
}

/** Put the recording of a job into the player; null empties it. */
export function load(next) {
  if (job) places.set(job, media.currentTime);
  media.pause();
  if (address) URL.revokeObjectURL(address);
  job = next;
  address = job && URL.createObjectURL(job.file);
  showPlayable(true);
  media.hidden = true;
  if (job?.file.size) {
    media.src = address;
  } else {
    media.removeAttribute("src");
    media.load();
    if (job) showPlayable(false);
  }
  showState();
  showTime();
}

/** Jump to a time, and play from there if asked to. */
export function seek(time_s, { andPlay = false } = {}) {
  if (!job || byId("player").hidden) return;
  media.currentTime = Math.min(Math.max(0, time_s), length());
  if (andPlay) play();
  showTime();
}

/** Play if it stands still, else pause. */
export function toggle() {
  if (media.paused) play();
  else media.pause();
}

/** Stand still, as while a line is edited. */
export function pause() {
  media.pause();
}

/** Seconds into the recording. */
export function timeNow() {
  return media.currentTime;
}

/** Draw the map anew, since there are more segments. */
export function drawMap() {
  drawnAt = performance.now();
  const canvas = byId("track-map");
  const { clientWidth: width, clientHeight: height } = canvas;
  const total = length();
  if (!width || !job) return;
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  const pen = canvas.getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  const style = getComputedStyle(canvas);
  const played = total ? (media.currentTime / total) * width : 0;
  // The part that was played, then the rest, each in its colour.
  const parts = [
    [0, played, style.color],
    [played, width, style.borderTopColor],
  ];
  for (const [from, to, colour] of parts) {
    pen.save();
    pen.beginPath();
    pen.rect(from, 0, to - from, height);
    pen.clip();
    pen.fillStyle = colour;
    pen.fillRect(0, height / 2 - 1.5, width, 3);
    for (const { start, end } of total ? job.segments : []) {
      const x = (start / total) * width;
      const wide = Math.max(1.5, ((end - start) / total) * width - 1);
      pen.beginPath();
      pen.roundRect(x, height / 2 - 6, wide, 12, 2);
      pen.fill();
    }
    pen.restore();
  }
}

function play() {
  // The browser may refuse, for one when the format is not its own: then `error` says so.
  media.play().catch(() => {});
}

function length() {
  return Number.isFinite(media.duration) ? media.duration : (job?.duration_s ?? 0);
}

function ready() {
  media.hidden = media.videoWidth === 0;
  applyRate();
  // What a browser records has no length in its header, and is only measured by going to its end.
  if (media.duration === Infinity) media.currentTime = Number.MAX_SAFE_INTEGER;
  else if (places.get(job)) media.currentTime = places.get(job);
  showTime();
}

function measured() {
  const isAtEnd = Number.isFinite(media.duration) && media.currentTime >= media.duration;
  if (isAtEnd && media.paused) media.currentTime = places.get(job) ?? 0;
  showTime();
}

function applyRate() {
  media.playbackRate = Number(byId("rate").value);
}

function tick() {
  showTime();
  if (!media.paused) requestAnimationFrame(tick);
}

function showTime() {
  const total = length();
  const now = Math.min(media.currentTime, total);
  seekBar.max = String(total || 1);
  seekBar.value = String(now);
  const words = { position: clock(now), duration: clock(total) };
  seekBar.setAttribute("aria-valuetext", t("player.at", words));
  byId("clock").textContent = words.position;
  byId("length").textContent = words.duration;
  if (media.paused || performance.now() - drawnAt > MAP_MS) drawMap();
  for (const listener of listeners) listener(now);
}

function showState() {
  const button = byId("play");
  button.dataset.shows = media.paused ? "paused" : "playing";
  const words = t(media.paused ? "player.play" : "player.pause");
  button.setAttribute("aria-label", words);
  button.title = words;
}

function showPlayable(can) {
  byId("player").hidden = !can;
  byId("unplayable").hidden = can;
}
