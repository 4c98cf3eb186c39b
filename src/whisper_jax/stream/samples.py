"""The end of a stream, as much of it as may be heard again."""

from collections import deque
from typing import final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.reader import copy_span
from whisper_jax.audio.units import HOP, MARGIN_BEFORE
from whisper_jax.programs.windows import window_read, window_samples
from whisper_jax.requests import Samples


@final
class RecentSamples:
    """Samples by their position in the stream; the oldest are dropped when nobody needs them.

    Attributes:
        n: Samples of the stream so far.
    """

    def __init__(self) -> None:
        self.n = 0
        self._blocks: deque[NDArray[np.float32]] = deque()
        self._first = 0

    def add(self, block: NDArray[np.float32]) -> None:
        """The stream goes on."""
        self._blocks.append(block)
        self.n += len(block)

    def drop_before(self, frame: int) -> None:
        """No window will begin before this 10 ms frame."""
        floor = frame * HOP - MARGIN_BEFORE
        while self._blocks and self._first + len(self._blocks[0]) <= floor:
            self._first += len(self._blocks.popleft())

    def window(self, first: int, n_frames: int) -> tuple[NDArray[np.float32], int]:
        """A window as `whisper_jax.requests.Encode` wants it, and its frames.

        Args:
            first: Its first 10 ms frame.
            n_frames: Most frames.
        """
        wanted = window_read(first, n_frames)
        start = max(0, wanted.start)
        samples = copy_span(self._blocks, self._first, start, min(wanted.stop, self.n))
        ended = wanted.stop >= self.n
        return window_samples(Samples(start=start, samples=samples, ended=ended), first, n_frames)
