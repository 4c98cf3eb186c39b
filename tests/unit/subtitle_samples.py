"""Transcripts for tests of subtitles: of any language and script, with and without words."""

import re

from hypothesis import strategies as st
from scripts import TEXTS

from whisper_jax.formats import SubtitleOptions
from whisper_jax.types import Segment, Transcript, Word


def segment_of(
    start: float,
    end: float,
    text: str,
    *,
    index: int = 0,
    language: str = "en",
    words: tuple[Word, ...] | None = None,
    speaker: str | None = None,
) -> Segment:
    return Segment(
        id=index,
        seek=0,
        start=start,
        end=end,
        text=text,
        tokens=(),
        temperature=0.0,
        avg_logprob=-0.25,
        compression_ratio=1.5,
        no_speech_prob=0.125,
        language=language,
        words=words,
        speaker=speaker,
    )


def transcript_of(*segments: Segment) -> Transcript:
    return Transcript(
        text="".join(segment.text for segment in segments),
        segments=segments,
        language=segments[0].language if segments else "",
        language_probability=None,
        duration=max((segment.end for segment in segments), default=0.0),
    )


def talk(*spans: tuple[float, float, str]) -> Transcript:
    return transcript_of(*(segment_of(*span, index=i) for i, span in enumerate(spans)))


def timed_words(text: str, start: float, end: float, *, by_character: bool) -> tuple[Word, ...]:
    """The words of a text, at an even pace, with a pause after each."""
    parts = list(text) if by_character else re.findall(r"\s*\S+", text)
    step = (end - start) / max(1, len(parts))
    return tuple(
        Word(start=start + step * i, end=start + step * (i + 0.8), word=part, probability=0.5)
        for i, part in enumerate(parts)
    )


def spoken(text: str, start: float = 0.0, end: float = 10.0, language: str = "en") -> Transcript:
    """One segment with the times of its words."""
    words = timed_words(text, start, end, by_character=False)
    return transcript_of(segment_of(start, end, text, language=language, words=words))


CLEAN = st.sampled_from(sorted(TEXTS))


ODD_ENDS = ("", "", "", " ", "…", "\n--> x", " <b>{x}\\N & [y]", "\u200d👍🏽!")


@st.composite
def segments(draw: st.DrawFn, start: float, index: int, speakers: bool) -> Segment:
    """A segment that begins so late, in any language, now and then with odd characters."""
    language = draw(CLEAN)
    text = TEXTS[language]
    first = draw(st.integers(0, len(text) - 1))
    text = " " * draw(st.booleans()) + text[first : first + draw(st.integers(0, 150))]
    text += draw(st.sampled_from(ODD_ENDS))
    end = start + draw(st.floats(0, 12))
    words = None
    if draw(st.booleans()):
        words = timed_words(text, start, end, by_character=draw(st.booleans()))
    return segment_of(
        start,
        end,
        text,
        index=index,
        language=language,
        words=words,
        speaker=draw(st.sampled_from(["Speaker 1", "Speaker 2"])) if speakers else None,
    )


@st.composite
def transcripts(
    draw: st.DrawFn, *, overlapping: bool = False, speakers: bool = False
) -> Transcript:
    found: list[Segment] = []
    time = 0.0
    for index in range(draw(st.integers(0, 5))):
        time += draw(st.floats(-3 if overlapping else 0, 5))
        found.append(draw(segments(max(0.0, time), index, speakers)))
        time = found[-1].end
    return transcript_of(*found)


limits = st.none() | st.integers(1, 60)


@st.composite
def layouts(draw: st.DrawFn) -> SubtitleOptions:
    shortest = draw(st.floats(0, 2))
    return SubtitleOptions(
        max_line_width=draw(limits),
        max_line_count=draw(st.none() | st.integers(1, 3)),
        max_words_per_line=draw(st.none() | st.integers(1, 8)),
        min_cue_duration=shortest,
        max_cue_duration=draw(st.none() | st.floats(max(0.1, shortest), 10)),
        min_cue_gap=draw(st.floats(0, 0.5)),
        max_reading_speed=draw(st.none() | st.floats(5, 40)),
    )
