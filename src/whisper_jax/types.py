"""What a transcription gives back: frozen records that also answer to openai-whisper's keys.

``transcript.text`` and ``transcript["text"]`` are the same thing, so scripts that read
openai-whisper's result dicts run unchanged. For JSON there is `whisper_jax.formats`.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal

from whisper_jax.errors import WhisperJaxError


class Record:
    """Read-only item access by field name, over a dataclass."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        """The field called ``key``; KeyError names the fields there are."""
        names = self.keys()
        if key not in names:
            raise KeyError(f"{key!r} is not one of {', '.join(names)}")
        return getattr(self, key)

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def keys(self) -> tuple[str, ...]:
        """The names of the fields, in order."""
        return tuple(field.name for field in fields(self))  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry(Record):
    """An attempt at a window that was given up.

    Attributes:
        temperature: The temperature it was decoded at.
        reason: The threshold that it missed: ``compression_ratio`` (it loops) or ``logprob``
            (it is unlikely).
        value: Its compression ratio, or its mean natural-log probability.
    """

    temperature: float
    reason: Literal["compression_ratio", "logprob"]
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Word(Record):
    """A spoken word with its times: openai-whisper's, field for field.

    Attributes:
        start: Start in seconds of the recording.
        end: End in seconds of the recording.
        word: The word with its leading space, where the language has one, and its punctuation.
        probability: Mean probability of its tokens.
    """

    start: float
    end: float
    word: str
    probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment(Record):
    """A stretch of speech with one text: openai-whisper's segment, field for field.

    Attributes:
        id: Position in the transcript, from 0.
        seek: Start of the window it was decoded in, in 10 ms frames of the recording.
        start: Start in seconds of the recording.
        end: End in seconds of the recording.
        text: The text, with its leading space where the language has one.
        tokens: Token ids, timestamp tokens included.
        temperature: The temperature it was decoded at.
        avg_logprob: Mean natural-log probability of the window's tokens.
        compression_ratio: Bytes of the window's text over its zlib-compressed bytes: above 2.4
            the text most likely loops.
        no_speech_prob: The model's probability that the window holds no speech.
        language: Code of the language spoken (``en``), in which the window was decoded.
        retries: The other attempts at the window, which were given up, in order.
        words: Its words with their times, in order; None where they were not asked for.
        speaker: Who speaks (``Speaker 1``); None unless each channel was transcribed by itself.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    language: str = ""
    retries: tuple[Retry, ...] = ()
    words: tuple[Word, ...] | None = None
    speaker: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Transcript(Record):
    """The text of one recording.

    Attributes:
        text: The whole text.
        segments: Its segments in order of time.
        language: Code of the language given or detected (``en``), the most spoken one where each
            segment has its own; empty if there was no audio.
        language_probability: Probability of the detected language; None if it was given or each
            segment has its own.
        language_probabilities: Code and probability of every language, likeliest first, as they
            were detected; empty where ``language_probability`` is None.
        duration: Seconds of audio read.
        task: What was asked for. A translation is in English, whatever its segments' languages.
        error: Why the recording could not be transcribed, or None. Segments that were final
            before the error are kept.
    """

    text: str
    segments: tuple[Segment, ...]
    language: str
    language_probability: float | None
    duration: float
    language_probabilities: tuple[tuple[str, float], ...] = ()
    task: Literal["transcribe", "translate"] = "transcribe"
    error: WhisperJaxError | None = None
