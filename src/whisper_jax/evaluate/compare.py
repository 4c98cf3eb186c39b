"""Several systems on the same clips, side by side, and whether their difference is chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whisper_jax.errors import OptionError
from whisper_jax.evaluate.manifest import Clip, is_of_set
from whisper_jax.evaluate.results import EvaluationReport, SetResult, pool_clips
from whisper_jax.scoring import ErrorRate, Unit

MIN_CLIPS = 5
"""With fewer clips than this, drawing from them says nothing about their spread."""

_N_RESAMPLES = 1000
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Sets that are reported together.

    Attributes:
        name: What it is called.
        patterns: Sets, as `is_of_set` takes them (``cv_*``, ``udhr:en``).
    """

    name: str
    patterns: tuple[str, ...]

    def holds(self, clip: Clip) -> bool:
        """Whether a clip belongs to it."""
        return any(is_of_set(clip, pattern) for pattern in self.patterns)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much a system of ours differs from the best peer on a pool.

    Attributes:
        pool: Name of the pool, or ``total``.
        unit: What is counted.
        ours: Name of our system.
        peer: Name of the peer with the lowest error rate there.
        difference: Our error rate less the peer's: below 0, ours is better.
        standard_error: Of the difference, by the paired bootstrap over clips (Bisani and Ney,
            2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation");
            None with fewer than `MIN_CLIPS` clips.
    """

    pool: str
    unit: Unit
    ours: str
    peer: str
    difference: float
    standard_error: float | None


type Row = tuple[SetResult, ...]
"""The same clips of each system, in the order of the systems."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Systems side by side. All of them have the same clips in the same order.

    Attributes:
        systems: At least one.
        pools: Sets to be reported together.

    Raises:
        OptionError: There is no system, two have the same name, their clips differ, or a pool
            holds no clip.
    """

    systems: tuple[EvaluationReport, ...]
    pools: tuple[Pool, ...] = ()

    def __post_init__(self) -> None:
        if not self.systems:
            raise OptionError("there is no system to show")
        names = [system.name for system in self.systems]
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if twice:
            raise OptionError(f"two systems are called {twice[0]!r}; name ours differently")
        clips = [result.clip for result in self.systems[0].clips]
        for system in self.systems:
            if [result.clip for result in system.clips] != clips:
                raise OptionError(f"{system.name} has other clips than {names[0]}")
        for pool in self.pools:
            if not any(map(pool.holds, clips)):
                raise OptionError(f"the pool {pool.name!r} holds no clip: {pool.patterns}")

    @property
    def pool_rows(self) -> tuple[Row, ...]:
        """A row for each pool; two for one that is scored in two units."""
        return tuple(row for pool in self.pools for row in self._rows_of(pool))

    @property
    def set_rows(self) -> tuple[Row, ...]:
        """A row for each set and unit."""
        return tuple(zip(*(system.sets for system in self.systems), strict=True))

    @property
    def total_rows(self) -> tuple[Row, ...]:
        """A row for each unit."""
        return tuple(zip(*(system.totals for system in self.systems), strict=True))

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Each of our systems against the best peer, for each pool and in total."""
        ours = [i for i, system in enumerate(self.systems) if not system.is_peer]
        peers = [i for i, system in enumerate(self.systems) if system.is_peer]
        if not peers:
            return ()
        found: list[Difference] = []
        for row in (*self.pool_rows, *self.total_rows):
            best = min(peers, key=lambda i: row[i].score.rate)
            found += [
                Difference(
                    pool=row[i].name,
                    unit=row[i].score.unit,
                    ours=self.systems[i].name,
                    peer=self.systems[best].name,
                    difference=row[i].score.rate - row[best].score.rate,
                    standard_error=_standard_error(row[i], row[best]),
                )
                for i in ours
            ]
        return tuple(found)

    def _rows_of(self, pool: Pool) -> tuple[Row, ...]:
        pooled = [
            pool_clips(
                (result for result in system.clips if pool.holds(result.clip)),
                lambda _: pool.name,
            )
            for system in self.systems
        ]
        return tuple(zip(*pooled, strict=True))


def _standard_error(ours: SetResult, theirs: SetResult) -> float | None:
    if len(ours.clips) < MIN_CLIPS:
        return None
    return paired_bootstrap(
        [result.score for result in ours.clips], [result.score for result in theirs.clips]
    )


def paired_bootstrap(ours: Sequence[ErrorRate], theirs: Sequence[ErrorRate]) -> float:
    """The standard error of the difference of two error rates, pooled over the same clips.

    Clips are drawn with replacement, as many as there are, for both systems alike: what makes a
    clip hard for both does not count as difference. The draws are the same in every call.

    Args:
        ours: One system's errors on each clip.
        theirs: The other's, in the same order.
    """
    n_clips = len(ours)
    draws = np.random.default_rng(_SEED).multinomial(
        n_clips, np.full(n_clips, 1 / n_clips), size=_N_RESAMPLES
    )
    excess = np.array([a.errors - b.errors for a, b in zip(ours, theirs, strict=True)])
    n_reference = np.array([score.n_reference for score in ours])
    return float(np.std(draws @ excess / np.maximum(draws @ n_reference, 1), ddof=1))
