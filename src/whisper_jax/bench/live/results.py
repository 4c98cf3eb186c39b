"""What came of a measurement of live streams."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from whisper_jax.bench.live.clock import PlayClock
from whisper_jax.bench.live.metrics import (
    StreamFigures,
    committed_text,
    pooled,
    stream_figures,
)
from whisper_jax.bench.live.plan import LiveConfiguration, LivePlan
from whisper_jax.bench.live.shown import Shown
from whisper_jax.bench.live.tracks import Track
from whisper_jax.bench.live.usage import Usage
from whisper_jax.scoring import ErrorRate


@dataclass(frozen=True, kw_only=True)
class StreamResult:
    """One stream.

    Attributes:
        name: Of its recording.
        set_name: What it is reported under.
        text: What was committed.
        figures: What came of it.
    """

    name: str
    set_name: str
    text: str
    figures: StreamFigures


def stream_result(track: Track, shown: Sequence[Shown], clock: PlayClock) -> StreamResult:
    """What came of a stream; the arguments are those of `stream_figures`."""
    return StreamResult(
        name=track.name,
        set_name=track.set_name,
        text=committed_text(shown),
        figures=stream_figures(track, shown, clock),
    )


@dataclass(frozen=True, kw_only=True)
class LiveRun:
    """One configuration over all recordings.

    Attributes:
        configuration: What was run.
        streams: Every stream that was played.
        usage: What all of it used.
        most_late_s: The longest that a block was sent after it was due.
        n_compiled: Programs that were compiled while it was measured: 0 if all is well. None of a
            peer.
        versions: Of a peer and what it computes with, by package.
    """

    configuration: LiveConfiguration
    streams: tuple[StreamResult, ...]
    usage: Usage
    most_late_s: float
    n_compiled: int | None = None
    versions: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def by_set(self) -> dict[str, StreamFigures]:
        """The figures of each set, of which all recordings are scored in the same unit."""
        groups: dict[str, list[StreamFigures]] = {}
        for one in self.streams:
            groups.setdefault(one.set_name, []).append(one.figures)
        return {name: pooled(group) for name, group in groups.items()}

    @property
    def commit_delays_s(self) -> tuple[float, ...]:
        """Of all streams."""
        return tuple(s for one in self.streams for s in one.figures.commit_delays_s)

    @property
    def first_shown_delays_s(self) -> tuple[float, ...]:
        """Of all streams."""
        return tuple(s for one in self.streams for s in one.figures.first_shown_delays_s)


@dataclass(frozen=True, kw_only=True)
class OfflineRates:
    """What the same model writes when it has the whole recordings.

    Attributes:
        decoding: ``defaults`` or ``greedy``.
        rates: Errors by set.
    """

    decoding: str
    rates: dict[str, ErrorRate]


@dataclass(frozen=True, kw_only=True)
class LiveReport:
    """All that was measured.

    Attributes:
        plan: What was to be.
        runs: One for each configuration that could be run.
        offline: To compare with; may be empty.
        problems: What went wrong.
    """

    plan: LivePlan
    runs: tuple[LiveRun, ...]
    offline: tuple[OfflineRates, ...]
    problems: tuple[str, ...]


def pooled_rates(rates: Sequence[tuple[str, ErrorRate]]) -> dict[str, ErrorRate]:
    """Errors by name, those of the same name together."""
    found: dict[str, ErrorRate] = {}
    for name, rate in rates:
        found[name] = found[name] + rate if name in found else rate
    return found
