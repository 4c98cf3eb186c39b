"""What came of streams that last for hours."""

from dataclasses import dataclass
from statistics import median_low

from whisper_jax.bench.live.plan import LivePlan
from whisper_jax.bench.live.usage import Usage
from whisper_jax.scoring import ErrorRate

_SETTLED_S, _EVERY_S = 600.0, 1800.0
_AROUND_S = 60.0
"""What an update takes for a moment is no growth: a minute's median stands for a mark."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemorySample:
    """Resident memory of the process at a moment of a stream.

    Attributes:
        at_s: Seconds of the stream that had been sent.
        memory_bytes: How much it was.
    """

    at_s: float
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class SoakRun:
    """One stream.

    Attributes:
        sound: What was played.
        audio_s: Seconds of it that were sent.
        text: What was committed, a line for each segment.
        n_words: Words or characters of that, as errors are counted.
        rate: Its errors; None if nothing was said.
        n_segments: Segments.
        n_events: What the stream told, of any kind.
        usage: What the whole process used, from the first block to the stream's end.
        memory: Its memory over the stream, the last after the end; empty where the system does
            not tell.
        kept_bytes: Memory that the measurement itself took for what it keeps of the stream.
        waited_s: Seconds that a stream that was behind was waited for.
        most_late_s: The longest that a block was sent after it was due.
        n_compiled: Programs that were compiled meanwhile: 0 if all is well.
    """

    sound: str
    audio_s: float
    text: str
    n_words: int
    rate: ErrorRate | None
    n_segments: int
    n_events: int
    usage: Usage
    memory: tuple[MemorySample, ...]
    kept_bytes: int
    waited_s: float
    most_late_s: float
    n_compiled: int

    @property
    def cpu_of_audio(self) -> float:
        """Processor seconds in a second of audio."""
        return self.usage.cpu_s / self.audio_s if self.audio_s else 0.0

    @property
    def settled_s(self) -> float:
        """From when on memory is not to grow: 10 minutes, or the middle of a shorter stream."""
        return min(_SETTLED_S, self.audio_s / 2)

    @property
    def marks(self) -> list[MemorySample]:
        """Memory from when it has settled on, every 30 minutes, and at the end.

        Each is the median of the minute before it.
        """
        found: list[MemorySample] = []
        wanted_s = self.settled_s
        for sample in self.memory:
            if sample.at_s >= wanted_s:
                found.append(sample)
                wanted_s += _EVERY_S
        if self.memory and found[-1:] != [self.memory[-1]]:
            found.append(self.memory[-1])
        return [self._typical(sample.at_s) for sample in found]

    def _typical(self, at_s: float) -> MemorySample:
        before = [
            sample.memory_bytes for sample in self.memory if at_s - _AROUND_S < sample.at_s <= at_s
        ]
        return MemorySample(at_s=at_s, memory_bytes=median_low(before))

    @property
    def growth_bytes(self) -> int | None:
        """From when memory has settled to the end; None where the system does not tell."""
        marks = self.marks
        return marks[-1].memory_bytes - marks[0].memory_bytes if marks else None


@dataclass(frozen=True, kw_only=True)
class SoakReport:
    """All that was measured.

    Attributes:
        plan: What was to be.
        runs: One for each sound.
        problems: What must not be.
    """

    plan: LivePlan
    runs: tuple[SoakRun, ...]
    problems: tuple[str, ...]
