// Makes files of a transcript as it stands, edits included.

import { render } from "./api.js";
import { make } from "./dom.js";

const TYPES = {
  txt: "text/plain",
  srt: "application/x-subrip",
  vtt: "text/vtt",
  json: "application/json",
};
// Usual figures for published subtitles: columns of a line, and characters read in a second.
const WIDTHS = { zh: [32, 9], yue: [32, 9], ja: [26, 4], ko: [32, 12] };
const USUAL = [42, 17];

/** The lines of a transcript as plain text. */
export function plainText(job) {
  return lines(job)
    .map((segment) => `${segment.text.trim()}\n`)
    .join("");
}

/** Save the transcript of a job as txt, srt, vtt or json; `layout` is "" or "lines". */
export async function download(job, format, layout) {
  const text = await fileText(job, format, layout);
  const type = `${TYPES[format]};charset=utf-8`;
  saveFile(new Blob([text], { type }), fileName(job, format));
  job.unsaved = false;
}

/** Have the browser save a blob as a file of this name. */
export function saveFile(blob, name) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: name }).click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function fileText(job, format, layout) {
  if (format === "txt") return plainText(job);
  const transcript = transcriptOf(job);
  if (format === "json") return `${JSON.stringify(transcript, null, 2)}\n`;
  return render(transcript, format, layout === "lines" ? twoLines(writtenIn(job)) : {});
}

/** openai-whisper's JSON, of what the page knows. */
function transcriptOf(job) {
  const segments = lines(job).map(({ original, ...segment }) => segment);
  return {
    task: job.options.task,
    language: job.language,
    duration: job.duration_s,
    text: segments.map((segment) => segment.text).join(""),
    segments,
  };
}

/** A line whose text was taken away is left out. */
function lines(job) {
  return job.segments.filter((segment) => segment.text.trim());
}

function writtenIn(job) {
  return job.options.task === "translate" ? "en" : job.language;
}

function twoLines(language) {
  const [width, speed] = WIDTHS[language] ?? USUAL;
  return {
    max_line_width: width,
    max_line_count: 2,
    min_cue_duration: 0.83,
    max_cue_duration: 7,
    min_cue_gap: 0.08,
    max_reading_speed: speed,
  };
}

function fileName(job, format) {
  return `${job.name.replace(/\.[^.]{1,5}$/, "")}.${format}`;
}
