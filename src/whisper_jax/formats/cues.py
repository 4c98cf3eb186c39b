"""Subtitles before they have a format: what is shown when, on which lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from whisper_jax.formats.breaks import n_characters, parts_words, width
from whisper_jax.formats.layout import LONG_PAUSE_MS, Line, Passage, break_lines, divide
from whisper_jax.formats.options import SubtitleOptions
from whisper_jax.formats.timing import Spoken, shown_times
from whisper_jax.formats.words import CueWord, segment_words
from whisper_jax.types import Segment, Transcript


@dataclass(frozen=True, kw_only=True, slots=True)
class Cue:
    """What is shown at one time.

    Attributes:
        start_ms: When it appears, in milliseconds of the recording.
        end_ms: When it goes: after ``start_ms``, and not after the next one's.
        lines: Its words, line by line; their times are when they are spoken.
        translation: The same in another language, line by line; empty if there is none.
        speaker: Who speaks; None if that is not known.
        language: Code of the language spoken; empty if that is not known.
        translation_language: Code of the translation's language.
    """

    start_ms: int
    end_ms: int
    lines: tuple[Line, ...]
    translation: tuple[Line, ...] = ()
    speaker: str | None = None
    language: str = ""
    translation_language: str = ""

    @property
    def text(self) -> str:
        """Its lines, without the translation."""
        return "\n".join(map(line_text, self.lines))


def line_text(line: Line) -> str:
    """The text of a line."""
    return "".join(word.space + word.text for word in line).removeprefix(line[0].space)


def make_cues(
    transcript: Transcript,
    options: SubtitleOptions | None = None,
    *,
    names_speakers: bool = False,
    tick_ms: int = 1,
) -> list[Cue]:
    """Subtitles of a transcript, as people would publish them.

    Cues come in order and never overlap; each keeps the limits of the options, and no line is
    broken inside a word. Two things may break a limit: a single word that is wider than a line,
    and speech that is faster than the reading speed, without a pause after it. Nothing of the
    text is left out but white space and control characters. It keeps its logical order, whichever
    way its script runs.

    Times are those of the words (`Segment.words`); for segments without, the segment's time is
    shared out over its characters, so that cues within a segment are where the words would be if
    they were spoken at an even pace.

    Args:
        transcript: What was said; its segments are taken in the order of their beginnings.
        options: The limits; None sets none: a cue for each segment.
        names_speakers: Leave room for ``speaker: `` on each cue's first line.
        tick_ms: What times are multiples of.
    """
    options = SubtitleOptions() if options is None else options
    drafts: list[Cue] = []
    for segment, passage in passages(transcript, options, names_speakers=names_speakers):
        for start, stop in divide(passage):
            drafts.append(_draft(segment, passage, start, stop))
    return timed(sorted(drafts, key=lambda cue: cue.start_ms), options, tick_ms)


def _draft(segment: Segment, passage: Passage, start: int, stop: int) -> Cue:
    """The words [start, stop) of a passage as a cue that is shown while they are spoken."""
    words = passage.words[start:stop]
    return Cue(
        start_ms=words[0].start_ms,
        end_ms=max(word.end_ms for word in words),
        lines=break_lines(passage, start, stop),
        speaker=segment.speaker,
        language=segment.language,
    )


def timed(cues: Sequence[Cue], options: SubtitleOptions, tick_ms: int) -> list[Cue]:
    """The cues with the times at which they are shown."""
    spoken = [
        Spoken(
            start_ms=cue.start_ms,
            end_ms=cue.end_ms,
            n_characters=max(_n_characters(cue.lines), _n_characters(cue.translation)),
        )
        for cue in cues
    ]
    shown = shown_times(spoken, options, tick_ms=tick_ms)
    return [
        replace(cue, start_ms=start_ms, end_ms=end_ms)
        for cue, (start_ms, end_ms) in zip(cues, shown, strict=True)
    ]


def passages(
    transcript: Transcript, options: SubtitleOptions, *, names_speakers: bool = False
) -> Iterator[tuple[Segment, Passage]]:
    """Each segment, or those that run on together: the first of them, and the words of all."""
    spoken = [
        (segment, words)
        for segment in sorted(transcript.segments, key=lambda segment: segment.start)
        if (words := segment_words(segment))
    ]
    first = 0
    for index in range(1, len(spoken) + 1):
        if index < len(spoken) and options.runs_on and _runs_on(spoken[index - 1], spoken[index]):
            continue
        segments = [segment for segment, _ in spoken[first:index]]
        yield segments[0], passage_of(segments, options, names_speakers=names_speakers)
        first = index


def passage_of(
    segments: Sequence[Segment], options: SubtitleOptions, *, names_speakers: bool = False
) -> Passage:
    """The words of segments, all of the same speaker, to be divided together."""
    speaker = segments[0].speaker if segments and names_speakers else None
    words, ends = _joined([segment_words(segment) for segment in segments])
    return Passage(
        words=words,
        segment_ends=frozenset(ends),
        options=options,
        indent=0 if speaker is None else width(speaker_prefix(speaker)),
    )


def speaker_prefix(speaker: str) -> str:
    """A speaker's name as it stands before a text."""
    return f"{speaker}: "


def _runs_on(
    before: tuple[Segment, Sequence[CueWord]], after: tuple[Segment, Sequence[CueWord]]
) -> bool:
    """Whether a cue may hold words of both segments."""
    is_same = (before[0].speaker, before[0].language) == (after[0].speaker, after[0].language)
    return is_same and after[1][0].start_ms - before[1][-1].end_ms <= LONG_PAUSE_MS


def _joined(parts: Sequence[Sequence[CueWord]]) -> tuple[list[CueWord], list[int]]:
    """The words of several segments, a space between them where their scripts have one."""
    words: list[CueWord] = []
    ends: list[int] = []
    for part in parts:
        earliest = words[-1].start_ms if words else 0
        for index, word in enumerate(part):
            space = word.space
            if words and index == 0:
                space = " " if space or parts_words(words[-1].text, word.text) else ""
            start_ms = max(earliest, word.start_ms)
            words.append(
                replace(word, space=space, start_ms=start_ms, end_ms=max(start_ms, word.end_ms))
            )
        ends.append(len(words))
    return words, ends


def _n_characters(lines: Sequence[Line]) -> int:
    return sum(n_characters(line_text(line)) for line in lines)
