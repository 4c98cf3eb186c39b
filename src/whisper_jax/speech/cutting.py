"""Samples in, regions out: voice activity, levels and the cutter together."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.options import TranscribeOptions
from whisper_jax.speech.levels import HopLevels
from whisper_jax.speech.regions import Region, RegionCutter, cut_options
from whisper_jax.speech.vad import VoiceActivity


@final
class Cutting:
    """Cuts one recording, or one part of it, into regions while it is being read.

    What comes out depends on the samples and the options only, not on the sizes of the blocks.
    Positions count from the first sample pushed. One thread at a time.
    """

    def __init__(self, options: TranscribeOptions) -> None:
        self._activity = VoiceActivity()
        self._levels = HopLevels()
        self._cutter = RegionCutter(cut_options(options))
        self._n_samples = 0

    def push(self, samples: NDArray[np.float32]) -> list[Region]:
        """The regions that are final once these samples are heard.

        Args:
            samples: float32 [n], mono, 16 kHz, of any number.
        """
        self._n_samples += len(samples)
        return self._cutter.push(self._activity.push(samples), self._levels.push(samples))

    def finish(self) -> list[Region]:
        """The regions that remain when the last sample has been pushed."""
        regions = self._cutter.push(self._activity.finish(), self._levels.finish())
        return regions + self._cutter.finish(self._n_samples)
