// Runs the jobs: sends recordings, follows the answers, tries again where the server asks to wait.

import { transcribe } from "./api.js";
import { ApiError } from "./errors.js";
import { limit } from "./intake.js";
import { allJobs, onJobs, reset, RUNNING, tell } from "./jobs.js";
import { askForKey, hasKeyIfNeeded } from "./key.js";
import { firstModel } from "./options.js";

// Browsers open six connections to a host at most: two are left for the page itself.
const MAX_RUNNING = 4;
// A server that is still loading a model, or is busy, is asked again so often before giving up.
const MAX_TRIES = 20;
const RETRY_S = 3;

const stops = new Map(); // job -> function that stops it

/** Begin to run what is added from now on. */
export function setUpRunner() {
  onJobs((event, job) => {
    if (event === "added") runNext();
    if (event === "removed") stop(job);
  });
}

/** Stop a job; what was final stays. */
export function cancel(job) {
  stop(job);
  finish(job, "cancelled");
}

/** Run a job again from its beginning. */
export function retry(job) {
  reset(job);
  job.tries = 0;
  tell("changed", job);
  runNext();
}

function stop(job) {
  stops.get(job)?.();
  stops.delete(job);
  clearTimeout(job.timer);
  if (job.state === "waiting" || RUNNING.has(job.state)) job.state = "cancelled";
  runNext();
}

function runNext() {
  const n_running = allJobs().filter((job) => RUNNING.has(job.state)).length;
  const waiting = allJobs().filter((job) => job.state === "waiting" && !job.later);
  for (const job of waiting.slice(0, MAX_RUNNING - n_running)) run(job);
}

async function run(job) {
  job.state = "uploading";
  job.startedAt = performance.now();
  tell("changed", job);
  // What cannot be taken is not sent in vain.
  const { size } = job.file;
  if (!size) return fail(job, new ApiError(400, { code: "empty_file" }));
  if (size > (limit() ?? Infinity)) return fail(job, new ApiError(413));
  const mayAsk = await hasKeyIfNeeded();
  if (job.state !== "uploading") return; // stopped meanwhile
  if (!mayAsk) return fail(job, new ApiError(401));
  const { path, fields } = form(job.options);
  const isCurrent = (act) => (value) => stops.get(job) === stopIt && act(value);
  const stopIt = transcribe(path, job.file, fields, {
    sent: isCurrent((share) => sent(job, share)),
    event: isCurrent((event) => take(job, event)),
    end: isCurrent((error) => end(job, error)),
  });
  stops.set(job, stopIt);
}

/** The address and the form's fields for the options of a job: what is not given is the default. */
function form(options) {
  const path = options.task === "translate" ? "translations" : "transcriptions";
  const fields = [
    ["model", options.model || firstModel()],
    ["response_format", "verbose_json"],
    ["stream", "true"],
    ["stream_detail", "true"],
    ["timestamp_granularities[]", "segment"],
    ["timestamp_granularities[]", "word"],
  ];
  for (const name of ["language", "beam_size", "hotwords", "chinese_script"]) {
    if (options[name]) fields.push([name, options[name]]);
  }
  if (options.split) fields.push(["channels", "split"]);
  return { path: `v1/audio/${path}`, fields };
}

function sent(job, share) {
  if (job.state !== "uploading") return;
  job.sent = share;
  if (share >= 1) job.state = "working";
  tell("changed", job);
}

function take(job, event) {
  if (event.type === "transcript.queued") {
    job.state = "queued";
    job.place = event.position;
  } else if (event.type === "transcript.progress") {
    job.state = "working";
    job.position_s = event.position_s;
    job.duration_s = event.duration_s;
    job.speed = event.speed;
  } else if (event.type === "transcript.segment") {
    job.state = "working";
    job.segments.push(event.segment);
    job.language ||= event.segment.language;
    return tell("segment", job);
  } else if (event.type === "transcript.text.done") {
    job.language = event.language || job.language;
    job.duration_s = event.duration ?? job.duration_s;
  } else return;
  tell("changed", job);
}

async function end(job, error) {
  stops.delete(job);
  if (!error) finish(job, "done");
  else if (error.passes && (job.tries ?? 0) < MAX_TRIES) waitAndRetry(job, error);
  else {
    fail(job, error);
    if (error.asksForKey && (await askForKey({ wasWrong: true }))) retryAllForKey();
  }
}

function fail(job, error) {
  job.error = error;
  finish(job, "failed");
}

function waitAndRetry(job, error) {
  const wait_s = Math.min(error.retryAfter_s ?? RETRY_S, 300);
  const tries = (job.tries ?? 0) + 1;
  reset(job);
  job.tries = tries;
  job.later = performance.now() + wait_s * 1000;
  job.timer = setTimeout(() => {
    job.later = 0;
    runNext();
  }, wait_s * 1000);
  tell("changed", job);
  runNext();
}

function retryAllForKey() {
  for (const job of allJobs()) {
    if (job.state === "failed" && job.error.asksForKey) retry(job);
  }
}

function finish(job, state) {
  job.state = state;
  job.endedAt = performance.now();
  job.later = 0;
  tell("changed", job);
  runNext();
}
