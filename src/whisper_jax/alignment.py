"""A given text and a recording, put together: what `Whisper.align` does.

The recording is transcribed with the times of words; what was recognised tells which part of the
text is spoken where (`whisper_jax.programs.passages`). The recording is then read a second time,
and each passage of the text is aligned with its own part (`whisper_jax.programs.aligning`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from os import PathLike
from typing import final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.decode import AudioInput
from whisper_jax.audio.units import FRAMES_PER_SECOND
from whisper_jax.driver import FileProgress, Plan
from whisper_jax.driver.level import can_be_read_twice
from whisper_jax.errors import AlignmentError, OptionError
from whisper_jax.options import AUTO, TranscribeOptions
from whisper_jax.programs.aligning import (
    GivenText,
    align_passages,
    as_segment,
    shared_out,
    whole_words,
)
from whisper_jax.programs.passages import (
    GivenUnit,
    HeardUnit,
    Passage,
    find_anchors,
    find_passages,
)
from whisper_jax.text import WhisperTokenizer
from whisper_jax.text.units import split_units, text_lines, unit_key
from whisper_jax.types import Segment, Transcript, Word

_LEAST_SHARE = 0.25
"""Of a text's units that must be recognised in the recording. Of two texts that have nothing to do
with each other a few in a hundred match; of a right one more than half, even with small models."""


def lines_to_align(audio: AudioInput, text: str, language: str | None) -> list[str]:
    """The lines of a text; the caller's mistakes are found before anything is heard.

    Raises:
        OptionError: The text is empty, the language is ``auto``, or the audio cannot be read twice.
    """
    lines = text_lines(text)
    if not any(map(unit_key(""), lines)):
        raise OptionError("the text to be aligned has no words; give what is said in the recording")
    if language == AUTO:
        raise OptionError(
            "a text is aligned in one language; give its code, or none to have it detected"
        )
    # What is wrong with a path or URL is told when it is opened.
    if not isinstance(audio, str | PathLike) and not can_be_read_twice(audio):
        raise OptionError(
            "a recording is read twice to align a text; give a path, bytes or a file object that "
            "can be sought in"
        )
    return lines


@final
class TextAlignment:
    """A text on its way to its times.

    Args:
        tokenizer: The model's.
        options: What the recording was transcribed with.
        lines: The text.
        heard: What was recognised, with words.

    Raises:
        AlignmentError: No speech was recognised, or the text is not what is said.
    """

    def __init__(
        self,
        tokenizer: WhisperTokenizer,
        options: TranscribeOptions,
        lines: Sequence[str],
        heard: Transcript,
    ) -> None:
        self._heard = heard
        self._language = heard.language
        key = unit_key(heard.language)
        units = [
            GivenUnit(text=unit, key=key(unit), line=number, n_tokens=len(tokenizer.encode(unit)))
            for number, line in enumerate(lines)
            for unit in split_units(line, heard.language)
        ]
        recognised = list(_heard_units(heard, key))
        if not recognised:
            raise AlignmentError(
                "no speech was recognised in the recording, so there is nothing to align a text to"
            )
        anchors = find_anchors(units, recognised)
        n_keyed = sum(bool(unit.key) for unit in units)
        if not anchors or len(anchors) < _LEAST_SHARE * n_keyed:
            raise AlignmentError(
                f"{len(anchors)} of the text's {n_keyed} words or characters were recognised in "
                f"the recording, which has {len(recognised)} ({heard.language}); "
                f"{_LEAST_SHARE:.0%} are needed. Give the text that is spoken in it, and its "
                "language, or take a larger model"
            )
        n_frames = int(heard.duration * FRAMES_PER_SECOND)
        self._passages = find_passages(units, anchors, n_frames)
        spoken = {passage.start: passage for passage in self._passages if passage.is_spoken}
        self._text = GivenText(units=units, passages=spoken, language=heard.language)
        self._options = options
        self._tokenizer = tokenizer

    def plan(self, n_mels: int) -> Plan:
        """What is to be done with the recording when it is read the second time."""
        spoken = list(self._text.passages.values())
        return Plan(
            make_program=lambda _peak, _language: align_passages(
                self._tokenizer, self._options, self._text
            ),
            make_cutter=partial(_CutPassages, spoken),
            is_parallel=True,
            tells_speech=True,
            language=self._language,
            n_mels=n_mels,
        )

    def transcript(self, aligned: Transcript) -> Transcript:
        """The whole text with its times, a segment for each line.

        Args:
            aligned: What the plan's programs found.
        """
        units = self._text.units
        by_seek = {
            seek: [word for segment in segments for word in segment.words or ()]
            for seek, segments in groupby(aligned.segments, lambda segment: segment.seek)
        }
        words: list[Word] = []
        for passage in self._passages:
            own = by_seek.get(passage.start) if passage.is_spoken else None
            words += shared_out(units, passage) if own is None else own
        segments: list[Segment] = []
        place = 0
        reached = 0.0
        for _, line in groupby(units, lambda unit: unit.line):
            text = "".join(unit.text for unit in line)
            first, length = place, 0
            while length < len(text):
                length += len(words[place].word)
                place += 1
            own = _in_order(whole_words(words[first:place], self._language), reached)
            reached = own[-1].end
            segment = as_segment(
                own,
                text,
                self._language,
                seek=int(own[0].start * FRAMES_PER_SECOND),
                tokens=tuple(self._tokenizer.encode(text)),
            )
            segments.append(replace(segment, id=len(segments)))
        return replace(
            self._heard,
            text="".join(segment.text for segment in segments),
            segments=tuple(segments),
        )


def _in_order(words: Sequence[Word], reached: float) -> list[Word]:
    """Words that do not run backwards."""
    done: list[Word] = []
    for word in words:
        start = max(word.start, reached)
        reached = max(word.end, start)
        done.append(replace(word, start=start, end=reached))
    return done


def _heard_units(heard: Transcript, key: Callable[[str], str]) -> Iterable[HeardUnit]:
    """What was recognised, in units; where a word is several, they share its time."""
    for segment in heard.segments:
        for word in segment.words or ():
            units = split_units(word.word.strip(), heard.language)
            start, end = (round(time * FRAMES_PER_SECOND) for time in (word.start, word.end))
            for index, unit in enumerate(units):
                if key(unit):
                    yield HeardUnit(
                        key=key(unit),
                        start=start + (end - start) * index // len(units),
                        end=start + (end - start) * (index + 1) // len(units),
                    )


class _CutPassages:
    """A cutter that knows its regions from the beginning."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages

    def push(self, samples: NDArray[np.float32]) -> Sequence[Passage]:
        return self.finish()

    def finish(self) -> Sequence[Passage]:
        found, self._passages = self._passages, ()
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoReadings:
    """The progress of two readings of a recording, told as that of one.

    Attributes:
        tell: Told of it, with the segments of the given text only.
    """

    tell: Callable[[FileProgress], None]

    def first(self, progress: FileProgress) -> None:
        """How far the transcription is."""
        self.tell(replace(progress, position_s=progress.position_s / 2, segments=(), done=False))

    def second(self, progress: FileProgress, duration_s: float) -> None:
        """How far the alignment is."""
        position_s = duration_s / 2 + progress.position_s / 2
        self.tell(replace(progress, position_s=position_s, segments=(), done=False))

    def done(self, transcript: Transcript) -> None:
        """All is done."""
        self.tell(
            FileProgress(
                index=0,
                position_s=transcript.duration,
                duration_s=transcript.duration,
                segments=transcript.segments,
                language=transcript.language,
                done=True,
            )
        )
