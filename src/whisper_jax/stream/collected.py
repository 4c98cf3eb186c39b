"""What a live stream has told so far, as a transcript."""

from dataclasses import replace
from typing import Literal, final

from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    SpeechStarted,
    StreamEnded,
)
from whisper_jax.types import Segment, Transcript, Word


@final
class Collected:
    """Takes a stream's events in their order; the transcript is there at any time."""

    def __init__(self, task: Literal["transcribe", "translate"] = "transcribe") -> None:
        """Nothing has been told yet.

        Args:
            task: What the stream was asked for.
        """
        self._task: Literal["transcribe", "translate"] = task
        self._done: list[Segment] = []
        self._words: list[Word] = []
        self._text = ""
        self._start_s = 0.0
        self._language = ""
        self._heard_s = 0.0

    def add(self, event: LiveEvent) -> None:
        """Take the next event."""
        match event:
            case SpeechStarted():
                self._words, self._text, self._start_s = [], "", event.start_s
            case Committed():
                self._text += event.text
                self._words += event.words
                self._language = event.language
                self._heard_s = event.heard_s
            case SegmentDone():
                self._words, self._text = [], ""
                if event.segment.text.strip():
                    self._done.append(replace(event.segment, id=len(self._done)))
                self._heard_s = max(self._heard_s, event.segment.end)
            case _:
                pass

    @property
    def n_segments(self) -> int:
        """Segments that are done and have a text."""
        return len(self._done)

    def transcript(self) -> Transcript:
        """All that is committed: segments that are done, and what the one under way has so far."""
        segments = (*self._done, *self._under_way())
        languages = [segment.language for segment in segments]
        return Transcript(
            text="".join(segment.text for segment in segments),
            segments=segments,
            language=max(languages, key=languages.count, default=""),
            language_probability=None,
            duration=self._heard_s,
            task=self._task,
        )

    def _under_way(self) -> tuple[Segment, ...]:
        if not self._text.strip():
            return ()
        segment = Segment(
            id=len(self._done),
            seek=round(self._start_s * 100),
            start=self._start_s,
            end=self._words[-1].end if self._words else self._heard_s,
            text=self._text,
            tokens=(),
            temperature=0.0,
            avg_logprob=0.0,
            compression_ratio=1.0,
            no_speech_prob=0.0,
            language=self._language,
            words=tuple(self._words),
        )
        return (segment,)


def error_of(event: LiveEvent) -> Exception | None:
    """Why a stream ended before its time; None for all other events."""
    return event.error if isinstance(event, StreamEnded) else None
