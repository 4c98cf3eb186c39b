"""What can be said of a stream from what it showed and what was spoken. Pure functions.

Everything is counted in the units that error rates are counted in: words or characters, normalised.
So a word whose case or punctuation changes has not changed.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from whisper_jax.bench.live.clock import PlayClock
from whisper_jax.bench.live.shown import Shown
from whisper_jax.bench.live.tracks import Track
from whisper_jax.bench.live.units import SourcedUnits, sourced_units
from whisper_jax.scoring import ErrorRate, error_rate, normalise
from whisper_jax.scoring.matching import matching_units, paired_units


@dataclass(frozen=True, kw_only=True, slots=True)
class SpokenUnit:
    """A unit of the reference, and what became of it.

    Attributes:
        unit: Itself.
        end_s: When its end was played, in seconds since the stream began.
        is_timed: Whether that is known; if not it is a guess.
        committed: The unit that was committed in its place, perhaps another; None if none was.
        commit_s: From its end to its commitment; None if there was none.
        first_shown_s: From its end to when what was committed first stood in its place.
    """

    unit: str
    end_s: float
    is_timed: bool
    committed: str | None = None
    commit_s: float | None = None
    first_shown_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamFigures:
    """What came of a stream, or of several together.

    Attributes:
        rate: Errors of the committed text.
        units: The units of the reference, in order.
        n_shown: Units that were shown as tentative, each counted once an update.
        n_revised: Of these, units that were not there any more in what followed.
        n_updates: Times that more had been heard when text was told.
        intervals_s: Seconds between updates within a segment.
        audio_s: Seconds of audio.
    """

    rate: ErrorRate
    units: tuple[SpokenUnit, ...]
    n_shown: int
    n_revised: int
    n_updates: int
    intervals_s: tuple[float, ...]
    audio_s: float

    @property
    def commit_delays_s(self) -> tuple[float, ...]:
        """From the end of each unit to its commitment, where both are known."""
        return tuple(
            one.commit_s for one in self.units if one.is_timed and one.commit_s is not None
        )

    @property
    def first_shown_delays_s(self) -> tuple[float, ...]:
        """From the end of each unit to when it was first shown, where both are known."""
        timed = (one for one in self.units if one.is_timed)
        return tuple(one.first_shown_s for one in timed if one.first_shown_s is not None)

    @property
    def n_deleted(self) -> int:
        """Units that nothing was committed for: they have no delay."""
        return sum(one.committed is None for one in self.units)

    @property
    def n_untimed(self) -> int:
        """Units whose time is not known: their delays are not counted."""
        return sum(not one.is_timed for one in self.units)

    @property
    def revised_per_minute(self) -> float:
        """Tentative units that changed or vanished, a minute of audio."""
        return 60 * self.n_revised / self.audio_s if self.audio_s else 0.0

    @property
    def revised_per_unit(self) -> float:
        """Tentative units that changed or vanished, a unit of the reference."""
        return self.n_revised / len(self.units) if self.units else 0.0


def stream_figures(track: Track, shown: Sequence[Shown], clock: PlayClock) -> StreamFigures:
    """The figures of one stream.

    Args:
        track: What was played.
        shown: What it showed, in order.
        clock: When what was played.
    """
    pieces = [one for one in shown if one.committed]
    committed = sourced_units(_with_breaks(pieces), track.tag)
    n_revised, n_shown = revisions(shown, track.tag)
    intervals = update_intervals_s(shown)
    return StreamFigures(
        rate=error_rate([track.reference], [committed_text(shown)], track.tag),
        units=_spoken_units(track, pieces, committed, shown, clock),
        n_shown=n_shown,
        n_revised=n_revised,
        n_updates=len(intervals) + len({one.segment for one in shown if one.heard_s is not None}),
        intervals_s=intervals,
        audio_s=track.duration_s,
    )


def committed_text(shown: Sequence[Shown]) -> str:
    """All that was committed, each segment on a line of its own."""
    return "".join(_with_breaks([one for one in shown if one.committed]))


def pooled(figures: Sequence[StreamFigures]) -> StreamFigures:
    """Several streams of one language as one; of at least one."""
    rate = figures[0].rate
    for one in figures[1:]:
        rate += one.rate
    return StreamFigures(
        rate=rate,
        units=tuple(unit for one in figures for unit in one.units),
        n_shown=sum(one.n_shown for one in figures),
        n_revised=sum(one.n_revised for one in figures),
        n_updates=sum(one.n_updates for one in figures),
        intervals_s=tuple(s for one in figures for s in one.intervals_s),
        audio_s=sum(one.audio_s for one in figures),
    )


def update_intervals_s(shown: Sequence[Shown]) -> tuple[float, ...]:
    """Seconds from one update to the next of the same segment.

    An update is when more had been heard; all that is told of it counts as one.
    """
    heard = [one for one in shown if one.heard_s is not None]
    updates = [next(group) for _, group in groupby(heard, lambda one: (one.segment, one.heard_s))]
    return tuple(
        after.at_s - before.at_s
        for before, after in pairwise(updates)
        if before.segment == after.segment
    )


def revisions(shown: Sequence[Shown], language: str) -> tuple[int, int]:
    """Tentative units that changed or vanished, and all that were shown.

    What was tentative is held against what stands in its place when it is replaced: what has been
    committed since, and what is tentative then.

    Args:
        shown: What a stream showed, in order.
        language: Language code or tag.
    """
    n_revised = n_shown = 0
    for _, group in groupby(shown, lambda one: one.segment):
        tentative: list[str] = []
        since = ""
        for one in group:
            since += one.committed
            if one.tentative is None:
                continue
            text = normalise(since + one.tentative, language).split()
            n_revised += len(tentative) - len(matching_units(tentative, text))
            tentative, since = normalise(one.tentative, language).split(), ""
            n_shown += len(tentative)
    return n_revised, n_shown


def first_shown_s(
    shown: Sequence[Shown], committed: SourcedUnits, language: str
) -> tuple[float, ...]:
    """When each committed unit first stood in its place, tentative or committed.

    Its place is after the text that was committed before, as far as the fewest edits between what
    was tentative then and what was committed in the end put it there.

    Args:
        shown: What a stream showed, in order.
        committed: The units of what it committed; their sources are the `Shown` that have
            committed text.
        language: Language code or tag.
    """
    pieces = [one for one in shown if one.committed]
    segments = [pieces[source].segment for source in committed.sources]
    found = [pieces[source].at_s for source in committed.sources]
    n_pieces = 0
    for one in shown:
        n_pieces += bool(one.committed)
        if not one.tentative:
            continue
        units = normalise(one.tentative, language).split()
        start = committed.n_from(n_pieces)
        stop = min(start + len(units), bisect_right(segments, one.segment))
        for place, _ in matching_units(committed.units[start:stop], units):
            found[start + place] = min(found[start + place], one.at_s)
    return tuple(found)


def _spoken_units(
    track: Track,
    pieces: Sequence[Shown],
    committed: SourcedUnits,
    shown: Sequence[Shown],
    clock: PlayClock,
) -> tuple[SpokenUnit, ...]:
    spoken = sourced_units([word.word for word in track.words], track.tag)
    first_s = first_shown_s(shown, committed, track.tag)
    pairs = dict(paired_units(spoken.units, committed.units))
    found: list[SpokenUnit] = []
    for place, (unit, source) in enumerate(zip(spoken.units, spoken.sources, strict=True)):
        word = track.words[source]
        end_s = clock.played_at_s(word.end)
        other = pairs.get(place)
        about = SpokenUnit(unit=unit, end_s=end_s, is_timed=word.probability > 0)
        if other is not None:
            about = SpokenUnit(
                unit=unit,
                end_s=end_s,
                is_timed=about.is_timed,
                committed=committed.units[other],
                commit_s=pieces[committed.sources[other]].at_s - end_s,
                first_shown_s=first_s[other] - end_s,
            )
        found.append(about)
    return tuple(found)


def _with_breaks(pieces: Sequence[Shown]) -> list[str]:
    """Committed texts, with a line break where another segment begins."""
    breaks = ("\n" if a.segment != b.segment else "" for a, b in pairwise(pieces))
    starts = ["", *breaks] if pieces else []
    return [start + one.committed for start, one in zip(starts, pieces, strict=True)]
