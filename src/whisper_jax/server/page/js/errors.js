// What went wrong, in words: a title, what to do about it, and what the server said.

import { t } from "./i18n.js";
import { size } from "./units.js";

/** An answer of the server that is not what was asked for; status 0 if there was no answer. */
export class ApiError extends Error {
  constructor(status, { message = "", code = null, retryAfter_s = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter_s = retryAfter_s;
  }

  /** From the body of an answer, which is JSON in OpenAI's form unless a proxy made it. */
  static fromBody(status, body, retryAfter = null) {
    let error = {};
    try {
      error = JSON.parse(body).error ?? {};
    } catch {
      // Then the status has to say it.
    }
    const seconds = Number(retryAfter);
    return new ApiError(status, {
      message: typeof error.message === "string" ? error.message : "",
      code: error.code ?? null,
      retryAfter_s: retryAfter && Number.isFinite(seconds) ? seconds : null,
    });
  }

  get asksForKey() {
    return this.status === 401;
  }

  /** Whether the same request may succeed a little later. */
  get passes() {
    return (this.status === 429 || this.status === 503) && this.code !== "model_unavailable";
  }
}

const KIND_OF_CODE = {
  invalid_api_key: "key",
  invalid_audio: "audio",
  empty_file: "empty",
  file_too_large: "large",
  audio_too_long: "long",
  server_stopping: "busy",
  model_not_found: "model",
  model_unavailable: "model",
  room_taken: "taken",
};
const KIND_OF_STATUS = {
  0: "network",
  400: "options",
  401: "key",
  403: "forbidden",
  404: "model",
  413: "large",
  415: "audio",
  422: "options",
  429: "busy",
  503: "busy",
};

/** {title, advice, detail} for an error; `maxBytes` is the server's limit for a file, if known. */
export function explain(error, maxBytes = null) {
  const kind = KIND_OF_CODE[error.code] ?? KIND_OF_STATUS[error.status] ?? "server";
  const limit = maxBytes ? size(maxBytes) : "?";
  return {
    title: t(`error.${kind}`),
    advice: t(`error.${kind}.advice`, { size: limit }),
    detail: error.message ? t("error.detail", { message: error.message }) : "",
  };
}
