"""Two transcripts of one recording side by side: what was said, and what it means."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from whisper_jax.formats.cues import Cue, passage_of, timed
from whisper_jax.formats.layout import Line, Passage, break_lines, fits
from whisper_jax.formats.options import SubtitleOptions
from whisper_jax.types import Segment, Transcript

_BREAK = 3.0
_AWAY_FROM_MIDDLE = 2.0
_LONGEST_SEGMENT_S = 60.0
_OUT_OF_STEP = 1.0
"""What a second costs that two halves of a cue are apart in the two languages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """Words [start, stop) of a passage."""

    passage: Passage
    start: int
    stop: int

    @property
    def n_words(self) -> int:
        return self.stop - self.start

    @property
    def start_ms(self) -> int:
        return self.passage.words[self.start].start_ms

    @property
    def end_ms(self) -> int:
        return max(word.end_ms for word in self.passage.words[self.start : self.stop])

    @property
    def lines(self) -> tuple[Line, ...]:
        return break_lines(self.passage, self.start, self.stop) if self.n_words else ()

    @property
    def fits(self) -> bool:
        return fits(self.passage, self.start, self.stop)

    def halves(self, index: int) -> "tuple[_Part, _Part]":
        return replace(self, stop=index), replace(self, start=index)


type _Pair = tuple[_Part, _Part]


def make_bilingual_cues(
    transcript: Transcript,
    translation: Transcript,
    options: SubtitleOptions | None = None,
    *,
    names_speakers: bool = False,
    tick_ms: int = 1,
) -> list[Cue]:
    """Cues with what was said, and under it its translation.

    Segments that are spoken at the same time belong together: each with all that it shares half
    its time with, and with the one it shares most with. What belongs together is divided, in both
    languages at about the same time and at the best places for a break, until each part keeps the
    limits. The limits hold for each language by itself: a cue may have ``max_line_count`` lines
    of both. What is in the language of the translation already has none.

    Args:
        transcript: What was said.
        translation: The same in another language: of the same recording, with its own segments.
        options: The limits; cues never run on over the ends of what belongs together.
        names_speakers: See `whisper_jax.formats.cues.make_cues`.
        tick_ms: See `whisper_jax.formats.cues.make_cues`.
    """
    options = SubtitleOptions() if options is None else options
    target = "en" if translation.task == "translate" else translation.language
    drafts: list[Cue] = []
    for above, below in _groups(transcript.segments, translation.segments):
        if above and all(segment.language == target for segment in above):
            below = []
        said, meant = (
            _whole(passage_of(segments, options, names_speakers=names_speakers))
            for segments in (above, below)
        )
        first = (above or below)[0]
        drafts += [_draft(first, pair, target) for pair in _divided((said, meant))]
    return timed(sorted(drafts, key=lambda cue: cue.start_ms), options, tick_ms)


def _groups(
    above: Sequence[Segment], below: Sequence[Segment]
) -> list[tuple[list[Segment], list[Segment]]]:
    """Segments of both that belong together, in order of time."""
    nodes = [(0, segment) for segment in above] + [(1, segment) for segment in below]
    nodes = [(side, segment) for side, segment in nodes if segment.text.strip()]
    nodes.sort(key=lambda node: (node[1].start, node[0]))
    group = list(range(len(nodes)))

    def root(index: int) -> int:
        while group[index] != index:
            index = group[index]
        return index

    for index, (side, segment) in enumerate(nodes):
        for other in _partners(nodes, index, side, segment):
            low, high = sorted((root(index), root(other)))
            group[high] = low
    found: dict[int, tuple[list[Segment], list[Segment]]] = {}
    for index, (side, segment) in enumerate(nodes):
        found.setdefault(root(index), ([], []))[side].append(segment)
    return list(found.values())


def _partners(
    nodes: Sequence[tuple[int, Segment]], index: int, side: int, segment: Segment
) -> list[int]:
    """Segments of the other side that one belongs to."""
    shares = [
        (_shared_s(segment, other), place)
        for place, (other_side, other) in _near(nodes, index, segment)
        if other_side != side and other.speaker == segment.speaker
    ]
    shares = [(shared_s, place) for shared_s, place in shares if shared_s > 0]
    if not shares:
        return []
    partners = [
        place
        for shared_s, place in shares
        if shared_s >= 0.5 * min(_length_s(segment), _length_s(nodes[place][1]))
    ]
    return partners or [max(shares)[1]]


def _near(
    nodes: Sequence[tuple[int, Segment]], index: int, segment: Segment
) -> list[tuple[int, tuple[int, Segment]]]:
    """Those that begin before a segment ends, and not long before it begins."""
    low = high = index
    while low > 0 and nodes[low - 1][1].start > segment.start - _LONGEST_SEGMENT_S:
        low -= 1
    while high + 1 < len(nodes) and nodes[high + 1][1].start < segment.end:
        high += 1
    return [(place, nodes[place]) for place in range(low, high + 1)]


def _shared_s(one: Segment, other: Segment) -> float:
    return min(one.end, other.end) - max(one.start, other.start)


def _length_s(segment: Segment) -> float:
    return segment.end - segment.start


def _whole(passage: Passage) -> _Part:
    return _Part(passage=passage, start=0, stop=len(passage.words))


def _draft(segment: Segment, pair: _Pair, target: str) -> Cue:
    """A cue that is shown while what was said is spoken."""
    said, meant = pair
    timing = said if said.n_words else meant
    return Cue(
        start_ms=timing.start_ms,
        end_ms=timing.end_ms,
        lines=said.lines,
        translation=meant.lines,
        speaker=segment.speaker,
        language=segment.language,
        translation_language=target if meant.n_words else "",
    )


def _divided(pair: _Pair) -> list[_Pair]:
    """Both languages in parts that keep the limits, each pair at about the same time."""
    done: list[_Pair] = []
    left = [pair]
    while left:
        said, meant = left.pop()
        if said.n_words == meant.n_words == 0:
            continue
        if said.fits and meant.fits:
            done.append((said, meant))
            continue
        first_said, second_said, first_meant, second_meant = _halved(said, meant)
        left += [(second_said, second_meant), (first_said, first_meant)]
    return done


def _halved(said: _Part, meant: _Part) -> tuple[_Part, _Part, _Part, _Part]:
    """The halves of both; what has one word, or none, goes with the first half."""
    if said.n_words < 2 or meant.n_words < 2:
        longer = said if meant.n_words < 2 else meant
        index = min(_places(longer), key=lambda place: _cost(longer, place))
        if longer is said:
            return (*said.halves(index), *meant.halves(meant.stop))
        return (*said.halves(said.stop), *meant.halves(index))
    costs = {place: _cost(meant, place) for place in _places(meant)}

    def cost(one: int, other: int) -> float:
        apart_ms = said.passage.words[one].start_ms - meant.passage.words[other].start_ms
        return _cost(said, one) + costs[other] + _OUT_OF_STEP * abs(apart_ms) / 1000

    places = [(one, other) for one in _places(said) for other in costs]
    one, other = min(places, key=lambda place: cost(*place))
    return (*said.halves(one), *meant.halves(other))


def _places(part: _Part) -> range:
    return range(part.start + 1, part.stop)


def _cost(part: _Part, place: int) -> float:
    """What it costs to divide before a word: least after a sentence, and in the middle."""
    share = (place - part.start) / part.n_words
    return _BREAK * part.passage.costs[place - 1] + _AWAY_FROM_MIDDLE * abs(2 * share - 1)
