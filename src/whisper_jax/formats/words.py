"""The words of a segment as subtitles need them: unbreakable, each with its times."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate

from whisper_jax.formats.breaks import cut_words, is_space
from whisper_jax.types import Segment

_CONTROLS = dict.fromkeys(
    [*range(0x09), *range(0x0A, 0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " "
)

_LONGEST_WORD = 10
"""What is longer is no word, in scripts without spaces: it may be parted all the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CueWord:
    """What no line is broken inside: a word; in scripts without spaces, a character or a few.

    Attributes:
        text: The word with its punctuation.
        space: The white space before it in the transcript; empty in scripts without spaces.
        start_ms: When it begins, in milliseconds of the recording.
        end_ms: When it ends.
    """

    text: str
    space: str
    start_ms: int
    end_ms: int


def milliseconds(time_s: float) -> int:
    """A time as files have it: whole milliseconds, none before the recording."""
    return max(0, round(1000 * time_s))


def segment_words(segment: Segment) -> list[CueWord]:
    """The words of a segment, in order, none beginning before the one before it has.

    Their times are those of `Segment.words` where these make up the text. Otherwise the segment's
    time is shared out over its characters, white space excluded.
    """
    text = segment.text.translate(_CONTROLS)
    spoken = _Clock(segment, text)
    words: list[CueWord] = []
    earliest, last_stop = 0, 0
    for start, stop in cut_words(text, spoken.word_ends):
        start_ms = max(earliest, spoken.starts(start))
        word = CueWord(
            text=text[start:stop],
            space=" " if start - last_stop > 1 else text[last_stop:start],
            start_ms=start_ms,
            end_ms=max(start_ms, spoken.ends(stop)),
        )
        words.append(word)
        earliest, last_stop = start_ms, stop
    return words


class _Clock:
    """When each character of a segment's text is spoken.

    Attributes:
        word_ends: Where its words end in the text; None if their times are not known.
    """

    def __init__(self, segment: Segment, text: str) -> None:
        parts = [(text, segment.start, segment.end)]
        self.word_ends: set[int] | None = None
        words = [
            (word.word.translate(_CONTROLS), word.start, word.end) for word in segment.words or ()
        ]
        has_times = _bare("".join(part for part, _, _ in words)) == _bare(text)
        if has_times:
            parts = words
        counts = [len(_bare(part)) for part, _, _ in parts]
        stops = list(accumulate(counts))
        # Of each part that has any, its characters [first, stop), and its times.
        self._parts = [
            (stop - n, stop, start, end)
            for (_, start, end), n, stop in zip(parts, counts, stops, strict=True)
            if n > 0
        ]
        self._stops = [stop for _, stop, _, _ in self._parts]
        # Characters that are no white space up to each index: those alone take time.
        self._n_before = [0, *accumulate(not is_space(character) for character in text)]
        if has_times:
            ends = set(self._stops)
            for first, stop, _, _ in self._parts:
                if stop - first > _LONGEST_WORD:
                    ends.update(range(first, stop))
            self.word_ends = {index for index, n in enumerate(self._n_before) if n in ends}

    def starts(self, index: int) -> int:
        """Milliseconds at which the character at an index begins."""
        n = self._n_before[index]
        return _interpolated(self._parts[bisect_right(self._stops, n)], n)

    def ends(self, index: int) -> int:
        """Milliseconds at which the character before an index ends."""
        n = self._n_before[index]
        return _interpolated(self._parts[bisect_left(self._stops, n)], n)


def _interpolated(part: tuple[int, int, float, float], n: int) -> int:
    first, stop, start, end = part
    if n == first:
        return milliseconds(start)
    if n == stop:
        return milliseconds(end)
    return milliseconds(start + (end - start) * (n - first) / (stop - first))


def _bare(text: str) -> str:
    """A text without white space."""
    return "".join(character for character in text if not is_space(character))
