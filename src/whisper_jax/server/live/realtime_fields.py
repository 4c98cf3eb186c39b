"""The settings of a realtime session: OpenAI's, in both of their shapes, and ours.

Every field is honoured or refused by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from whisper_jax.audio.wire import MAX_RATE, MIN_RATE, Encoding
from whisper_jax.errors import OptionError
from whisper_jax.server.errors import ApiError, refused
from whisper_jax.server.live.checks import (
    a_number,
    a_text,
    a_truth,
    an_object,
    not_one_of,
    texts,
    unknown,
    unsupported,
)
from whisper_jax.server.live.rooms import room_name
from whisper_jax.stream.settings import LiveOptions
from whisper_jax.text.languages import language_code

OURS: Final = "whisper_jax"
"""The field of a session that holds what OpenAI does not have."""
LIVE_FIELDS: Final = (
    *("task", "policy", "interval_s", "hold_back_s", "beam_size", "longest_s", "adapts"),
)
"""Options of live streams in it."""

DELAYS: Final = {"minimal": 0.2, "low": 0.35, "medium": 0.5, "high": 1.0, "xhigh": 2.0}
"""OpenAI's ``delay`` as `LiveOptions.hold_back_s`."""

_FORMATS: Final[Mapping[str, Encoding]] = {
    "audio/pcm": "pcm16",
    "audio/pcmu": "mulaw",
    "audio/pcma": "alaw",
}
_FORMER_FORMATS: Final = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_PCM_RATE: Final = 24_000
_G711_RATE: Final = 8_000
_SERVER_VAD: Final = {"threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
_NO_ANSWERS: Final = ("create_response", "interrupt_response", "idle_timeout_ms")


@dataclass(frozen=True, kw_only=True)
class RealtimeSettings:
    """How a realtime session transcribes.

    Attributes:
        audio_format: OpenAI's ``format``.
        transcription: OpenAI's, with ``model`` as the client named it.
        turn_detection: OpenAI's, complete; None if the client says where turns end.
        ours: The options of ours that were given.
        tells_tentative: Whether tentative text is told.
        room: The room in which the session speaks, or None.
    """

    audio_format: Mapping[str, Any] = field(
        default_factory=lambda: {"type": "audio/pcm", "rate": _PCM_RATE}
    )
    transcription: Mapping[str, Any]
    turn_detection: Mapping[str, Any] | None = field(
        default_factory=lambda: {"type": "server_vad"} | _SERVER_VAD
    )
    ours: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tells_tentative: bool = False
    room: str | None = None

    @property
    def encoding(self) -> Encoding:
        """Of the samples."""
        return _FORMATS[self.audio_format["type"]]

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self.audio_format.get("rate", _G711_RATE)

    @property
    def model(self) -> str:
        """The model, as the client named it."""
        return self.transcription["model"]

    def live_options(self) -> LiveOptions:
        """The options of streams.

        Raises:
            OptionError: A value is out of its range.
        """
        told = self.transcription
        options = dict(self.ours)
        if told.get("delay") is not None:
            options["hold_back_s"] = DELAYS[told["delay"]]
        vad = self.turn_detection
        if vad is not None:
            options |= {
                "vad_threshold": vad["threshold"],
                "prefix_padding_s": vad["prefix_padding_ms"] / 1000,
                "silence_s": vad["silence_duration_ms"] / 1000,
            }
        return LiveOptions(
            language=told.get("language"),
            initial_prompt=told.get("prompt") or None,
            hotwords=", ".join(told.get("keywords") or ()) or None,
            detects_pauses=vad is not None,
            **options,
        )

    def shown(self, name: str) -> dict[str, Any]:
        """The session as clients are told of it."""
        own = dict(self.ours) | {"tentative": self.tells_tentative, "room": self.room}
        return {
            "type": "transcription",
            "object": "realtime.transcription_session",
            "id": name,
            "audio": {
                "input": {
                    "format": dict(self.audio_format),
                    "noise_reduction": None,
                    "transcription": dict(self.transcription),
                    "turn_detection": self.turn_detection and dict(self.turn_detection),
                }
            },
            "include": None,
            OURS: own,
        }

    def shown_formerly(self, name: str) -> dict[str, Any]:
        """The same in the former shape."""
        names = {format_["type"]: former for former, format_ in _FORMER_FORMATS.items()}
        return {
            "object": "realtime.transcription_session",
            "id": name,
            "modalities": ["text"],
            "input_audio_format": names[self.audio_format["type"]],
            "input_audio_noise_reduction": None,
            "input_audio_transcription": dict(self.transcription),
            "turn_detection": self.turn_detection and dict(self.turn_detection),
            "include": None,
            OURS: self.shown(name)[OURS],
        }


def from_former(session: Any) -> dict[str, Any]:
    """Settings of the former shape (``transcription_session.update``) in today's.

    Raises:
        ApiError: A field is unknown or is no text where it must be.
    """
    given = an_object(session, "session")
    audio: dict[str, Any] = {}
    for name, value in given.items():
        match name:
            case "input_audio_format":
                if not isinstance(value, str) or value not in _FORMER_FORMATS:
                    raise not_one_of("session.input_audio_format", _FORMER_FORMATS)
                audio["format"] = _FORMER_FORMATS[value]
            case "input_audio_transcription":
                audio["transcription"] = value
            case "input_audio_noise_reduction":
                audio["noise_reduction"] = value
            case "turn_detection":
                audio["turn_detection"] = value
            case "modalities":
                if value not in (None, ["text"], ["text", "audio"], ["audio", "text"]):
                    raise refused("modalities is to be ['text']", "session.modalities")
            case "include" | "whisper_jax":
                pass
            case _:
                raise unknown(f"session.{name}")
    kept = {name: given[name] for name in ("include", OURS) if name in given}
    return kept | {"type": "transcription", "audio": {"input": audio}}


def updated(
    settings: RealtimeSettings, session: Any, is_served: Callable[[str], bool]
) -> RealtimeSettings:
    """The settings with those changed that are given.

    Args:
        settings: As they were.
        session: What a client wants of them.
        is_served: Whether there is a model of this name.

    Raises:
        ApiError: A field is unknown or cannot be honoured; ``param`` names it.
    """
    given = an_object(session, "session")
    if given.get("type") != "transcription":
        raise refused(
            "session.type is to be 'transcription'; nothing else is done here", "session.type"
        )
    changed = settings
    for name, value in given.items():
        match name:
            case "audio":
                changed = _with_audio(changed, value, is_served)
            case "include":
                if value:
                    raise unsupported("session.include", "the probabilities of tokens are not kept")
            case "whisper_jax":
                changed = _with_ours(changed, value)
            case "type":
                pass
            case _:
                raise unknown(f"session.{name}")
    _check(changed)
    return changed


def _with_audio(
    settings: RealtimeSettings, audio: Any, is_served: Callable[[str], bool]
) -> RealtimeSettings:
    given = an_object(audio, "session.audio")
    for name in given:
        if name != "input":
            raise unknown(f"session.audio.{name}")
    path = "session.audio.input"
    for name, value in an_object(given.get("input", {}), path).items():
        match name:
            case "format":
                settings = replace(settings, audio_format=_format(value, f"{path}.format"))
            case "transcription":
                found = _transcription(value, f"{path}.transcription", is_served)
                settings = replace(settings, transcription={**settings.transcription, **found})
            case "turn_detection":
                settings = replace(
                    settings, turn_detection=_turn_detection(value, f"{path}.turn_detection")
                )
            case "noise_reduction":
                if value is not None:
                    raise unsupported(
                        f"{path}.noise_reduction",
                        "noise is not reduced: the models were trained on noisy speech; give null",
                    )
            case _:
                raise unknown(f"{path}.{name}")
    return settings


def _format(value: Any, path: str) -> dict[str, Any]:
    given = an_object(value, path)
    kind = given.get("type", "audio/pcm")
    if not isinstance(kind, str) or kind not in _FORMATS:
        raise not_one_of(f"{path}.type", _FORMATS)
    for name in given:
        if name not in ("type", "rate"):
            raise unknown(f"{path}.{name}")
    rate = given.get("rate")
    if kind != "audio/pcm":
        if rate not in (None, _G711_RATE):
            raise refused(f"rate of {kind} is {_G711_RATE}", f"{path}.rate")
        return {"type": kind}
    rate = _PCM_RATE if rate is None else rate
    if not isinstance(rate, int) or not MIN_RATE <= rate <= MAX_RATE:
        raise refused(f"rate is to be {MIN_RATE} to {MAX_RATE}", f"{path}.rate")
    return {"type": kind, "rate": rate}


def _transcription(value: Any, path: str, is_served: Callable[[str], bool]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in an_object(value, path).items():
        where = f"{path}.{name}"
        match name:
            case "model":
                if part is not None:
                    found["model"] = _model(part, where, is_served)
            case "language":
                found["language"] = _language(part, where)
            case "prompt":
                found["prompt"] = a_text(part, where)
            case "keywords":
                found["keywords"] = texts(part, where)
            case "languages":
                names = texts(part, where)
                if len(names) > 1:
                    raise unsupported(where, "one language can be given; 'auto' follows changes")
                if names:
                    found["language"] = _language(names[0], where)
            case "delay":
                if part is not None and (not isinstance(part, str) or part not in DELAYS):
                    raise not_one_of(where, DELAYS)
                found["delay"] = part
            case _:
                raise unknown(where)
    return found


def _model(value: Any, path: str, is_served: Callable[[str], bool]) -> str:
    if not isinstance(value, str) or not is_served(value):
        raise ApiError(
            404, f"the model {value!r} does not exist", param=path, code="model_not_found"
        )
    return value


def _language(value: Any, path: str) -> str | None:
    if value is None or value == "":
        return None
    text = a_text(value, path)
    try:
        return text if text == "auto" else language_code(text)
    except OptionError as error:
        raise refused(str(error), path) from error


def _turn_detection(value: Any, path: str) -> dict[str, Any] | None:
    if value is None:
        return None
    given = an_object(value, path)
    kind = given.get("type", "server_vad")
    if kind == "semantic_vad":
        raise unsupported(f"{path}.type", "turns end by pauses, not by meaning; give server_vad")
    if kind != "server_vad":
        raise not_one_of(f"{path}.type", ("server_vad",))
    found = {"type": "server_vad"} | _SERVER_VAD
    for name, part in given.items():
        if name in _NO_ANSWERS:
            if part not in (None, False):
                raise unsupported(f"{path}.{name}", "nothing is answered here, only transcribed")
        elif name in _SERVER_VAD:
            found[name] = _SERVER_VAD[name] if part is None else a_number(part, f"{path}.{name}")
        elif name != "type":
            raise unknown(f"{path}.{name}")
    return found


def _with_ours(settings: RealtimeSettings, value: Any) -> RealtimeSettings:
    path = f"session.{OURS}"
    own = dict(settings.ours)
    hints = {one.name: one.type for one in fields(LiveOptions)}
    for name, part in an_object(value, path).items():
        if name == "tentative":
            settings = replace(settings, tells_tentative=a_truth(part, f"{path}.{name}"))
        elif name == "room":
            room = None if part is None else room_name(a_text(part, f"{path}.{name}"))
            settings = replace(settings, room=room)
        elif name not in LIVE_FIELDS:
            raise unknown(f"{path}.{name}")
        elif hints[name] is bool:
            own[name] = a_truth(part, f"{path}.{name}")
        elif hints[name] in (int, float):
            own[name] = a_number(part, f"{path}.{name}")
        else:
            own[name] = a_text(part, f"{path}.{name}")
    return replace(settings, ours=own)


def _check(settings: RealtimeSettings) -> None:
    """Refuse values out of range, by the names that the client gave them."""
    if settings.transcription.get("delay") is not None and "hold_back_s" in settings.ours:
        raise refused("delay and hold_back_s are the same; give one of them", f"session.{OURS}")
    try:
        settings.live_options()
    except OptionError as error:
        name, _, rest = str(error).partition(" ")
        openai = {
            "vad_threshold": "threshold",
            "prefix_padding_s": "prefix_padding_ms",
            "silence_s": "silence_duration_ms",
        }
        known = openai.get(name)
        where = f"session.audio.input.turn_detection.{known}" if known else f"session.{OURS}.{name}"
        unit = " (in seconds)" if known and known.endswith("ms") else ""
        raise refused(f"{known or name} {rest}{unit}", where) from error
