"""Forced alignment: a given text is read to the decoder, window by window, and timed.

Each passage (`whisper_jax.programs.passages`) is a window of its own; its words are timed as those
of a transcript are (`whisper_jax.programs.words`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log

from whisper_jax.audio.units import FRAMES_PER_SECOND, HOP, SAMPLE_RATE
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs.passages import GivenUnit, Passage
from whisper_jax.programs.slot import WindowSlot
from whisper_jax.programs.steps import Program, Steps
from whisper_jax.programs.windows import Span
from whisper_jax.programs.words import WordTimer
from whisper_jax.requests import Clip, NextClip, Progress
from whisper_jax.text import WhisperTokenizer, compression_ratio
from whisper_jax.text.words import UNSPACED_LANGUAGES
from whisper_jax.types import Segment, Transcript, Word

_LEAST_PROBABILITY = 1e-4
"""Of a word in a segment's mean log probability: a single one must not decide it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenText:
    """A text to be aligned, and where it is spoken.

    Attributes:
        units: All of it.
        passages: Those that are spoken, by their first frame.
        language: Code of the language that it is in.
    """

    units: Sequence[GivenUnit]
    passages: Mapping[int, Passage]
    language: str


def align_passages(
    tokenizer: WhisperTokenizer, options: TranscribeOptions, text: GivenText
) -> Program:
    """Find the words of the passages that begin where the clips do that the driver gives.

    Args:
        tokenizer: The model's.
        options: What is heard after a window, and which signs belong to words.
        text: The text.

    Returns:
        A program, to be driven until it returns a transcript: a segment for each line of a
        passage, or part of a line.
    """
    n_padding = round(options.padding_s * FRAMES_PER_SECOND)
    found: list[Segment] = []
    n_samples = 0
    while True:
        clip = yield NextClip()
        if clip is None:
            break
        assert isinstance(clip, Clip)
        assert clip.stop is not None
        slot = WindowSlot(float("-inf"), n_padding, silence_after=True)
        n_frames = yield from slot.hear(clip.start, clip.stop - clip.start)
        n_samples = max(n_samples, slot.n_samples)
        segments: tuple[Segment, ...] = ()
        if n_frames >= 2:
            timer = WordTimer(tokenizer, options)
            segments = yield from _passage(
                timer, tokenizer, text, text.passages[clip.start], n_frames
            )
        found += segments
        yield Progress(
            position=min(clip.stop * HOP, n_samples),
            segments=segments,
            language=text.language,
            language_probability=None,
        )
    return Transcript(
        text="".join(segment.text for segment in found),
        segments=tuple(found),
        language=text.language,
        language_probability=None,
        duration=n_samples / SAMPLE_RATE,
    )


def _passage(
    timer: WordTimer,
    tokenizer: WhisperTokenizer,
    text: GivenText,
    passage: Passage,
    n_frames: int,
) -> Steps[tuple[Segment, ...]]:
    """The segments of the passage in the slot."""
    seek = passage.start
    spans = [
        Span(
            start=start - seek, end=min(end - seek, n_frames), tokens=tuple(tokenizer.encode(line))
        )
        for start, end, line in _lines(text.units, passage)
    ]
    timed = yield from timer.time(spans, seek, n_frames, text.language, passage.speech)
    return tuple(
        _segment(span, seek, tokenizer.decode(span.tokens), text.language) for span in timed
    )


def _lines(units: Sequence[GivenUnit], passage: Passage) -> list[tuple[int, int, str]]:
    """The lines of a passage, or what it has of them: frames in which each is spoken, and it."""
    found: list[tuple[int, int, str]] = []
    places = range(passage.first_unit, passage.stop_unit)
    for _, group in groupby(places, lambda place: units[place].line):
        own = list(group)
        before = [anchor for anchor in passage.anchors if anchor.unit <= own[0]]
        after = [anchor for anchor in passage.anchors if anchor.unit >= own[-1]]
        start, end = passage.start, passage.stop
        if before:
            start = before[-1].start if before[-1].unit == own[0] else before[-1].end
        if after:
            end = after[0].end if after[0].unit == own[-1] else after[0].start
        found.append((start, end, "".join(units[place].text for place in own)))
    return found


def _segment(span: Span, seek: int, text: str, language: str) -> Segment:
    words = tuple(
        Word(
            start=(seek + word.start) / FRAMES_PER_SECOND,
            end=(seek + word.end) / FRAMES_PER_SECOND,
            word=word.text,
            probability=word.probability,
        )
        for word in span.words or ()
    )
    return as_segment(words, text, language, seek=seek, tokens=span.tokens)


def as_segment(
    words: Sequence[Word], text: str, language: str, *, seek: int, tokens: tuple[int, ...]
) -> Segment:
    """A segment of a given text; it begins and ends with its words, one at least."""
    logs = [log(max(word.probability, _LEAST_PROBABILITY)) for word in words]
    return Segment(
        id=0,
        seek=seek,
        start=words[0].start,
        end=words[-1].end,
        text=text,
        tokens=tokens,
        temperature=0.0,
        avg_logprob=sum(logs) / len(logs),
        compression_ratio=compression_ratio(text),
        no_speech_prob=0.0,
        language=language,
        words=tuple(words),
    )


def shared_out(units: Sequence[GivenUnit], passage: Passage) -> list[Word]:
    """The words of a passage that was not heard: its time, shared out by letters."""
    own = units[passage.first_unit : passage.stop_unit]
    n_letters = sum(len(unit.text) for unit in own)
    start, length = passage.start, passage.stop - passage.start
    words: list[Word] = []
    done = 0
    for unit in own:
        begin = start + done * length // n_letters
        done += len(unit.text)
        end = start + done * length // n_letters
        words.append(
            Word(
                start=begin / FRAMES_PER_SECOND,
                end=end / FRAMES_PER_SECOND,
                word=unit.text,
                probability=0.0,
            )
        )
    return words


def whole_words(words: Sequence[Word], language: str) -> list[Word]:
    """Words as they are written: with spaces between them, where the language has them.

    The parts of ``well-known`` have times of their own in a transcript.
    """
    if language in UNSPACED_LANGUAGES:
        return list(words)
    whole: list[list[Word]] = []
    for word in words:
        if whole and not word.word.startswith(" "):
            whole[-1].append(word)
        else:
            whole.append([word])
    return [_joined(parts) for parts in whole]


def _joined(parts: Sequence[Word]) -> Word:
    """One word of its parts; signs are not spoken, so that theirs are not its times."""
    spoken = [part for part in parts if any(map(str.isalnum, part.word))] or parts
    return Word(
        start=spoken[0].start,
        end=spoken[-1].end,
        word="".join(part.word for part in parts),
        probability=sum(part.probability for part in spoken) / len(spoken),
    )
