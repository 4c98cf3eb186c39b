"""Checks of values that clients send as JSON; each says what is wrong with which field."""

import json
from collections.abc import Iterable
from typing import Any

from whisper_jax.server.errors import ApiError, refused


def json_object(text: str | bytes, what: str) -> dict[str, Any]:
    """An object that JSON holds; it has no infinities and no NaN.

    Raises:
        ApiError: It is none.
    """
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise refused(f"{what} is to be a JSON object", what, "invalid_json")
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def an_object(value: Any, path: str) -> dict[str, Any]:
    """An object; None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refused(f"{path} is to be an object", path)
    return value


def a_text(value: Any, path: str) -> str:
    """A text; None is an empty one."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise refused(f"{path} is to be text", path)
    return value


def texts(value: Any, path: str) -> list[str]:
    """A list of texts, without empty ones."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise refused(f"{path} is to be a list of texts", path)
    return [part.strip() for part in value if part.strip()]


def a_number(value: Any, path: str) -> float:
    """A number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(f"{path} is to be a number", path)
    return value


def a_truth(value: Any, path: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise refused(f"{path} is to be true or false", path)
    return value


def unknown(path: str) -> ApiError:
    """A field that there is not."""
    return refused(f"unknown parameter: {path!r}", path, "unknown_parameter")


def unsupported(path: str, why: str) -> ApiError:
    """A field that there is elsewhere, and why not here."""
    return refused(f"{path} cannot be honoured: {why}", path, "unsupported_parameter")


def not_one_of(path: str, known: Iterable[str]) -> ApiError:
    """A value that is none of those there are."""
    return refused(f"{path} is to be one of: {', '.join(known)}", path)
