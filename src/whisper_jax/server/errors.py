"""Errors as OpenAI's clients expect them: status, and a body with four fields."""

import re
from dataclasses import fields
from typing import Any

from starlette.responses import JSONResponse

from whisper_jax.errors import (
    AudioError,
    AudioTooLongError,
    CancelledError,
    EngineClosedError,
    ModelError,
    OptionError,
    UnknownModelError,
    WhisperJaxError,
)
from whisper_jax.formats import SubtitleOptions
from whisper_jax.options import TranscribeOptions

INVALID = "invalid_request_error"
SERVER = "server_error"

_FIELD_NAMES = {
    field.name for kind in (TranscribeOptions, SubtitleOptions) for field in fields(kind)
}
_OPENAI_NAMES = {"initial_prompt": "prompt"}


class ApiError(Exception):
    """What a client is told.

    Attributes:
        status: HTTP status.
        message: A sentence that the client's user can act on.
        param: The field that is meant, or None.
        code: A word for programs, or None.
        retry_after_s: Whole seconds after which it is worth another try, or None.
        partial: What there is of an answer that could not be finished, or None.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
        partial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s
        self.partial = partial

    @property
    def kind(self) -> str:
        """The field ``type``."""
        if self.status == 429:
            return "rate_limit_error"
        return INVALID if self.status < 500 else SERVER

    def body(self) -> dict[str, Any]:
        """The body, also of an event in a stream."""
        partial = {} if self.partial is None else {"partial": self.partial}
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        } | partial

    def response(self) -> JSONResponse:
        """The answer."""
        headers: dict[str, str] = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.body(), self.status, headers)


def refused(message: str, param: str, code: str = "invalid_value") -> ApiError:
    """A field that cannot be honoured."""
    return ApiError(400, message, param=param, code=code)


def unexpected() -> ApiError:
    """A fault of ours: the log has the cause, the client has the request's id."""
    return ApiError(500, "the server failed; its log says why", code="internal_error")


def stopping(partial: dict[str, Any] | None = None) -> ApiError:
    """The server is told to stop; some of the answer may be there."""
    return ApiError(
        503, "the server is stopping", code="server_stopping", retry_after_s=5, partial=partial
    )


def as_api_error(error: Exception) -> ApiError:
    """What a client is told of an error: the one place where the tree of errors is mapped."""
    match error:
        case ApiError():
            return error
        case AudioTooLongError():
            return ApiError(413, str(error), param="file", code="audio_too_long")
        case AudioError():
            return ApiError(400, str(error), param="file", code="invalid_audio")
        case OptionError():
            return ApiError(400, str(error), param=_param(str(error)), code="invalid_value")
        case UnknownModelError():
            return ApiError(404, str(error), param="model", code="model_not_found")
        case ModelError():
            return ApiError(503, str(error), code="model_unavailable", retry_after_s=60)
        case EngineClosedError() | CancelledError():
            return stopping()
        case WhisperJaxError():
            return ApiError(500, str(error), code="internal_error")
        case _:
            return unexpected()


def _param(message: str) -> str | None:
    """The option that a sentence speaks of first."""
    for word in re.findall(r"\w+", message):
        if word in _FIELD_NAMES:
            return _OPENAI_NAMES.get(word, word)
    return None
