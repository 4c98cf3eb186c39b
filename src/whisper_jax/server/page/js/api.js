// The server's HTTP interface (OpenAI's audio API and a little more), asked by relative addresses
// so that the page also works below a path of a proxy.

import { ApiError } from "./errors.js";
import { eventReader } from "./sse.js";

const KEY = "api-key";

/** The API key of this tab; "" if none was given. */
export function apiKey() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** Keep an API key until the tab is closed. */
export function setApiKey(key) {
  sessionStorage.setItem(KEY, key);
}

/** Public facts: {models, languages: [{code, name}], max_upload_bytes, needs_key, version}. */
export async function serverFacts() {
  return (await ask("v1/server")).json();
}

/** Whether the server accepts the key kept. */
export async function keyWorks() {
  try {
    await ask("v1/models");
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.asksForKey) return false;
    throw error;
  }
}

/** A transcript as a file's text: `format` is srt, vtt, text or json. */
export async function render(transcript, format, layout) {
  const body = { transcript, response_format: format, layout };
  return (await post("v1/transcripts/render", body)).text();
}

/** How two texts differ: {parts: [{before, after, is_same}], n_changed, n_words}. */
export async function compare(before, after, language) {
  return (await post("v1/transcripts/compare", { before, after, language })).json();
}

/** The rooms in which somebody speaks: [{room, model, language, task, started_at, viewers}]. */
export async function speakingRooms() {
  return (await (await ask("v1/rooms")).json()).data;
}

/** A key that opens WebSockets for so many seconds. */
export async function socketKey(seconds) {
  const wanted = { expires_after: { anchor: "created_at", seconds } };
  return (await (await post("v1/realtime/client_secrets", wanted)).json()).value;
}

/** Why a WebSocket was refused, which browsers do not tell: an ApiError, of status 0 if unknown. */
export async function whyRefused(path) {
  const stop = new AbortController();
  try {
    await ask(path, { signal: stop.signal });
  } catch (error) {
    if (error.status !== 426) return error;
  } finally {
    stop.abort();
  }
  return new ApiError(0);
}

function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { ...options.headers, ...credentials() } });
  } catch {
    throw new ApiError(0);
  }
  if (!answer.ok) {
    const body = await answer.text();
    throw ApiError.fromBody(answer.status, body, answer.headers.get("Retry-After"));
  }
  return answer;
}

function credentials() {
  return apiKey() ? { Authorization: `Bearer ${apiKey()}` } : {};
}

/**
 * Send a recording and follow its transcription.
 *
 * `fields` are [name, value] pairs of the form; `on` has `sent(share)`, `event(object)` for each
 * event of the stream, `end(error)` once at the end, without an error if the text is whole.
 * Returns a function that stops it: the server gives up the work when the connection closes.
 *
 * XMLHttpRequest and not fetch: only it tells how much of an upload has gone out.
 */
export function transcribe(path, file, fields, on) {
  const request = new XMLHttpRequest();
  let isWhole = false;
  let failure = null;
  const read = eventReader((data) => {
    if (data === "[DONE]") return;
    const event = JSON.parse(data);
    if (event.type === "error") {
      // By then the status has gone out: it is said by the type.
      const { type, message, code } = event.error;
      failure = new ApiError(type === "invalid_request_error" ? 400 : 500, { message, code });
    } else {
      isWhole ||= event.type === "transcript.text.done";
      on.event(event);
    }
  });
  let n_read = 0;
  const readOn = () => {
    if (request.status !== 200) return;
    const text = request.responseText;
    read(text.slice(n_read));
    n_read = text.length;
  };
  request.open("POST", path);
  for (const [name, value] of Object.entries(credentials())) request.setRequestHeader(name, value);
  request.upload.onprogress = (event) => {
    if (event.lengthComputable) on.sent(event.loaded / event.total);
  };
  request.upload.onload = () => on.sent(1);
  request.onprogress = readOn;
  request.onload = () => {
    readOn();
    if (request.status !== 200) {
      const after = request.getResponseHeader("Retry-After");
      on.end(ApiError.fromBody(request.status, request.responseText, after));
    } else on.end(failure ?? (isWhole ? null : new ApiError(0)));
  };
  request.onerror = () => on.end(failure ?? new ApiError(0));
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  form.append("file", file, file.name);
  request.send(form);
  return () => request.abort();
}
