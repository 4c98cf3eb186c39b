"""What a live stream tells, as JSON has it."""

from typing import Any

from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    SpeechStarted,
    SpeechStopped,
    StreamEnded,
    Tentative,
)
from whisper_jax.types import Segment, Word

_DIGITS = 3


def event_fields(event: LiveEvent) -> dict[str, Any]:
    """An event's type and fields; times in seconds of the stream, to the millisecond."""
    match event:
        case SpeechStarted():
            return _fields("speech_started", event.segment, start_s=event.start_s)
        case Committed():
            return _fields("committed", event.segment, heard_s=event.heard_s) | {
                "text": event.text,
                "language": event.language,
                "words": [_word(word) for word in event.words],
            }
        case Tentative():
            return _fields("tentative", event.segment, heard_s=event.heard_s) | {"text": event.text}
        case SpeechStopped():
            return _fields("speech_stopped", event.segment, end_s=event.end_s)
        case SegmentDone():
            return {"type": "segment_done", "segment": segment_fields(event.segment)}
        case StreamEnded(error=error):
            known = None if error is None else {"message": str(error)}
            return {"type": "stream_ended", "error": known}


def segment_fields(segment: Segment) -> dict[str, Any]:
    """A segment with its words."""
    return {
        "id": segment.id,
        "start": round(segment.start, _DIGITS),
        "end": round(segment.end, _DIGITS),
        "text": segment.text,
        "language": segment.language,
        "words": [_word(word) for word in segment.words or ()],
    }


def _fields(kind: str, segment: int, **seconds: float) -> dict[str, Any]:
    times = {name: round(value, _DIGITS) for name, value in seconds.items()}
    return {"type": kind, "segment": segment} | times


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": word.word,
        "start": round(word.start, _DIGITS),
        "end": round(word.end, _DIGITS),
        "probability": round(word.probability, _DIGITS),
    }
