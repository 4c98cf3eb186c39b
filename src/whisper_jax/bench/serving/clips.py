"""Uploads for a load: recordings as they are, or pieces of them in the formats people send."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.encode import ENCODINGS, encode_audio
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.bench.serving.client import Upload
from whisper_jax.errors import OptionError

_MOST_S = 3600.0


def cut_uploads(
    paths: Sequence[Path],
    n_uploads: int,
    between_s: tuple[float, float],
    *,
    seed: int = 0,
    endings: Sequence[str] = ("wav",),
) -> list[Upload]:
    """Pieces of recordings, one after the other; from the beginning again when they are used up.

    Args:
        paths: The recordings, of which an hour at most is read. Those that are short enough are
            uploaded whole, from where they begin to where they end.
        n_uploads: How many pieces.
        between_s: The shortest and the longest, in seconds.
        seed: Of the lengths.
        endings: Their formats (`ENCODINGS`), in turn.

    Raises:
        OptionError: The recordings are shorter than the shortest piece.
        AudioError: One cannot be read.
    """
    shortest_s, longest_s = between_s
    random_ = random.Random(seed)
    pieces: list[NDArray[np.float32]] = []
    for samples in _read(paths):
        length_s = len(samples) / SAMPLE_RATE
        if shortest_s <= length_s <= longest_s:
            pieces.append(samples)
            continue
        start = 0
        while len(samples) - start >= shortest_s * SAMPLE_RATE:
            n = round(random_.uniform(shortest_s, longest_s) * SAMPLE_RATE)
            pieces.append(samples[start : start + n])
            start += n
    if not pieces:
        raise OptionError(f"none of the recordings has {shortest_s:g} s; give longer ones")
    return [
        _upload(index, pieces[index % len(pieces)], endings[index % len(endings)])
        for index in range(n_uploads)
    ]


def whole_upload(path: Path) -> Upload:
    """A file as it is."""
    with open_audio(path) as stream:
        duration_s = stream.duration_s or 0.0
    return Upload(name=path.name, content=path.read_bytes(), duration_s=duration_s)


def all_endings() -> tuple[str, ...]:
    """The formats there are."""
    return tuple(ENCODINGS)


def _read(paths: Sequence[Path]) -> list[NDArray[np.float32]]:
    left = round(_MOST_S * SAMPLE_RATE)
    found: list[NDArray[np.float32]] = []
    for path in paths:
        blocks: list[NDArray[np.float32]] = []
        with open_audio(path) as stream:
            for block in stream.blocks():
                blocks.append(block)
                left -= len(block)
                if left <= 0:
                    break
        found.append(np.concatenate(blocks) if blocks else np.zeros(0, np.float32))
        if left <= 0:
            break
    return found


def _upload(index: int, samples: NDArray[np.float32], ending: str) -> Upload:
    return Upload(
        name=f"upload-{index}.{ending}",
        content=encode_audio(samples, ending),
        duration_s=len(samples) / SAMPLE_RATE,
    )
