"""Options: frozen, keyword-only, each with its reason and the source of its default.

The command line, the server and Python build the same objects. They are checked once, when they
are made: a wrong one raises `OptionError` with the sentence that says what would be right.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Literal, cast

from whisper_jax.errors import OptionError

type Task = Literal["transcribe", "translate"]
type ComputeType = Literal["float32", "bfloat16"]

WINDOW_S = 30.0
"""Seconds of audio the model sees at once: fixed by how Whisper was trained."""


@dataclass(frozen=True, kw_only=True)
class TranscribeOptions:
    """How a recording is turned into text. Names follow openai-whisper and faster-whisper.

    Attributes:
        language: Code (``en``) or English name (``english``) of the language spoken; None
            detects it on the first window (as both peers do).
        task: ``transcribe`` writes what is said, ``translate`` writes it in English.
        beam_size: 1, greedy decoding, is what there is.
        temperature: 0, no sampling, is what there is.
        initial_prompt: Text that is put before the first window, for names and spelling.
        condition_on_previous_text: Give each window the text of those before it. True in both
            peers; False loses consistency but stops a loop from spreading.
        suppress_tokens: Token ids never to say; -1 stands for the symbols that are not spoken
            (openai-whisper's list). (-1,) in both peers.
        suppress_blank: Do not begin a window with a blank or with nothing. True in both peers.
        without_timestamps: Do not ask the model for timestamps: each window is one segment.
            False in both peers.
        max_initial_timestamp: Latest time in seconds at which the first segment of a window may
            begin. 1.0 in both peers.
        no_speech_threshold: A window whose no-speech probability is above it is skipped, unless
            its text is likely (``logprob_threshold``); None never skips. 0.6 in both peers.
        logprob_threshold: A window with a mean log probability above it is kept however high
            its no-speech probability; None lets the latter decide alone. -1.0 in both peers.
        clip_timestamps: Seconds ``(start, end, start, end, …)`` of the parts to transcribe, in
            order; a last start without an end runs to the end. The whole recording by default.
        chunk_length: Most seconds of audio put into one window, 1 to 30; the rest of its 30 s
            is padding. 30 in both peers.
        channel: Which channel of a recording is used, from 0; None mixes them all.
    """

    language: str | None = None
    task: Task = "transcribe"
    beam_size: int = 1
    temperature: float = 0.0
    initial_prompt: str | None = None
    condition_on_previous_text: bool = True
    suppress_tokens: tuple[int, ...] = (-1,)
    suppress_blank: bool = True
    without_timestamps: bool = False
    max_initial_timestamp: float | None = 1.0
    no_speech_threshold: float | None = 0.6
    logprob_threshold: float | None = -1.0
    clip_timestamps: tuple[float, ...] = ()
    chunk_length: float = WINDOW_S
    channel: int | None = None

    def __post_init__(self) -> None:
        # openai-whisper takes these as lists, and its command as text with commas.
        _set(self, "suppress_tokens", _numbers("suppress_tokens", self.suppress_tokens, int))
        _set(self, "clip_timestamps", _numbers("clip_timestamps", self.clip_timestamps, float))
        for name, kinds in _KINDS.items():
            value = getattr(self, name)
            # True is an int to Python, and a slip to everyone else.
            right = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
            names = " or ".join("None" if k is type(None) else k.__name__ for k in kinds)
            _require(right, f"{name} is {value!r}; give {names}")
        self._check_values()

    def _check_values(self) -> None:
        _require(
            self.task in ("transcribe", "translate"),
            f"task is {self.task!r}; use 'transcribe' or 'translate'",
        )
        _require(
            self.beam_size == 1,
            f"beam_size is {self.beam_size}; only 1 (greedy decoding) is supported so far",
        )
        _require(
            self.temperature == 0,
            f"temperature is {self.temperature}; only 0 (no sampling) is supported so far",
        )
        _require(
            1 <= self.chunk_length <= WINDOW_S,
            f"chunk_length is {self.chunk_length}; give seconds from 1 to {WINDOW_S:g}",
        )
        limit = self.max_initial_timestamp
        _require(
            limit is None or 0 <= limit <= WINDOW_S,
            f"max_initial_timestamp is {limit}; give seconds from 0 to {WINDOW_S:g}, or None",
        )
        _require(
            self.channel is None or self.channel >= 0,
            f"channel is {self.channel}; channels count from 0, None mixes them all",
        )
        times = self.clip_timestamps
        _require(
            all(0 <= time < float("inf") for time in times)
            and all(a < b for a, b in pairwise(times)),
            f"clip_timestamps is {times}; give rising seconds: start, end, start, end, …",
        )


def transcribe_options(given: dict[str, Any]) -> TranscribeOptions:
    """Options from keyword arguments; an unknown name is an `OptionError` that lists all names."""
    names = [field.name for field in fields(TranscribeOptions)]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise OptionError(f"no option {', '.join(unknown)}; there are: {', '.join(names)}")
    return TranscribeOptions(**given)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise OptionError(message)


_KINDS: dict[str, tuple[type, ...]] = {
    "language": (str, type(None)),
    "task": (str,),
    "beam_size": (int,),
    "temperature": (int, float),
    "initial_prompt": (str, type(None)),
    "condition_on_previous_text": (bool,),
    "suppress_blank": (bool,),
    "without_timestamps": (bool,),
    "max_initial_timestamp": (int, float, type(None)),
    "no_speech_threshold": (int, float, type(None)),
    "logprob_threshold": (int, float, type(None)),
    "chunk_length": (int, float),
    "channel": (int, type(None)),
}
"""The types that each option may have; the two that are sequences are converted instead."""


def _numbers[N: (int, float)](name: str, given: object, kind: type[N]) -> tuple[N, ...]:
    """A sequence of numbers, a single one, or text such as ``"0,5"``, as a tuple."""
    try:
        match given:
            case None:
                return ()
            case str():
                return tuple(kind(part) for part in given.split(",") if part.strip())
            case int() | float():
                return (kind(given),)
            case Iterable():
                return tuple(kind(number) for number in cast("Iterable[Any]", given))
            case _:
                raise TypeError
    except (TypeError, ValueError):
        raise OptionError(f"{name} is {given!r}; give a list of numbers") from None


def _set(options: TranscribeOptions, name: str, value: object) -> None:
    object.__setattr__(options, name, value)
