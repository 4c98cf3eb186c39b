"""A model file as whisper.cpp reads it, written from a model folder.

The format is described where it is read, in `whisper_jax.checkpoints.ggml`. Numbers are rounded as
ggml's reference does (``quantize_row_*_ref`` in ggml-quants.c).
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.mel import mel_filters
from whisper_jax.checkpoints.ggml import BLOCK, BLOCKS, HEADER_NAMES, MAGIC, BlockType
from whisper_jax.checkpoints.load import Checkpoint, load_checkpoint
from whisper_jax.checkpoints.openai_names import openai_name
from whisper_jax.checkpoints.safetensors_hf import to_arrays
from whisper_jax.errors import OptionError
from whisper_jax.text.files import read_text_tokenizer
from whisper_jax.text.published import byte_of_letter
from whisper_jax.text.special import special_tokens

_FLOATS = {"f32": 0, "f16": 1}
_QUANTISATION_VERSION = 2_000
_BLOCK_OF = {kind.name: kind for kind in BLOCKS}
GGML_TYPES: Final = (*_FLOATS, *_BLOCK_OF)
"""What matrices can be stored in."""


def write_ggml(folder: Path, out: Path, kind: str = "f16") -> None:
    """Write the model of a folder as a ggml file.

    Args:
        folder: Holds weights in a format that is read.
        out: The file to write.
        kind: One of `GGML_TYPES`: what matrices are stored in.

    Raises:
        CheckpointError: ``folder`` holds no Whisper model.
        OptionError: There is no such type.
    """
    if kind not in GGML_TYPES:
        raise OptionError(f"no ggml type {kind!r}; there are: {', '.join(GGML_TYPES)}")
    checkpoint = load_checkpoint(folder)
    dims = checkpoint.dims
    with out.open("wb") as file:
        sizes = (getattr(dims, name) for name in HEADER_NAMES)
        file.write(struct.pack("<I11i", MAGIC, *sizes, _file_number(kind)))
        _write_filters(file, dims.n_mels)
        _write_tokens(file, text_tokens(checkpoint))
        for name, array in to_arrays(dims, checkpoint.params).items():
            _write_array(file, openai_name(name), array, kind)


def text_tokens(checkpoint: Checkpoint) -> Iterator[bytes]:
    """The bytes of each text token, in the order of their ids.

    whisper.cpp numbers them as they come, and makes up the special ones from the vocabulary's size.
    """
    n_vocab = checkpoint.dims.n_vocab
    tokenizer = read_text_tokenizer(checkpoint.folder, n_vocab)
    byte_of = byte_of_letter()
    for token in range(special_tokens(n_vocab).eot):
        letters = tokenizer.id_to_token(token) or ""  # the last, empty one may be left out
        yield bytes(byte_of[letter] for letter in letters)


def quantised(array: NDArray[Any], kind: BlockType) -> NDArray[Any]:
    """The blocks [blocks] of a matrix whose rows are a multiple of 32 long."""
    values = array.astype(np.float32).reshape(-1, BLOCK)
    blocks = np.zeros(len(values), kind.layout)
    if kind.name == "q8_0":
        step = (np.abs(values).max(axis=1) / 127).astype(np.float32)
        blocks["whole"] = np.rint(values * _inverse(step)).astype(np.int8)
        blocks["step"] = step
        return blocks
    n_levels = 32 if "high" in (kind.layout.names or ()) else 16
    if "least" in (kind.layout.names or ()):
        least = values.min(axis=1)
        step = ((values.max(axis=1) - least) / (n_levels - 1)).astype(np.float32)
        blocks["least"] = least
        levels = (values - least[:, None]) * _inverse(step) + np.float32(0.5)
    else:
        # The number furthest from zero becomes the lowest level.
        furthest = np.take_along_axis(values, np.abs(values).argmax(axis=1)[:, None], axis=1)
        step = (furthest[:, 0] / (-n_levels // 2)).astype(np.float32)
        levels = values * _inverse(step) + np.float32(n_levels // 2 + 0.5)
    blocks["step"] = step
    whole = np.minimum(levels.astype(np.int32), n_levels - 1)
    blocks["low"] = (whole[:, : BLOCK // 2] & 15) | ((whole[:, BLOCK // 2 :] & 15) << 4)
    if n_levels > 16:
        blocks["high"] = np.packbits(whole >> 4, axis=1, bitorder="little")
    return blocks


def _inverse(step: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.divide(1, step, out=np.zeros_like(step), where=step != 0)[:, None]


def _file_number(kind: str) -> int:
    if kind in _FLOATS:
        return _FLOATS[kind]
    return _QUANTISATION_VERSION + _BLOCK_OF[kind].file_number


def _write_filters(file: BinaryIO, n_mels: int) -> None:
    filters = mel_filters(n_mels).T
    file.write(struct.pack("<2i", *filters.shape))
    file.write(filters.astype("<f4").tobytes())


def _write_tokens(file: BinaryIO, tokens: Iterable[bytes]) -> None:
    all_tokens = list(tokens)
    file.write(struct.pack("<i", len(all_tokens)))
    file.write(b"".join(struct.pack("<i", len(token)) + token for token in all_tokens))


def _write_array(file: BinaryIO, name: str, array: NDArray[Any], kind: str) -> None:
    is_matrix = array.ndim > 1 and not name.endswith("positional_embedding")
    if name.startswith("encoder.conv") and name.endswith(".bias"):
        array = array[:, None]
    if is_matrix and array.ndim == 2 and kind in _BLOCK_OF:
        number, raw = _BLOCK_OF[kind].number, quantised(array, _BLOCK_OF[kind]).tobytes()
    elif is_matrix and kind != "f32":  # whisper.cpp's own quantised files leave convolutions so
        number, raw = _FLOATS["f16"], array.astype("<f2").tobytes()
    else:
        number, raw = _FLOATS["f32"], array.astype("<f4").tobytes()
    encoded = name.encode()
    numbers = (array.ndim, len(encoded), number, *array.shape[::-1])
    file.write(struct.pack(f"<{len(numbers)}i", *numbers) + encoded + raw)
