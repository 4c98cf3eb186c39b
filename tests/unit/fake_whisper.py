"""A tokenizer with real layout and one token a letter, and a `Whisper` on the fake engine."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from whisper_jax.engine.device import DeviceCounts
from whisper_jax.engine.fake import FakeEngine
from whisper_jax.model.dims import PUBLISHED
from whisper_jax.options import TranscribeOptions
from whisper_jax.requests import Decode, Decoded, Encode
from whisper_jax.speech.regions import Region
from whisper_jax.text import WhisperTokenizer
from whisper_jax.transcribe import Whisper

N_VOCAB = 51_865
TIME = 50_364
"""The token of 0.00 s."""


def letter_tokenizer(n_vocab: int = N_VOCAB) -> WhisperTokenizer:
    """Token ids 0 to 255 are the bytes of UTF-8."""
    # Byte-level BPE writes a byte as a printable character: itself, or one from 256 on.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    vocabulary = {chr(byte): byte for byte in printable}
    vocabulary |= {chr(256 + index): byte for index, byte in enumerate(others)}
    text = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    text.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    text.decoder = decoders.ByteLevel()
    return WhisperTokenizer(text, n_vocab)


def at(seconds: float) -> int:
    """A timestamp token."""
    return TIME + round(seconds / 0.02)


def words(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def said(tokens: Sequence[int], logprob: float = -0.1, no_speech_prob: float = 0.0) -> Decoded:
    n = len(tokens)
    return Decoded(
        tokens=tuple(tokens),
        token_logprobs=(logprob,) * n,
        sum_logprob=logprob * (n + 1),
        no_speech_prob=no_speech_prob,
    )


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
        DeviceCounts(),
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
