"""Files of transcripts that come back from a client, perhaps edited."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from whisper_jax.errors import OptionError
from whisper_jax.formats import SubtitleOptions, render
from whisper_jax.server.bodies import read_body
from whisper_jax.server.errors import as_api_error, refused
from whisper_jax.text.languages import language_code
from whisper_jax.types import Segment, Transcript, Word

type Seconds = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]


class _Given(BaseModel):
    """What further fields there are is not looked at: ``verbose_json`` has many."""

    model_config = ConfigDict(strict=False)


class GivenWord(_Given):
    """A word with its times in seconds."""

    word: str
    start: Seconds
    end: Seconds
    probability: float = 1.0


class GivenSegment(_Given):
    """A segment with its times in seconds, and with its words if their times are known."""

    start: Seconds
    end: Seconds
    text: str
    language: str = ""
    speaker: str | None = None
    words: list[GivenWord] | None = None


class GivenTranscript(_Given):
    """A transcript as ``verbose_json`` has it."""

    segments: list[GivenSegment]
    language: str = ""
    duration: Seconds | None = None
    task: Literal["transcribe", "translate"] = "transcribe"


class RenderRequest(BaseModel):
    """A transcript and what to make of it."""

    model_config = ConfigDict(extra="forbid")

    transcript: GivenTranscript
    response_format: Literal["text", "txt", "srt", "vtt", "tsv", "json", "ass", "lrc"]
    layout: dict[str, bool | int | float | None] = Field(default_factory=dict)


def rendered(body: bytes) -> str:
    """The file's text that is asked for by the JSON of a `RenderRequest`.

    Raises:
        ApiError: It is no such JSON, or the layout or a language cannot be honoured.
    """
    given = read_body(RenderRequest, body)
    try:
        layout = SubtitleOptions(**given.layout)  # pyright: ignore[reportArgumentType]
        transcript = _transcript(given.transcript)
    except TypeError as error:
        raise refused(f"layout: {error}", "layout") from error
    except OptionError as error:
        raise as_api_error(error) from error
    has_words = all(segment.words is not None for segment in transcript.segments)
    if layout.needs_words and not has_words:
        raise refused(f"{layout.needs_words[0]} needs the words of segments", "transcript")
    name = "txt" if given.response_format == "text" else given.response_format
    return render(transcript, name, layout)


def _transcript(given: GivenTranscript) -> Transcript:
    segments = tuple(_segment(number, segment) for number, segment in enumerate(given.segments))
    return Transcript(
        text="".join(segment.text for segment in segments),
        segments=segments,
        language=_code(given.language),
        language_probability=None,
        duration=given.duration or max((segment.end for segment in segments), default=0.0),
        task=given.task,
    )


def _segment(number: int, given: GivenSegment) -> Segment:
    return Segment(
        id=number,
        seek=0,
        start=given.start,
        end=max(given.start, given.end),
        text=given.text,
        tokens=(),
        temperature=0.0,
        avg_logprob=0.0,
        compression_ratio=1.0,
        no_speech_prob=0.0,
        language=_code(given.language),
        words=None if given.words is None else tuple(_word(word) for word in given.words),
        speaker=given.speaker,
    )


def _word(given: GivenWord) -> Word:
    return Word(
        start=given.start,
        end=max(given.start, given.end),
        word=given.word,
        probability=given.probability,
    )


def _code(language: str) -> str:
    return language_code(language) if language else ""
