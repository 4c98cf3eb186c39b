"""What a live stream has told so far, as a transcript."""

from dataclasses import dataclass, field, replace
from typing import final

from whisper_jax.options import Task
from whisper_jax.stream.events import Committed, LiveEvent, SegmentDone, SpeechStarted
from whisper_jax.types import Segment, Transcript, Word


@final
class Collected:
    """Takes a stream's events in their order; the transcript is there at any time.

    Attributes:
        segments: Segments that are done and have a text, numbered from 0.
    """

    def __init__(self, task: Task = "transcribe") -> None:
        """Nothing has been told yet.

        Args:
            task: What the stream was asked for.
        """
        self.segments: list[Segment] = []
        self._task: Task = task
        self._open: dict[int, _OpenSegment] = {}
        self._heard_s = 0.0

    def add(self, event: LiveEvent) -> Segment | None:
        """Take the next event; the segment that is done with it, if it has a text."""
        match event:
            case SpeechStarted():
                self._open[event.segment] = _OpenSegment(start_s=event.start_s)
            case Committed():
                self._open[event.segment].add(event)
                self._heard_s = max(self._heard_s, event.heard_s)
            case SegmentDone(segment=segment):
                self._open.pop(segment.id, None)
                self._heard_s = max(self._heard_s, segment.end)
                if segment.text.strip():
                    self.segments.append(replace(segment, id=len(self.segments)))
                    return self.segments[-1]
            case _:
                pass
        return None

    def transcript(self) -> Transcript:
        """All that is committed: the segments, and what those under way have so far."""
        segments = list(self.segments)
        for found in self._open.values():
            if found.text.strip():
                segments.append(found.as_segment(len(segments)))
        languages = [segment.language for segment in segments]
        return Transcript(
            text="".join(segment.text for segment in segments),
            segments=tuple(segments),
            language=max(languages, key=languages.count, default=""),
            language_probability=None,
            duration=self._heard_s,
            task=self._task,
        )


@dataclass(kw_only=True)
class _OpenSegment:
    """A segment under way: what is committed of it."""

    start_s: float
    text: str = ""
    language: str = ""
    words: list[Word] = field(default_factory=list[Word])

    def add(self, event: Committed) -> None:
        self.text += event.text
        self.words += event.words
        self.language = event.language

    def as_segment(self, number: int) -> Segment:
        end_s = self.words[-1].end if self.words else self.start_s
        return Segment(
            id=number,
            seek=round(self.start_s * 100),
            start=self.start_s,
            end=max(self.start_s, end_s),
            text=self.text,
            tokens=(),
            temperature=0.0,
            avg_logprob=0.0,
            compression_ratio=1.0,
            no_speech_prob=0.0,
            language=self.language,
            words=tuple(self.words),
        )
