"""The query of ``/v1/live``: an option of ours for each name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, get_type_hints

from whisper_jax.audio.wire import WireAudio
from whisper_jax.errors import OptionError
from whisper_jax.server.errors import ApiError, as_api_error, refused
from whisper_jax.server.live.rooms import room_name
from whisper_jax.server.live.session import PlainOptions
from whisper_jax.server.values import value_of
from whisper_jax.stream.settings import LiveOptions
from whisper_jax.text.languages import language_code

FRAMINGS: Final = ("raw", "positions")
LIVE_FIELDS: Final = tuple(one.name for one in fields(LiveOptions) if one.name != "initial_prompt")
FIELDS: Final = ("model", "prompt", "encoding", "rate", "framing", "room", *LIVE_FIELDS)
RESUME_FIELDS: Final = ("session", "after")
_HINTS = get_type_hints(LiveOptions)


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """A client that comes back.

    Attributes:
        session: The id that it was told.
        after: Number of the last event that it has seen; None if it wants those from now on.
    """

    session: str
    after: int | None


def read_query(
    items: Sequence[tuple[str, str]], model_of: Callable[[str | None], str]
) -> PlainOptions | Resumed:
    """What a client asks for.

    Args:
        items: Names and values of the query.
        model_of: The served model of a name, the first one for None; raises ApiError.

    Raises:
        ApiError: A field is unknown, is given twice, or cannot be honoured.
    """
    given: dict[str, str] = {}
    for name, value in items:
        if name not in (*FIELDS, *RESUME_FIELDS):
            raise refused(f"unknown parameter: {name!r}", name, "unknown_parameter")
        if name in given:
            raise refused(f"{name} is given twice", name)
        given[name] = value
    if any(name in given for name in RESUME_FIELDS):
        return _resumed(given)
    live: dict[str, Any] = {
        name: value_of(name, given[name], _HINTS[name]) for name in LIVE_FIELDS if name in given
    }
    if given.get("prompt"):
        live["initial_prompt"] = given["prompt"]
    framing = given.get("framing", "raw")
    if framing not in FRAMINGS:
        raise refused(f"framing is {framing!r}; there are: {', '.join(FRAMINGS)}", "framing")
    encoding: Any = given.get("encoding", "pcm16")
    try:
        if live.get("language") not in (None, "auto"):
            live["language"] = language_code(live["language"])
        rate = value_of("rate", given.get("rate", "16000"), int)
        WireAudio(encoding, rate)
        options = LiveOptions(**live)
    except OptionError as error:
        raise _named(error) from error
    return PlainOptions(
        model=model_of(given.get("model")),
        live=options,
        encoding=encoding,
        rate=rate,
        has_positions=framing == "positions",
        room=room_name(given["room"]) if given.get("room") else None,
    )


def after_of(text: str | None) -> int | None:
    """The number of an event in a query or header, if there is one."""
    return None if text is None else value_of("after", text, int)


def _resumed(given: dict[str, str]) -> Resumed:
    for name in given:
        if name not in RESUME_FIELDS:
            raise refused(f"{name} was settled when the session began", name)
    if "session" not in given:
        raise refused("after needs session", "session", "missing_field")
    return Resumed(session=given["session"], after=after_of(given.get("after")))


def _named(error: OptionError) -> ApiError:
    """The error with the name of the field that it begins with."""
    name = str(error).split(" ", 1)[0]
    if name in FIELDS:
        return refused(str(error), name)
    return as_api_error(error)
