"""What the OpenAPI document says of the paths that FastAPI cannot see into."""

from dataclasses import MISSING, fields
from typing import Any, Literal, cast, get_args, get_type_hints

from whisper_jax.formats import SubtitleOptions
from whisper_jax.options import Task, TranscribeOptions
from whisper_jax.server.comparing import CompareRequest
from whisper_jax.server.fields import (
    GRANULARITIES,
    LAYOUT_FIELDS,
    OPTION_FIELDS,
    RESPONSE_FORMATS,
)
from whisper_jax.server.rendering import RenderRequest

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_STRING = {"type": "string"}
_TEXT = {"text/plain": {"schema": _STRING}}


def _errors(**described: str) -> dict[int | str, dict[str, Any]]:
    content = {"application/json": {"schema": _ERROR}}
    return {
        int(status[1:]): {"description": text, "content": content}
        for status, text in described.items()
    }


_USUAL = _errors(
    _401="No valid API key.",
    _403="A page or host that may not use the server.",
    _408="The request is too slow.",
    _413="The request is too large.",
)
_BAD = _errors(_400="A field cannot be honoured; `param` names it.")


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "The answer.", "content": {"application/json": {"schema": schema}}}


AUDIO_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The transcript, in the format asked for.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["text", "usage"],
                    "properties": {"text": {"type": "string"}, "usage": {"type": "object"}},
                }
            },
            **_TEXT,
            "text/event-stream": {"schema": {"type": "string"}},
        },
    },
    **_USUAL,
    **_BAD,
    **_errors(
        _404="There is no such model.",
        _415="The body is not a form.",
        _429="Too many requests of this key; `Retry-After` says when to try again.",
        _503="Not ready, stopping, or too many requests; `Retry-After` says when to try again.",
    ),
}
RENDERED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file's text.", "content": _TEXT},
    **_USUAL,
    **_BAD,
}
_PART = {
    "type": "object",
    "required": ["before", "after", "is_same"],
    "properties": {"before": _STRING, "after": _STRING, "is_same": {"type": "boolean"}},
}
COMPARED: dict[int | str, dict[str, Any]] = {
    200: _json(
        {
            "type": "object",
            "required": ["parts", "n_changed", "n_words"],
            "properties": {
                "parts": {"type": "array", "items": _PART},
                "n_changed": {"type": "integer"},
                "n_words": {"type": "integer"},
            },
        }
    ),
    **_USUAL,
    **_BAD,
}
_MODEL = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
    },
}
MODEL: dict[int | str, dict[str, Any]] = {
    200: _json(_MODEL),
    **_USUAL,
    **_BAD,
    **_errors(_404="There is no such model."),
}
MODELS: dict[int | str, dict[str, Any]] = {
    200: _json(
        {
            "type": "object",
            "required": ["object", "data"],
            "properties": {
                "object": {"const": "list"},
                "data": {"type": "array", "items": _MODEL},
            },
        }
    ),
    **_USUAL,
}
SERVER: dict[int | str, dict[str, Any]] = {
    200: _json(
        {
            "type": "object",
            "required": ["models", "languages", "max_upload_bytes", "needs_key", "version"],
        }
    ),
    **_USUAL,
}
STATUS: dict[int | str, dict[str, Any]] = {
    200: _json({"type": "object", "required": ["status"]}),
    **_USUAL,
    **_errors(_503="Not ready yet, or stopping."),
}
METRICS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus' text format.", "content": _TEXT},
    **_USUAL,
}

_ROOM = {
    "type": "object",
    "required": ["room", "model", "language", "task", "started_at", "viewers"],
}
ROOMS: dict[int | str, dict[str, Any]] = {
    200: _json(
        {
            "type": "object",
            "required": ["object", "data"],
            "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": _ROOM}},
        }
    ),
    **_USUAL,
}
ROOM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events.", "content": {"text/event-stream": {"schema": _STRING}}},
    **_USUAL,
    **_BAD,
    **_errors(_404="Nobody speaks there.", _503="Too many listen."),
}
CLIENT_SECRET: dict[int | str, dict[str, Any]] = {
    200: _json({"type": "object"}),
    **_USUAL,
    **_BAD,
    **_errors(_404="There is no such model.", _429="Too many keys.", _503="Not ready yet."),
}


