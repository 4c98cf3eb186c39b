"""A `Whisper` on the fake engine."""

from collections.abc import Callable

import numpy as np
from letters import N_VOCAB, letter_tokenizer
from numpy.typing import NDArray

from whisper_jax.engine.device import DeviceCounts
from whisper_jax.engine.fake import FakeEngine
from whisper_jax.model.dims import PUBLISHED
from whisper_jax.options import TranscribeOptions
from whisper_jax.requests import Decode, Decoded, Encode
from whisper_jax.speech.regions import Region
from whisper_jax.transcribe import Whisper


def whisper(
    hear: Callable[[Encode, Decode], Decoded],
    batch_size: int = 4,
    language_index: int = 0,
    n_vocab: int = N_VOCAB,
) -> Whisper:
    return Whisper(
        "fake",
        PUBLISHED["base"],
        letter_tokenizer(n_vocab),
        FakeEngine(hear, language_index),
        [DeviceCounts()],
        batch_size,
        CutEvery,
    )


class CutEvery:
    """A cutter that takes everything for speech and cuts it every ``chunk_length``."""

    def __init__(self, options: TranscribeOptions) -> None:
        self._length = round(options.chunk_length * 100)
        self._start = 0
        self._n_samples = 0

    def push(self, samples: NDArray[np.float32]) -> list[Region]:
        self._n_samples += len(samples)
        regions: list[Region] = []
        while (self._start + self._length) * 160 <= self._n_samples:
            regions.append(self._region(self._start + self._length))
        return regions

    def finish(self) -> list[Region]:
        # As the real one: what is not a whole frame counts as one.
        stop = -(-self._n_samples // 160)
        return [self._region(stop)] if stop > self._start else []

    def _region(self, stop: int) -> Region:
        start, self._start = self._start, stop
        return Region(start=start, stop=stop, speech=((start, stop),))


def seconds(n: float) -> NDArray[np.float32]:
    """Audio in which sample i has the value i / 1e6, so that a window tells where it is from."""
    return (np.arange(round(n * 16_000)) / 1e6).astype(np.float32)


def first_second(window: Encode) -> float:
    """Where in `seconds` a window begins."""
    return round(float(window.samples[200]) * 1e6 / 16_000, 2)
