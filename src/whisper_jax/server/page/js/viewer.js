// The part of the page that shows one recording: its name and facts, player, search, transcript.

import { byId } from "./dom.js";
import { download, plainText } from "./downloads.js";
import { ApiError, explain } from "./errors.js";
import { languageName, onLocale, t } from "./i18n.js";
import { limit } from "./intake.js";
import { onJobs, RUNNING, selectedJob } from "./jobs.js";
import { notice } from "./notices.js";
import { drawMap, load, onTime, setUpPlayer } from "./player.js";
import { retry } from "./runner.js";
import { clearSearch, openSearch, searchAgain, setUpSearch } from "./search.js";
import { drawMore, light, setUpTranscript, showTranscript } from "./transcript.js";
import { span, times } from "./units.js";

let isDue = false; // whether a draw is asked for in the next frame

/** Wire the viewer, which follows the job that is selected. */
export function setUpViewer() {
  setUpPlayer();
  setUpSearch();
  setUpTranscript(openSearch);
  setUpDownloads();
  byId("copy").addEventListener("click", copy);
  byId("state-retry").addEventListener("click", () => {
    retry(selectedJob());
    // The button that had the focus is gone.
    byId("viewer-title").focus({ preventScroll: true });
  });
  byId("media").addEventListener("error", later);
  onTime((time_s) => light(time_s, !byId("media").paused));
  onJobs((event, job) => {
    if (event === "selected") open(job);
    else if (job !== selectedJob()) return;
    else if (event === "segment" || event === "edited") later();
    else if (event === "changed") {
      // Begun anew: what was shown is no longer there.
      if (job.state === "waiting") showTranscript(job);
      later();
    }
  });
  onLocale(() => open(selectedJob(), { isSame: true }));
}

function open(job, { isSame = false } = {}) {
  byId("viewer").hidden = !job;
  if (!isSame) {
    load(job);
    clearSearch();
  }
  showTranscript(job);
  if (job) show();
}

/** Draw at most once a frame: a stream may bring many events at a time. */
function later() {
  if (!isDue) {
    requestAnimationFrame(() => {
      isDue = false;
      if (selectedJob()) show();
    });
  }
  isDue = true;
}

function show() {
  const job = selectedJob();
  byId("viewer-title").textContent = job.name;
  byId("viewer-facts").textContent = facts(job).join(" · ");
  drawMore();
  drawMap();
  showState(job);
  searchAgain();
  const isEmpty = !job.segments.length;
  // Where nothing can be played nor searched there is nothing to show above the lines.
  byId("stage").hidden = isEmpty && byId("player").hidden;
  byId("find").hidden = isEmpty;
  for (const element of document.querySelectorAll(".viewer-tools, .keys")) element.hidden = isEmpty;
  byId("viewer").dataset.state = job.state;
}

function facts(job) {
  const found = [];
  if (job.language) found.push(languageName(job.language));
  if (job.options.task === "translate") found.push(t("viewer.translated"));
  if (job.duration_s) found.push(span(job.duration_s));
  if (job.state === "done") {
    const speed = job.duration_s / ((job.endedAt - job.startedAt) / 1000);
    found.push(t("viewer.speed", { speed: times(speed) }));
  }
  const n_edited = job.segments.filter((segment) => segment.original).length;
  if (n_edited) found.push(t("viewer.edited", { n: n_edited }));
  return found;
}

/** What there is to say besides the transcript: it is on its way, it failed, nobody spoke. */
function showState(job) {
  const isRunning = RUNNING.has(job.state) || job.state === "waiting";
  byId("pending").hidden = !isRunning;
  byId("pending-words").textContent = job.segments.length
    ? t("viewer.pending")
    : t(job.state === "waiting" ? "jobs.waiting" : "jobs.starting");
  const words = stateWords(job);
  const panel = byId("viewer-state");
  panel.hidden = !words;
  if (!words) return;
  panel.dataset.state = job.state;
  byId("state-title").textContent = words.title;
  byId("state-advice").textContent = words.advice;
  byId("state-detail").textContent = words.detail ?? "";
  byId("state-retry").hidden = job.state === "done";
}

function stateWords(job) {
  if (job.state === "failed") return explain(job.error, limit());
  if (job.state === "cancelled") {
    const advice = job.segments.length ? t("viewer.stopped.advice") : "";
    return { title: t("viewer.stopped"), advice };
  }
  if (job.state === "done" && !job.segments.length) {
    return { title: t("viewer.silent"), advice: t("viewer.silent.advice") };
  }
  return null;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(plainText(selectedJob()));
    notice(t("viewer.copied"));
  } catch {
    notice(t("viewer.uncopied"));
  }
}

function setUpDownloads() {
  const menu = byId("download");
  menu.addEventListener("click", async (event) => {
    const format = event.target.closest("[data-format]")?.dataset.format;
    if (!format) return;
    try {
      await download(selectedJob(), format, byId("layout").value);
      menu.open = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { title, advice } = explain(error);
      notice(t("download.failed", { why: `${title}. ${advice}` }));
    }
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
}