def json_body() -> dict[str, Any]:
    """A body that is an object."""
    return {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}


def room_query() -> dict[str, Any]:
    """The query of a room."""
    after = {"name": "after", "in": "query", "required": False, "schema": {"type": "integer"}}
    return {"parameters": [after]}


def form(task: Task) -> dict[str, Any]:
    """The body of a request with a recording."""
    texts = {"type": "array", "items": {"type": "string"}}
    properties: dict[str, Any] = {
        "file": {"type": "string", "format": "binary", "description": "Audio or video."},
        "model": {"type": "string"},
        "prompt": {"type": "string"},
        "response_format": {"type": "string", "enum": list(RESPONSE_FORMATS), "default": "json"},
        "timestamp_granularities[]": {
            "type": "array",
            "items": {"type": "string", "enum": list(GRANULARITIES)},
        },
        "stream": {"type": "boolean", "default": False},
        "stream_detail": {
            "type": "boolean",
            "default": False,
            "description": "Events of the queue, of progress and of segments; needs stream.",
        },
    }
    if task == "transcribe":
        properties |= {"chunking_strategy": {"type": "string"}, "keywords[]": texts}
        properties |= {"languages[]": texts | {"maxItems": 1}}
    for kind, names in ((TranscribeOptions, OPTION_FIELDS), (SubtitleOptions, LAYOUT_FIELDS)):
        hints = get_type_hints(kind)
        defaults = {field.name: field.default for field in fields(kind)}
        for name in names:
            properties[name] = _property(hints[name], defaults[name])
    schema = {"type": "object", "required": ["file", "model"], "properties": properties}
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def render_body() -> dict[str, Any]:
    """The body of a request for a file."""
    # Within the body, whose schema has its definitions beside it.
    schema = RenderRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = schema.pop("$defs")
    content = {"application/json": {"schema": _inlined(schema, schemas)}}
    return {"requestBody": {"required": True, "content": content}}


def compare_body() -> dict[str, Any]:
    """The body of a request to compare two texts."""
    content = {"application/json": {"schema": CompareRequest.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def _inlined(schema: Any, schemas: dict[str, Any]) -> Any:
    """A schema with its references replaced by what they stand for; it has no cycles."""
    match schema:
        case {"$ref": str(reference), **others}:
            return _inlined(schemas[reference.rpartition("/")[2]], schemas) | others
        case dict():
            members = cast("dict[str, Any]", schema).items()
            return {name: _inlined(value, schemas) for name, value in members}
        case list():
            return [_inlined(value, schemas) for value in cast("list[Any]", schema)]
        case _:
            return schema


def _property(hint: Any, default: Any) -> dict[str, Any]:
    """The schema of an option as a form has it: numbers of a sequence stand between commas."""
    hint = getattr(hint, "__value__", hint)
    kinds = [getattr(kind, "__value__", kind) for kind in (get_args(hint) or (hint,))]
    if getattr(hint, "__origin__", None) in (Literal, tuple):
        kinds = [hint]
    choices = [
        choice
        for kind in kinds
        if getattr(kind, "__origin__", None) is Literal
        for choice in get_args(kind)
    ]
    if choices:
        found: dict[str, Any] = {"type": "string", "enum": choices}
    elif bool in kinds:
        found = {"type": "boolean"}
    elif int in kinds and float not in kinds:
        found = {"type": "integer"}
    elif float in kinds:
        found = {"type": "number"}
    else:
        found = {"type": "string"}
    if isinstance(default, tuple):
        found["description"] = "Numbers with commas between them."
    elif default is not None and default is not MISSING:
        found["default"] = default
    return found
