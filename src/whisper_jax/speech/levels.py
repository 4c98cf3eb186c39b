"""How loud a recording is, in steps of 10 ms."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import HOP


@final
class HopLevels:
    """Samples in blocks of any size to the mean power of each 10 ms.

    What comes out does not depend on the sizes of the blocks.
    """

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The levels that these samples complete, float32 [n]: mean squares of 160 samples."""
        joined = np.concatenate([self._rest, samples])
        n_whole = len(joined) - len(joined) % HOP
        self._rest = joined[n_whole:].copy()
        return _powers(joined[:n_whole].reshape(-1, HOP))

    def finish(self) -> NDArray[np.float32]:
        """The level of what is left at the end, less than 10 ms: float32 [0 or 1]."""
        rest, self._rest = self._rest, self._rest[:0]
        return _powers(rest[None]) if len(rest) > 0 else rest


def _powers(hops: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.square(hops).mean(axis=1, dtype=np.float32)
