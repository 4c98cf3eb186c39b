"""What came of a load, and its figures."""

import math
import signal
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from whisper_jax.bench.serving.watch import Sample

_TOLD_TO_STOP = (0, -signal.SIGTERM)
type Scenario = Literal["burst", "fairness", "mixed"]


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """Seconds from a request's first byte to its answer's last.

    Attributes:
        median_s: Half of them are shorter.
        p95_s: Of a hundred, 95 are no longer.
        max_s: The longest.
    """

    median_s: float
    p95_s: float
    max_s: float


@dataclass(frozen=True, kw_only=True)
class BurstFigures:
    """Uploads all at once.

    Attributes:
        n_uploads: How many.
        n_failed: How many had another answer than 200.
        audio_s: Seconds of audio in all of them.
        seconds: From the first byte of the first to the last byte of the last.
        latencies: Of all of them.
        batch_seconds: What `transcribe_batch` took for the same files in a process of its own;
            None if it was not measured.
    """

    n_uploads: int
    n_failed: int
    audio_s: float
    seconds: float
    latencies: Latencies
    batch_seconds: float | None

    @property
    def times_real_time(self) -> float:
        """Seconds of audio in a second."""
        return self.audio_s / self.seconds

    @property
    def share_of_batch(self) -> float | None:
        """Its speed over that of `transcribe_batch`."""
        return None if self.batch_seconds is None else self.batch_seconds / self.seconds


@dataclass(frozen=True, kw_only=True)
class FairnessFigures:
    """Short uploads of one owner, one after the other, during another one's long job.

    Attributes:
        n_tries: Short uploads.
        n_failed: How many of them had another answer than 200.
        upload_s: Mean seconds of audio in a short upload.
        latencies: Of the short uploads.
        alone: Times real time of the job while it was alone.
        shared: Times real time of the job meanwhile.
    """

    n_tries: int
    n_failed: int
    upload_s: float
    latencies: Latencies
    alone: float
    shared: float

    @property
    def kept(self) -> float:
        """The share of its speed that the job kept."""
        return self.shared / self.alone


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What came of requests of one kind in a mixed load.

    Attributes:
        kind: What the clients did.
        n: How often.
        statuses: How often each status came, the most frequent first; 0 where nobody answered.
        n_wrong: How many had a status that this kind must not have.
    """

    kind: str
    n: int
    statuses: tuple[tuple[int, int], ...]
    n_wrong: int


@dataclass(frozen=True, kw_only=True)
class MixedFigures:
    """Clients of all kinds for a while.

    Attributes:
        seconds: How long.
        outcomes: By kind.
        audio_s: Seconds of audio that were transcribed to the end.
        n_restarts: How often the server was stopped and started meanwhile.
        exit_codes: What it ended with.
        before: The server with nothing to do, before; after the first uploads.
        after: The same, after all of it.
    """

    seconds: float
    outcomes: tuple[Outcomes, ...]
    audio_s: float
    n_restarts: int
    exit_codes: tuple[int, ...]
    before: Sample | None
    after: Sample | None


type Figures = BurstFigures | FairnessFigures | MixedFigures


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """A scenario's figures, and what was seen of the server meanwhile.

    Attributes:
        scenario: Which it was.
        url: Of the server; empty for one that was started for the time.
        model: What the clients asked for.
        decoding: How: ``greedy`` or ``default``.
        figures: The figures.
        samples: The server second by second.
    """

    scenario: Scenario
    url: str
    model: str
    decoding: str
    figures: Figures
    samples: tuple[Sample, ...]

    @property
    def problems(self) -> list[str]:
        """What must not be: requests that failed, and what is left behind."""
        match self.figures:
            case MixedFigures() as mixed:
                wrong = [f"{o.n_wrong} of {o.kind}" for o in mixed.outcomes if o.n_wrong]
                bad = [code for code in mixed.exit_codes if code not in _TOLD_TO_STOP]
                codes = [f"exit code {code}" for code in bad]
                return [f"unexpected: {one}" for one in wrong + codes] + _left(mixed.after)
            case BurstFigures() | FairnessFigures() as figures:
                return [f"{figures.n_failed} uploads failed"] if figures.n_failed else []


def latencies(seconds: Sequence[float]) -> Latencies:
    """Their figures; of at least one."""
    ordered = sorted(seconds)
    at = math.ceil(0.95 * len(ordered)) - 1
    return Latencies(median_s=statistics.median(ordered), p95_s=ordered[at], max_s=ordered[-1])


def _left(after: Sample | None) -> list[str]:
    if after is None:
        return ["nobody answers at the end"]
    left = {
        "windows in slots": after.n_windows,
        "requests": after.n_requests,
        "files of uploads": after.n_uploads or 0,
    }
    return [f"{n} {name} are left at the end" for name, n in left.items() if n]
