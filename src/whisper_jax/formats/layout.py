"""From words to cues and lines: what is shown together, and where it is broken.

Cues, and lines within a cue, are the cheapest way to divide the words that keeps the limits. It
costs least to break after a sentence, then after a clause, then in a pause, and most inside a
phrase (`whisper_jax.formats.breaks.break_cost`); few cues and lines of like length cost less than
many and uneven ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from whisper_jax.formats.breaks import CLAUSE, INSIDE_PHRASE, break_cost, width
from whisper_jax.formats.options import SubtitleOptions
from whisper_jax.formats.phrases import phrase_starts
from whisper_jax.formats.words import CueWord

type Line = tuple[CueWord, ...]

LONG_PAUSE_MS = 3000
"""Cues do not run on over a longer pause, as in openai-whisper."""

_A_CUE = 1.0
_BREAKS_A_CUE = 3.0
_EVENNESS = 4.0
_FILL = 0.5
_TOO_SHORT = 2.0
_SHORT_PAUSE_MS = 600
_PAUSE_INSIDE_A_SECOND = 1.5


@dataclass(frozen=True, kw_only=True)
class Passage:
    """Words that are divided into cues: of one segment, or of several that run on.

    Attributes:
        words: In order.
        segment_ends: How many words have been said where a segment ends: a break there is no
            worse than one after a clause.
        options: The limits.
        indent: Columns that the speaker's name takes on the first line of a cue.
    """

    words: Sequence[CueWord]
    segment_ends: frozenset[int]
    options: SubtitleOptions
    indent: int = 0
    # Derived, a number for each word: its columns, those of its space, and what a break after it
    # costs.
    widths: list[int] = field(init=False, default_factory=list[int])
    spaces: list[int] = field(init=False, default_factory=list[int])
    costs: list[float] = field(init=False, default_factory=list[float])

    def __post_init__(self) -> None:
        text = "".join(word.space + word.text for word in self.words)
        starts = phrase_starts(text)
        position = 0
        for index, word in enumerate(self.words):
            position += len(word.space) + len(word.text)
            self.widths.append(width(word.text))
            self.spaces.append(width(word.space))
            self.costs.append(self._cost_after(index, starts is None or position in starts))

    def pause_after(self, index: int) -> int:
        """Milliseconds between a word and the next."""
        return max(0, self.words[index + 1].start_ms - self.words[index].end_ms)

    def _cost_after(self, index: int, ends_phrase: bool) -> float:
        if index + 1 == len(self.words):
            return 0.0
        following = self.words[index + 1]
        cost = break_cost(self.words[index].text, following.space, following.text)
        if not following.space and not ends_phrase:
            cost = max(cost, INSIDE_PHRASE)
        if index + 1 in self.segment_ends:
            cost = min(cost, CLAUSE)
        return cost * (1 - 0.7 * min(1.0, self.pause_after(index) / _SHORT_PAUSE_MS))


def divide(passage: Passage) -> list[tuple[int, int]]:
    """The words [start, stop) of each cue."""
    n = len(passage.words)
    if not passage.options.divides:
        return [(0, n)] if n else []
    best = [0.0] + [float("inf")] * n
    cue_start = [0] * (n + 1)
    for start in range(n):
        for stop, cost in _cues_from(passage, start):
            if best[start] + cost < best[stop]:
                best[stop], cue_start[stop] = best[start] + cost, start
    return _spans(cue_start, n)


def fits(passage: Passage, start: int, stop: int) -> bool:
    """Whether the words [start, stop) may be one cue; a single word always may."""
    return stop - start <= 1 or any(end == stop for end, _ in _cues_from(passage, start))


def _cues_from(passage: Passage, start: int) -> list[tuple[int, float]]:
    """Each end of a cue that may begin with a word, and what the cue costs."""
    options, words = passage.options, passage.words
    longest = options.max_cue_duration
    filling = _Filling(passage, start)
    found: list[tuple[int, float]] = []
    pauses = 0.0
    for stop in range(start + 1, len(words) + 1):
        duration_ms = words[stop - 1].end_ms - words[start].start_ms
        filling.add(stop - 1)
        is_too_long = longest is not None and duration_ms > 1000 * longest
        if stop > start + 1:
            if is_too_long or filling.is_over:
                break
            pause_ms = passage.pause_after(stop - 2)
            pauses += max(0, pause_ms - _SHORT_PAUSE_MS) / 1000 * _PAUSE_INSIDE_A_SECOND
        cost = _A_CUE + _BREAKS_A_CUE * passage.costs[stop - 1] + pauses
        cost += _FILL * filling.emptiness**2
        if duration_ms < 1000 * options.min_cue_duration:
            cost += _TOO_SHORT
        found.append((stop, cost))
    return found


class _Filling:
    """Lines that are filled with words, each as full as it gets: the fewest lines there can be."""

    def __init__(self, passage: Passage, start: int) -> None:
        self._passage = passage
        self._start = start
        self._n_lines = 1
        self._columns = passage.indent
        self._n_words = 0

    def add(self, index: int) -> None:
        """Add the next word."""
        passage, options = self._passage, self._passage.options
        gap = passage.spaces[index] if self._n_words else 0
        columns = self._columns + gap + passage.widths[index]
        is_full = _over(options.max_line_width, columns)
        if self._n_words and (is_full or _over(options.max_words_per_line, self._n_words + 1)):
            self._n_lines += 1
            self._n_words, columns = 0, passage.widths[index]
        self._columns = columns
        self._n_words += 1

    @property
    def is_over(self) -> bool:
        """Whether there are more lines than a cue may have."""
        return _over(self._passage.options.max_lines, self._n_lines)

    @property
    def n_lines(self) -> int:
        """Lines so far."""
        return self._n_lines

    @property
    def emptiness(self) -> float:
        """The share of a cue's columns that is not used; 0 where there is no limit."""
        options = self._passage.options
        if options.max_line_width is None or options.max_lines is None:
            return 0.0
        used = (self._n_lines - 1) * options.max_line_width + self._columns
        return max(0.0, 1 - used / (options.max_lines * options.max_line_width))


