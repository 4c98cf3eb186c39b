"""The level that a recording's log-mel spectrograms are scaled by, measured before it is heard."""

import io
import os
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.container import AudioStream
from whisper_jax.audio.decode import AudioInput, OneChannel, open_audio
from whisper_jax.audio.mel import peak_level
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.audio.upload import Upload
from whisper_jax.errors import AudioError

_LEVEL_SAMPLES = 600 * SAMPLE_RATE
"""Samples from the beginning whose level is measured before the first window is encoded. Whisper
scales levels by the loudest of a recording; ten minutes are read in a fraction of a second, and
are what keeps the first segment from waiting for the end of a long recording."""
_KEPT_SAMPLES = 60 * SAMPLE_RATE
"""A recording no longer than this is not read a second time: its samples are kept."""


def open_with_level(
    source: AudioInput, *, channel: int | None, n_mels: int
) -> tuple[AudioStream, float]:
    """Open a recording, and measure its level if it can be read twice.

    Args:
        source: The recording.
        channel: See `whisper_jax.options.TranscribeOptions.channel`.
        n_mels: Log-mel bins of the model.

    Returns:
        The recording from its beginning, and the highest log-mel level (log10) of its first ten
        minutes; minus infinity if nobody can know.

    Raises:
        AudioError: It cannot be opened.
    """
    if not can_be_read_twice(source):
        return open_audio(source, channel=channel), float("-inf")
    with open_audio(source, channel=channel) as ahead:
        first = _First(ahead.blocks())
        peak = peak_level(first.blocks(), n_mels)
    if first.has_all:
        kept = AudioStream(name=ahead.name, duration_s=ahead.duration_s, blocks=iter(first.kept))
        return kept, peak
    return open_audio(source, channel=channel), peak


class _First:
    """The beginning of a recording; kept if that is all there is."""

    def __init__(self, source: Iterator[NDArray[np.float32]]) -> None:
        self._source = source
        self.kept: list[NDArray[np.float32]] = []
        self.has_all = False

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Blocks to be measured; where reading breaks off they end, as the next read will tell."""
        n_left, fits = _LEVEL_SAMPLES, True
        with suppress(AudioError):
            for block in self._source:
                fits = fits and _LEVEL_SAMPLES - n_left + len(block) <= _KEPT_SAMPLES
                if fits:
                    self.kept.append(block)
                else:
                    self.kept.clear()
                yield block[:n_left]
                n_left -= len(block)
                if n_left <= 0:
                    return
            self.has_all = fits


def can_be_read_twice(source: AudioInput) -> bool:
    """Whether the recording is at hand and can be read from its beginning again."""
    match source:
        case OneChannel():
            return can_be_read_twice(source.source)
        case str() | os.PathLike():
            return os.path.isfile(source)  # neither a URL nor a pipe
        case bytes() | np.ndarray() | Upload():
            return True
        case io.IOBase():
            return source.seekable()
        case _:
            return False
