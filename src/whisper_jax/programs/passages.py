"""Which stretch of a given text is spoken in which part of a recording.

The text is matched with what was recognised. Units (`whisper_jax.text.units`) that are the same,
with others near them, are anchors: there the times are known. Between them the text is cut, where
possible in pauses, into passages that fit into a window. Text for which there is no time, since it
was not spoken, is a passage that nobody has to listen to.

Times are 10 ms frames of the recording.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, final

from whisper_jax.scoring.matching import matching_units

_NEAR = 4
"""An anchor has two others no further from it, in both texts: single words agree by chance."""
_LONGEST_FRAMES = 2800
"""A passage, without what is heard before and after it."""
_MARGIN_FRAMES = 30
"""Heard before and after a passage where the text is interrupted."""
_MOST_TOKENS = 440
"""Of the decoder's 448 positions, those that a text may take."""
_FASTEST = 3
"""Nobody speaks so many times faster than on average."""
_SLACK_FRAMES = 100
_LONGEST_GAP_FRAMES = 2000
"""Text between anchors further apart than this cannot be found in one window."""
_INTERRUPTION_FRAMES = 300
"""What is longer between two words of the text, or has as many other words, is not listened to."""
_INTERRUPTION_WORDS = 4
_SILENCE_FRAMES = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenUnit:
    """A unit of the given text.

    Attributes:
        text: As it is written, with the space before it.
        key: What it is compared by; empty if it is only signs.
        line: The line that it is in.
        n_tokens: Tokens that it takes.
    """

    text: str
    key: str
    line: int
    n_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardUnit:
    """A unit that was recognised, with its times."""

    key: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """A unit of the text that was recognised: its place there and there, and its times."""

    unit: int
    heard: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A stretch of the text, and where it is spoken.

    Attributes:
        start: First frame.
        stop: One past the last.
        first_unit: Its first unit.
        stop_unit: One past its last unit.
        is_spoken: False if it has these times only because its neighbours leave no others.
        anchors: What was recognised of it.
        speech: Spans in which something is spoken, as far as they are known.
    """

    start: int
    stop: int
    first_unit: int
    stop_unit: int
    is_spoken: bool
    anchors: tuple[Anchor, ...] = ()
    speech: tuple[tuple[int, int], ...] = ()


def find_anchors(given: Sequence[GivenUnit], heard: Sequence[HeardUnit]) -> list[Anchor]:
    """The units of the text that were recognised, in order; their times do not overlap."""
    ours = [place for place, unit in enumerate(given) if unit.key]
    theirs = [place for place, unit in enumerate(heard) if unit.key]
    pairs = matching_units([given[i].key for i in ours], [heard[j].key for j in theirs])
    n_wanted = min(2, len(ours) - 1)
    anchors: list[Anchor] = []
    reached = 0
    for index, (i, j) in enumerate(pairs):
        around = pairs[max(0, index - 2) : index + 3]
        n_near = sum(abs(a - i) <= _NEAR and abs(b - j) <= _NEAR for a, b in around) - 1
        unit = heard[theirs[j]]
        if n_near >= n_wanted and unit.end > reached:
            start = max(unit.start, reached)
            anchors.append(Anchor(unit=ours[i], heard=theirs[j], start=start, end=unit.end))
            reached = unit.end
    return anchors


def find_passages(
    given: Sequence[GivenUnit], anchors: Sequence[Anchor], n_frames: int
) -> list[Passage]:
    """All of a text in passages, in order.

    Args:
        given: The text, one unit at least.
        anchors: What was recognised of it, one at least.
        n_frames: Length of the recording.
    """
    return _Planner(given, anchors, n_frames).passages()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Gap:
    """What is between two anchors.

    ``joined``: it is heard with both; ``interrupted``: something else is heard; ``absent``: text
    that was not spoken.
    """

    before: Anchor
    after: Anchor
    kind: Literal["joined", "interrupted", "absent"]
    start: int
    stop: int

    @property
    def is_clean(self) -> bool:
        """Whether all that may be in it is a pause."""
        return self.after.unit == self.before.unit + 1


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class _Cut:
    """Where a text may be cut: frames of pause there, the frame, the first unit after it."""

    pause: int
    frame: int
    unit: int


@final
class _Planner:
    """Makes the passages of one text."""

    def __init__(
        self, given: Sequence[GivenUnit], anchors: Sequence[Anchor], n_frames: int
    ) -> None:
        self._given = given
        self._anchors = anchors
        self._units = [anchor.unit for anchor in anchors]
        first = Anchor(unit=-1, heard=-1, start=0, end=0)
        end = max(n_frames, anchors[-1].end)
        last = Anchor(unit=len(given), heard=anchors[-1].heard + 1, start=end, end=end)
        n_letters = sum(len(given[anchor.unit].key) for anchor in anchors)
        spoken = sum(anchor.end - anchor.start for anchor in anchors)
        self._frames_per_letter = spoken / max(1, n_letters)
        self._gaps = [self._gap(a, b) for a, b in pairwise([first, *anchors, last])]
        self._n_tokens = [0]
        for unit in given:
            self._n_tokens.append(self._n_tokens[-1] + unit.n_tokens)

    def passages(self) -> list[Passage]:
        found: list[Passage] = []
        begin: tuple[int, int, int] | None = None  # frame, unit, gap
        for index, gap in enumerate(self._gaps):
            is_first, is_last = index == 0, index == len(self._gaps) - 1
            if gap.kind == "joined" and not is_first and not is_last:
                continue
            heard_of = gap.kind == "joined"
            stop_unit = gap.after.unit if heard_of and is_last else gap.before.unit + 1
            if begin is not None:
                found += self._windows(begin, (gap.start, stop_unit, index))
            if gap.kind == "absent":
                found.append(
                    Passage(
                        start=gap.start,
                        stop=gap.stop,
                        first_unit=gap.before.unit + 1,
                        stop_unit=gap.after.unit,
                        is_spoken=False,
                    )
                )
            first_unit = gap.before.unit + 1 if heard_of and is_first else gap.after.unit
            begin = (gap.stop, first_unit, index)
        return found

    def _gap(self, before: Anchor, after: Anchor) -> _Gap:
        """What is between two anchors, and where what is before it ends and after it begins."""
        room = after.start - before.end
        missing = self._given[before.unit + 1 : after.unit]
        is_edge = before.unit < 0 or after.unit == len(self._given)
        needed = self._frames_per_letter * sum(len(unit.key) for unit in missing)
        margin = min(_MARGIN_FRAMES, room // 2)
        reach = min(room, _LONGEST_GAP_FRAMES)
        if missing and is_edge:
            reach = min(reach, round(2 * needed) + _SLACK_FRAMES)
        n_others = after.heard - before.heard - 1
        if missing and (
            needed > _FASTEST * reach + _SLACK_FRAMES or (room > reach and not is_edge)
        ):
            kind = "absent"
        elif missing or is_edge:
            kind = "joined"
        elif room > _INTERRUPTION_FRAMES or n_others >= _INTERRUPTION_WORDS:
            kind = "interrupted"
        else:
            kind = "joined"
        if kind == "joined" and missing and is_edge:
            margin = reach
        return _Gap(
            before=before,
            after=after,
            kind=kind,
            start=min(before.end + margin, after.start),
            stop=max(after.start - margin, before.end),
        )

    def _windows(self, begin: tuple[int, int, int], end: tuple[int, int, int]) -> list[Passage]:
        """Text that is spoken without interruption, in passages that fit into windows.

        Args:
            begin: First frame, first unit, and the gap before the first anchor.
            end: One past the last frame and unit, and the gap after the last anchor.
        """
        start, unit, first_gap = begin
        stop, stop_unit, last_gap = end
        cuts = deque(cut for gap in self._gaps[first_gap + 1 : last_gap] for cut in self._cuts(gap))
        found: list[Passage] = []
        while not self._fits(start, stop, unit, stop_unit):
            while cuts and cuts[0].unit <= unit:
                cuts.popleft()
            fitting: list[_Cut] = []
            for cut in cuts:
                if not self._fits(start, cut.frame, unit, cut.unit):
                    break
                fitting.append(cut)
            late = [cut for cut in fitting if cut.frame - start >= _LONGEST_FRAMES // 2]
            # Where nothing fits, a unit is too long for a window, or for the decoder.
            end_cut = _Cut(pause=-1, frame=stop, unit=stop_unit)
            cut = max(late or fitting, default=cuts[0] if cuts else end_cut)
            found.append(self._passage(start, cut.frame, unit, cut.unit, bool(fitting)))
            if cut is end_cut:
                return found
            start, unit = cut.frame, cut.unit
        found.append(self._passage(start, stop, unit, stop_unit))
        return found

    def _cuts(self, gap: _Gap) -> list[_Cut]:
        """Where the text may be cut between two anchors."""
        before, after = gap.before, gap.after
        if gap.is_clean:
            pause = after.start - before.end
            return [_Cut(pause=pause, frame=before.end + pause // 2, unit=after.unit)]
        return [
            _Cut(pause=-1, frame=before.end, unit=before.unit + 1),
            _Cut(pause=-1, frame=after.start, unit=after.unit),
        ]

    def _fits(self, start: int, stop: int, unit: int, stop_unit: int) -> bool:
        n_tokens = self._n_tokens[stop_unit] - self._n_tokens[unit]
        return stop - start <= _LONGEST_FRAMES + 2 * _MARGIN_FRAMES and n_tokens <= _MOST_TOKENS

    def _passage(
        self, start: int, stop: int, unit: int, stop_unit: int, is_spoken: bool = True
    ) -> Passage:
        first, last = bisect_left(self._units, unit), bisect_left(self._units, stop_unit)
        return Passage(
            start=start,
            stop=stop,
            first_unit=unit,
            stop_unit=stop_unit,
            is_spoken=is_spoken and stop - start > 2,
            anchors=tuple(self._anchors[first:last]),
            speech=self._speech(first, last, start, stop),
        )

    def _speech(self, first: int, last: int, start: int, stop: int) -> tuple[tuple[int, int], ...]:
        """Where something is spoken, from the first of these anchors to the last."""
        spans: list[tuple[int, int]] = []
        for index in range(first, last + 1):
            gap = self._gaps[index]
            begin = max(start, gap.before.start)
            # Where text was not recognised nobody knows when it is spoken.
            is_silent = gap.is_clean and gap.after.start - gap.before.end > _SILENCE_FRAMES
            end = min(stop, gap.before.end if is_silent else gap.after.end)
            if begin >= end:
                continue
            if spans and begin <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], end))
            else:
                spans.append((begin, end))
        return tuple(spans)
