"""What a live stream tells, in the order in which it becomes known.

Speech comes in segments: from where somebody begins to speak to where they pause. Of a segment,
text that is committed stays as it is; tentative text follows it, and is replaced whenever more has
been heard. The committed texts of a segment, put together, are its text.
"""

from dataclasses import dataclass

from whisper_jax.types import Segment, Word


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechStarted:
    """Somebody begins to speak.

    Attributes:
        segment: Number of the segment, from 0.
        start_s: Where it begins, in seconds of the stream.
    """

    segment: int
    start_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """Words that will stay.

    Attributes:
        segment: Number of the segment.
        text: What they add to its text, with their spaces.
        words: They, with their times in seconds of the stream.
        language: Code of their language.
        heard_s: How much of the stream had been heard.
    """

    segment: int
    text: str
    words: tuple[Word, ...]
    language: str
    heard_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Tentative:
    """What seems to follow the committed text of a segment; in place of what seemed to before.

    Attributes:
        segment: Number of the segment.
        text: The text, with its spaces; empty if there is none any more.
        heard_s: How much of the stream had been heard.
    """

    segment: int
    text: str
    heard_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechStopped:
    """Nobody speaks any more; the last words of the segment are still to come.

    Attributes:
        segment: Number of the segment.
        end_s: Where it ends, in seconds of the stream.
    """

    segment: int
    end_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentDone:
    """All of a segment has been committed.

    Attributes:
        segment: All of it, with its words; ``id`` is its number. Its text may be empty: what
            sounded like speech was none.
    """

    segment: Segment


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamEnded:
    """Nothing follows.

    Attributes:
        error: Why, if the stream did not come to its end.
    """

    error: Exception | None = None


type LiveEvent = SpeechStarted | Committed | Tentative | SpeechStopped | SegmentDone | StreamEnded
