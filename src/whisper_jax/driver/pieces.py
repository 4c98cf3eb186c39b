"""Regions of a recording that hold their own samples, so that reading them never waits."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import HOP, MARGIN_BEFORE
from whisper_jax.requests import Clip, Read, Samples


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A region with its samples.

    Attributes:
        start: First 10 ms frame, of the recording.
        stop: One past the last frame.
        speech: Spoken spans within it (see `whisper_jax.requests.Clip`).
        is_first: True for the recording's first one.
        first_sample: Position of the first of ``samples``.
        samples: float32 [n]: the region with its margins, as far as the recording has them.
    """

    start: int
    stop: int
    speech: tuple[tuple[int, int], ...] | None
    is_first: bool
    first_sample: int
    samples: NDArray[np.float32]

    @property
    def n_samples(self) -> int:
        """Samples of the region itself."""
        return (self.stop - self.start) * HOP

    @property
    def span(self) -> tuple[int, int]:
        """Its frames."""
        return self.start, self.stop

    def clip(self, detection: tuple[tuple[int, int], ...]) -> Clip:
        """What a program is told of it."""
        return Clip(
            start=self.start,
            stop=self.stop,
            speech=self.speech,
            detection=detection,
            is_first=self.is_first,
        )


def read_pieces(pieces: Iterable[Piece], request: Read) -> Samples:
    """Answer a read of a window that begins in one of the pieces. The samples are not a copy.

    Raises:
        ValueError: If it begins in none of them.
    """
    seek = (request.start + MARGIN_BEFORE) // HOP
    for piece in pieces:
        if piece.start <= seek < piece.stop:
            start = max(0, request.start)
            first = piece.first_sample
            samples = piece.samples[max(0, start - first) : max(0, request.stop - first)]
            # A piece ends with its margin: what is beyond that was not in the recording.
            return Samples(start=start, samples=samples, ended=start + len(samples) < request.stop)
    raise ValueError(f"a window at frame {seek} is in none of the clips at hand")