def break_lines(passage: Passage, start: int, stop: int) -> tuple[Line, ...]:
    """The words [start, stop) of a cue as the fewest lines they fit on, of like length."""
    options = passage.options
    filling = _Filling(passage, start)
    for index in range(start, stop):
        filling.add(index)
    n_lines = filling.n_lines
    total = sum(passage.widths[start:stop]) + sum(passage.spaces[start + 1 : stop])
    mean = (total + passage.indent) / n_lines
    scale = options.max_line_width or max(mean, 1.0)

    def cost(first: int, last: int, columns: int) -> float:
        uneven = _EVENNESS * ((columns - mean) / scale) ** 2
        return uneven + (0.0 if last == stop else passage.costs[last - 1])

    spans = _best_lines(passage, (start, stop), n_lines, cost)
    return tuple(tuple(passage.words[first:last]) for first, last in spans)


def _best_lines(
    passage: Passage,
    span: tuple[int, int],
    n_lines: int,
    cost: Callable[[int, int, int], float],
) -> list[tuple[int, int]]:
    """The cheapest way to put words on so many lines."""
    start, stop = span
    best: dict[int, tuple[float, tuple[tuple[int, int], ...]]] = {start: (0.0, ())}
    for _ in range(n_lines):
        further: dict[int, tuple[float, tuple[tuple[int, int], ...]]] = {}
        for first, (spent, lines) in best.items():
            for last, columns in _lines_from(passage, first, span):
                total = spent + cost(first, last, columns)
                if last not in further or total < further[last][0]:
                    further[last] = total, (*lines, (first, last))
        best = further
    return list(best[stop][1])


def _lines_from(passage: Passage, first: int, span: tuple[int, int]) -> list[tuple[int, int]]:
    """Each end of a line that may begin with a word, and the line's columns."""
    start, stop = span
    options = passage.options
    columns = passage.indent if first == start else 0
    found: list[tuple[int, int]] = []
    for last in range(first + 1, stop + 1):
        columns += passage.widths[last - 1] + (passage.spaces[last - 1] if last > first + 1 else 0)
        if last > first + 1 and (
            _over(options.max_line_width, columns)
            or _over(options.max_words_per_line, last - first)
        ):
            break
        found.append((last, columns))
    return found


def _over(limit: int | None, number: int) -> bool:
    return limit is not None and number > limit


def _spans(span_start: Sequence[int], n: int) -> list[tuple[int, int]]:
    """Spans from where each of them begins, by its end."""
    spans: list[tuple[int, int]] = []
    while n > 0:
        spans.append((span_start[n], n))
        n = span_start[n]
    return spans[::-1]
