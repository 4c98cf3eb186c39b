"""Audio that comes with its position in the stream: doubled, late and lost pieces."""

from dataclasses import dataclass
from typing import Final, final

from whisper_jax.server.errors import refused

MAX_GAP_S: Final = 120
"""Most seconds that may be missing: what is lost is filled with silence, which takes memory."""
LATE_S: Final = 1.0
"""So much audio that came too early is kept, in case that what is missing is only late."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Audio that was lost.

    Attributes:
        position: Its first sample.
        n_samples: How much it was.
    """

    position: int
    n_samples: int


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a piece led to.

    Attributes:
        data: Bytes that follow those before; silence stands for what was lost.
        gaps: What was lost.
    """

    data: bytes = b""
    gaps: tuple[Gap, ...] = ()


@final
class Intake:
    """Puts pieces into the order of their positions, each sample once.

    Positions count the samples of the stream as the client sends it, from 0.

    Args:
        silence: One sample of silence, which also says how many bytes a sample has.
        rate: Samples a second.

    Attributes:
        n_received: Samples that have been passed on: the position of the next one.
        n_doubled: Samples that were dropped since they had come before, or came after their place
            had been filled.
    """

    def __init__(self, silence: bytes, rate: int) -> None:
        self.n_received = 0
        self.n_doubled = 0
        self._silence = silence
        self._max_gap = MAX_GAP_S * rate
        self._most_early = round(LATE_S * rate)
        self._early: dict[int, bytes] = {}
        self._rest = b""

    def follow(self, data: bytes) -> Taken:
        """Take bytes that follow those before; they need not end with a whole sample."""
        before = self.close_gaps()
        self.n_received += (len(self._rest) + len(data)) // len(self._silence)
        n_over = (len(self._rest) + len(data)) % len(self._silence)
        self._rest = (self._rest + data)[-n_over:] if n_over else b""
        return Taken(data=before.data + data, gaps=before.gaps)

    def place(self, position: int, data: bytes) -> Taken:
        """Take whole samples whose first has this position.

        Raises:
            ApiError: They are not whole, or too far ahead.
        """
        n_samples, n_over = divmod(len(data), len(self._silence))
        if n_over or self._rest:
            raise refused("audio with a position has to be whole samples", "audio")
        if position < 0 or position - self.n_received > self._max_gap:
            raise refused(
                f"position is {position}, and {self.n_received} is next; no more than "
                f"{MAX_GAP_S} s may be missing",
                "position",
            )
        n_old = min(max(0, self.n_received - position), n_samples)
        self.n_doubled += n_old
        if n_old < n_samples:
            self._keep(position + n_old, data[n_old * len(self._silence) :])
        taken, gaps = self._followers(), list[Gap]()
        while self._n_early > self._most_early:
            gaps.append(self._lost())
            taken += self._silence * gaps[-1].n_samples + self._followers()
        return Taken(data=taken, gaps=tuple(gaps))

    def close_gaps(self) -> Taken:
        """Wait no longer for what is missing."""
        taken, gaps = b"", list[Gap]()
        while self._early:
            gaps.append(self._lost())
            taken += self._silence * gaps[-1].n_samples + self._followers()
        return Taken(data=taken, gaps=tuple(gaps))

    def break_off(self) -> None:
        """The connection is gone: what is not a whole sample, and what came early, is forgotten."""
        self._rest = b""
        self._early.clear()

    @property
    def _n_early(self) -> int:
        return sum(len(data) for data in self._early.values()) // len(self._silence)

    def _keep(self, position: int, data: bytes) -> None:
        """Of two pieces with one position, the longer is kept."""
        known = self._early.get(position, b"")
        self.n_doubled += min(len(known), len(data)) // len(self._silence)
        if len(data) > len(known):
            self._early[position] = data

    def _lost(self) -> Gap:
        """Give up what is missing before the first early piece."""
        gap = Gap(position=self.n_received, n_samples=min(self._early) - self.n_received)
        self.n_received += gap.n_samples
        return gap

    def _followers(self) -> bytes:
        """Pieces that follow what has been passed on, one another, or both."""
        found: list[bytes] = []
        for position in sorted(self._early):
            if position > self.n_received:
                break
            data = self._early.pop(position)
            n_samples = len(data) // len(self._silence)
            n_old = min(self.n_received - position, n_samples)
            self.n_doubled += n_old
            found.append(data[n_old * len(self._silence) :])
            self.n_received += n_samples - n_old
        return b"".join(found)
