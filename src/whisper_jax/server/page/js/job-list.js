// The list of recordings: what each is doing, how far it is, and how to stop or remove it.

import { byId, icon, make } from "./dom.js";
import { explain } from "./errors.js";
import { onLocale, t } from "./i18n.js";
import { limit } from "./intake.js";
import { allJobs, onJobs, removeJob, RUNNING, select, selectedJob } from "./jobs.js";
import { announce, notice } from "./notices.js";
import { cancel, retry } from "./runner.js";
import { clock, percent, span, times } from "./units.js";

const ICONS = { done: "check", failed: "warn", cancelled: "stop" };
const cards = new Map(); // job -> its elements
const drawn = new Set(); // jobs whose card is drawn in the next frame

/** Show the jobs. `open(job)` is called when the user picks one. */
export function setUpJobList(open) {
  onJobs((event, job) => {
    if (event === "added") add(job, open);
    if (event === "removed") drop(job);
    if (event === "changed" || event === "segment") later(job);
    if (event === "changed") say(job);
    if (event === "selected") for (const [one] of cards) mark(one);
  });
  onLocale(() => cards.forEach((_, job) => show(job)));
  // The seconds until a new try go down by themselves.
  setInterval(() => allJobs().forEach((job) => job.later && show(job)), 1000);
}

function add(job, open) {
  const name = make("span", { className: "job-name", textContent: job.name, title: job.name });
  const words = make("span", { className: "job-words" });
  const badge = make("span", { className: "job-badge" });
  const text = make("span", { className: "job-text" }, name, words);
  const pick = make("button", { type: "button", className: "job-pick" }, badge, text);
  pick.addEventListener("click", () => {
    select(job);
    open(job);
  });
  const again = make("button", { type: "button", className: "quiet round job-end" }, icon("again"));
  again.addEventListener("click", () => retry(job));
  const end = make("button", { type: "button", className: "quiet round job-end" }, icon("close"));
  end.addEventListener("click", () => (isRunning(job) ? cancel(job) : remove(job)));
  const bar = make("div", { className: "bar-line", role: "progressbar" }, make("div"));
  const card = make("li", { className: "job" }, pick, again, end, bar);
  cards.set(job, { card, words, badge, again, end, bar });
  // A job that is put back goes to where it was.
  const after = allJobs()[allJobs().indexOf(job) + 1];
  byId("job-list").insertBefore(card, cards.get(after)?.card ?? null);
  show(job);
}

function isRunning(job) {
  return RUNNING.has(job.state) || job.state === "waiting";
}

function remove(job) {
  const { card } = cards.get(job);
  const neighbour = card.nextElementSibling ?? card.previousElementSibling;
  const putBack = removeJob(job);
  // The button that had the focus is gone.
  (neighbour?.firstChild ?? byId("choose")).focus();
  const action = { words: t("jobs.undo"), act: putBack };
  notice(t("jobs.removed", { name: job.name }), action);
}

function drop(job) {
  cards.get(job).card.remove();
  cards.delete(job);
}

/** Draw at most once a frame: a stream may bring many events at a time. */
function later(job) {
  if (!drawn.size) {
    requestAnimationFrame(() => {
      for (const one of drawn) if (cards.has(one)) show(one);
      drawn.clear();
    });
  }
  drawn.add(job);
}

function show(job) {
  const { card, words, badge, again, end, bar } = cards.get(job);
  card.dataset.state = job.state;
  words.textContent = sentence(job);
  badge.replaceChildren(ICONS[job.state] ? icon(ICONS[job.state]) : make("span", { className: "spin" }));
  again.hidden = job.state !== "failed" && job.state !== "cancelled";
  again.title = t("jobs.retry");
  again.setAttribute("aria-label", `${again.title}: ${job.name}`);
  const verb = isRunning(job) ? "jobs.cancel" : "jobs.remove";
  end.title = t(verb, { name: job.name });
  end.setAttribute("aria-label", end.title);
  bar.hidden = !RUNNING.has(job.state);
  const share = shareDone(job);
  bar.setAttribute("aria-label", t("jobs.progress", { name: job.name }));
  // Without a value it says that something is going on, but not how far.
  if (share === null) bar.removeAttribute("aria-valuenow");
  else bar.setAttribute("aria-valuenow", String(Math.round(share * 100)));
  bar.firstChild.style.setProperty("--share", share ?? 0);
  mark(job);
}

function mark(job) {
  const pick = cards.get(job).card.firstChild;
  pick.setAttribute("aria-current", String(selectedJob() === job));
}

/** How much is done, 0 to 1; null while that is not known. */
function shareDone(job) {
  if (job.state === "uploading") return job.sent;
  if (job.state !== "working" || !job.duration_s) return null;
  return Math.min(1, job.position_s / job.duration_s);
}

/** What a job is doing, in a line. */
export function sentence(job) {
  switch (job.state) {
    case "waiting": {
      const wait_s = job.later ? Math.ceil((job.later - performance.now()) / 1000) : 0;
      return wait_s > 0 ? t("jobs.later", { time: span(wait_s) }) : t("jobs.waiting");
    }
    case "uploading":
      return t("jobs.uploading", { share: percent(job.sent) });
    case "queued":
      return t("jobs.queued", { n: job.place });
    case "working":
      return working(job);
    case "done": {
      const took = span((job.endedAt - job.startedAt) / 1000);
      return t("jobs.done", { duration: span(job.duration_s), took });
    }
    case "failed":
      return explain(job.error, limit()).title;
    default:
      return t("jobs.cancelled");
  }
}

function working({ position_s, duration_s, speed }) {
  if (!speed) return t("jobs.starting");
  const at = { position: clock(position_s), duration: clock(duration_s) };
  const parts = [t(duration_s ? "jobs.working" : "jobs.working.unknown", at)];
  parts.push(t("jobs.speed", { speed: times(speed) }));
  if (duration_s) parts.push(t("jobs.left", { time: span((duration_s - position_s) / speed) }));
  return parts.join(" · ");
}

function say(job) {
  if (job.state === "done") announce(t("jobs.announce.done", { name: job.name }));
  if (job.state === "failed") {
    const why = explain(job.error, limit()).title;
    announce(t("jobs.announce.failed", { name: job.name, why }));
  }
}
