"""A tokenizer of one token a letter, answers written with it, and audio that tells where it is."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from whisper_jax.requests import Decoded, Encode
from whisper_jax.text import WhisperTokenizer

N_VOCAB = 51_865
TIME = 50_364
"""The token of 0.00 s."""


@cache
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
    return [*text.encode()]


def said(tokens: Sequence[int], logprob: float = -0.1, no_speech_prob: float = 0.0) -> Decoded:
    """An answer whose tokens are all equally likely."""
    n = len(tokens)
    return Decoded(
        tokens=tuple(tokens),
        token_logprobs=(logprob,) * n,
        sum_logprob=logprob * (n + 1),
        no_speech_prob=no_speech_prob,
    )


def seconds(n: float) -> NDArray[np.float32]:
    """Audio in which sample i has the value i / 1e6, so that a window tells where it is from."""
    return (np.arange(round(n * 16_000)) / 1e6).astype(np.float32)


def first_second(window: Encode) -> float:
    """Where in `seconds` a window begins."""
    return round(float(window.samples[200]) * 1e6 / 16_000, 2)
