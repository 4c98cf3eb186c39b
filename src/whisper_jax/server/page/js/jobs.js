// The recordings of this visit and what is known of each: the state that the views show.

/**
 * A job is a plain object:
 *   id, file, name        the recording
 *   options               the form's values when it was added (options.js)
 *   state                 waiting, uploading, queued, working, done, failed or cancelled
 *   sent                  share of the file that went out, 0 to 1
 *   place                 place in the server's queue, from 1
 *   position_s, duration_s, speed   how far the server is; duration_s null while unknown
 *   segments              the final ones, in order: {id, start, end, text, words?, original?, …};
 *                         `original` is what was recognised, where the text was edited
 *   language              code of the language detected or given
 *   error                 an ApiError, if it failed
 *   startedAt, endedAt    milliseconds of performance.now()
 *   unsaved               whether edits were made since the last download
 */
const jobs = [];
const listeners = new Set();
let n_made = 0;
let selected = null;

export const RUNNING = new Set(["uploading", "queued", "working"]);

/** Call `listener(event, job)` for: added, removed, changed, segment (added), edited, selected. */
export function onJobs(listener) {
  listeners.add(listener);
}

/** Tell the views that something of a job changed. */
export function tell(event, job) {
  for (const listener of listeners) listener(event, job);
}

/** All jobs, the newest last. */
export function allJobs() {
  return jobs;
}

/** The job that the viewer shows; null if there is none. */
export function selectedJob() {
  return selected;
}

/** Add a recording, to be transcribed with `options`. */
export function addJob(file, options) {
  n_made += 1;
  const job = { id: n_made, file, name: file.name, options };
  reset(job);
  jobs.push(job);
  tell("added", job);
  if (!selected) select(job);
  return job;
}

/** Back to where a job begins, to run it (again). */
export function reset(job) {
  Object.assign(job, {
    state: "waiting",
    sent: 0,
    place: 0,
    position_s: 0,
    duration_s: null,
    speed: 0,
    segments: [],
    language: "",
    error: null,
    startedAt: 0,
    endedAt: 0,
    unsaved: false,
  });
}

/** Take a job out of the list; returns what puts it back. */
export function removeJob(job) {
  const at = jobs.indexOf(job);
  jobs.splice(at, 1);
  tell("removed", job);
  if (selected === job) select(jobs[Math.min(at, jobs.length - 1)] ?? null);
  return () => {
    jobs.splice(at, 0, job);
    tell("added", job);
    select(job);
  };
}

/** Show a job in the viewer. */
export function select(job) {
  selected = job;
  tell("selected", job);
}
