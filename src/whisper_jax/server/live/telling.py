"""What a live stream tells, as JSON has it, and on one line of time."""

from dataclasses import replace
from typing import Any, final

from whisper_jax.server.answers import detail_segment, word_fields
from whisper_jax.server.errors import as_api_error
from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    SpeechStarted,
    SpeechStopped,
    StreamEnded,
    Tentative,
)
from whisper_jax.stream.fields import event_fields
from whisper_jax.types import Segment, Word


def live_fields(event: LiveEvent) -> dict[str, Any]:
    """An event's type and fields; words, segments and errors as in the server's other answers."""
    match event:
        case Committed():
            return event_fields(event) | {"words": [word_fields(word) for word in event.words]}
        case SegmentDone():
            return event_fields(event) | {"segment": detail_segment(event.segment, has_words=True)}
        case StreamEnded(error=Exception() as error):
            return event_fields(event) | {"error": as_api_error(error).body()["error"]}
        case _:
            return event_fields(event)


@final
class Timeline:
    """Puts several streams of one client, one after the other, on one line of time.

    Segments are numbered in the order in which they begin.
    """

    def __init__(self) -> None:
        self._starts_s: dict[int, float] = {}
        self._numbers: dict[tuple[int, int], int] = {}
        self._n_segments = 0

    def begin(self, stream: int, start_s: float) -> None:
        """A stream begins so many seconds after the first one."""
        self._starts_s[stream] = start_s

    def place(self, stream: int, event: LiveEvent) -> LiveEvent:
        """The event with the times and numbers of the whole."""
        shift_s = self._starts_s[stream]
        match event:
            case SpeechStarted():
                number = self._number(stream, event.segment)
                return replace(event, segment=number, start_s=event.start_s + shift_s)
            case Committed():
                return replace(
                    event,
                    segment=self._number(stream, event.segment),
                    words=tuple(_shifted(word, shift_s) for word in event.words),
                    heard_s=event.heard_s + shift_s,
                )
            case Tentative():
                number = self._number(stream, event.segment)
                return replace(event, segment=number, heard_s=event.heard_s + shift_s)
            case SpeechStopped():
                number = self._number(stream, event.segment)
                return replace(event, segment=number, end_s=event.end_s + shift_s)
            case SegmentDone():
                number = self._number(stream, event.segment.id)
                del self._numbers[stream, event.segment.id]
                return SegmentDone(segment=_placed(event.segment, number, shift_s))
            case StreamEnded():
                del self._starts_s[stream]
                self._numbers = {key: n for key, n in self._numbers.items() if key[0] != stream}
                return event

    def _number(self, stream: int, segment: int) -> int:
        key = stream, segment
        if key not in self._numbers:
            self._numbers[key] = self._n_segments
            self._n_segments += 1
        return self._numbers[key]


def _shifted(word: Word, shift_s: float) -> Word:
    return replace(word, start=word.start + shift_s, end=word.end + shift_s)


def _placed(segment: Segment, number: int, shift_s: float) -> Segment:
    words = segment.words
    return replace(
        segment,
        id=number,
        start=segment.start + shift_s,
        end=segment.end + shift_s,
        words=None if words is None else tuple(_shifted(word, shift_s) for word in words),
    )
