"""Reader of whisper.cpp's ``ggml-*.bin`` files, memory-mapped.

The file, all little-endian, as whisper.cpp's ``models/convert-pt-to-ggml.py`` writes it and its
``whisper_model_load`` reads it::

    u32 magic, then eleven i32: n_vocab, n_audio_ctx, n_audio_state, n_audio_head, n_audio_layer,
        n_text_ctx, n_text_state, n_text_head, n_text_layer, n_mels, how it is stored
    i32 rows, i32 columns, then that many f32: the mel filters, [n_mels, 201]
    i32 count, then that many text tokens: u32 length, the bytes
    until the end, arrays: i32 rank, i32 length of the name, i32 type, i32 × rank shape from the
        last dimension to the first, the name, the numbers

Names are openai-whisper's. Vectors and the tables of positions are float32, the biases of the
convolutions are columns, and matrices are in the type that the file is named for: float32,
float16, or blocks of 32 numbers in 4, 5 or 8 bits with a float16 step (`BLOCKS`). Those become
float32. Nothing in the file is trusted: every size is held against what is left of the file before
it is used. The mel filters are not read: they are always the same.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.checkpoints.mapped import MappedReader
from whisper_jax.checkpoints.names import AnyArray, Stored, assemble, infer_dims, listed
from whisper_jax.checkpoints.openai_names import RULES
from whisper_jax.errors import CheckpointError
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import WhisperParams

MAGIC: Final = 0x67676D6C
"""The letters "ggml", most significant first."""
HEADER_NAMES: Final = (
    *("n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer"),
    *("n_text_ctx", "n_text_state", "n_text_head", "n_text_layer", "n_mels"),
)
"""The sizes of the header, in order."""
BLOCK: Final = 32
"""Numbers that share a step in the quantised types."""

_MOST_TOKENS = 1 << 17
_MOST_MEL_VALUES = 1 << 20
_LONGEST_NAME = 256
_MOST_DIMENSIONS = 4
_FLOATS: "dict[int, np.dtype[Any]]" = {0: np.dtype("<f4"), 1: np.dtype("<f2")}
_STEP: Final = np.dtype("<f2")


@dataclass(frozen=True, kw_only=True)
class BlockType:
    """A quantised type of ggml.

    Attributes:
        name: Its name in ggml, and in the names of files.
        number: Its number, for an array.
        file_number: The number of a file in it, for the header.
        layout: What a block is made of, in order.
        values: The numbers [blocks, 32] in float32 of such blocks [blocks].
    """

    name: str
    number: int
    file_number: int
    layout: "np.dtype[Any]"
    values: Callable[[NDArray[Any]], NDArray[np.float32]]


def _halves(blocks: NDArray[Any]) -> NDArray[np.float32]:
    """The low halves of 16 bytes, then the high ones."""
    packed = blocks["low"]
    return np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32)


def _fives(blocks: NDArray[Any]) -> NDArray[np.float32]:
    """The same with a fifth bit, of which there is a word for each block."""
    high = np.unpackbits(blocks["high"], axis=1, bitorder="little")
    return _halves(blocks) + 16 * high.astype(np.float32)


def _step(blocks: NDArray[Any]) -> NDArray[np.float32]:
    return blocks["step"][:, None].astype(np.float32)


def _least(blocks: NDArray[Any]) -> NDArray[np.float32]:
    return blocks["least"][:, None].astype(np.float32)


_LOW, _HIGH = ("low", np.uint8, BLOCK // 2), ("high", np.uint8, BLOCK // 8)
BLOCKS: Final = (
    BlockType(
        name="q4_0",
        number=2,
        file_number=2,
        layout=np.dtype([("step", _STEP), _LOW]),
        values=lambda blocks: (_halves(blocks) - 8) * _step(blocks),
    ),
    BlockType(
        name="q4_1",
        number=3,
        file_number=3,
        layout=np.dtype([("step", _STEP), ("least", _STEP), _LOW]),
        values=lambda blocks: _halves(blocks) * _step(blocks) + _least(blocks),
    ),
    BlockType(
        name="q5_0",
        number=6,
        file_number=8,
        layout=np.dtype([("step", _STEP), _HIGH, _LOW]),
        values=lambda blocks: (_fives(blocks) - 16) * _step(blocks),
    ),
    BlockType(
        name="q5_1",
        number=7,
        file_number=9,
        layout=np.dtype([("step", _STEP), ("least", _STEP), _HIGH, _LOW]),
        values=lambda blocks: _fives(blocks) * _step(blocks) + _least(blocks),
    ),
    BlockType(
        name="q8_0",
        number=8,
        file_number=7,
        layout=np.dtype([("step", _STEP), ("whole", np.int8, BLOCK)]),
        values=lambda blocks: blocks["whole"].astype(np.float32) * _step(blocks),
    ),
)
"""The quantised types that are read."""

_BLOCK_OF = MappingProxyType({kind.number: kind for kind in BLOCKS})


def read(path: Path) -> tuple[ModelDims, WhisperParams, tuple[bytes, ...]]:
    """Read a ggml file.

    Args:
        path: The file. The arrays given back are views of it where they need no conversion: it
            must not be written to while they are in use (replacing it is harmless).

    Returns:
        Sizes; weights, quantised ones as float32 and others in their stored type; and the bytes
        of its text tokens, in the order of their ids.

    Raises:
        CheckpointError: It is no ggml file of a Whisper model, or it is damaged.
    """
    reader = MappedReader(path, "ggml of whisper.cpp")
    if reader.number("magic", "<I") != MAGIC:
        raise CheckpointError(f"{path} is not a ggml file of whisper.cpp")
    sizes = dict(zip(HEADER_NAMES, reader.numbers("header", "<10i"), strict=True))
    reader.number("type", "<i")  # each array says its own
    _skip_filters(reader, sizes["n_mels"])
    tokens = _tokens(reader)
    arrays: dict[str, AnyArray] = {}
    duplicates: list[str] = []
    while not reader.is_at_end:
        name, array = _array(reader)
        if name in arrays:
            duplicates.append(name)
        arrays[name] = array
    stored = Stored(file=path, arrays=arrays, duplicates=tuple(duplicates))
    dims = infer_dims(stored, RULES, sizes["n_audio_head"], sizes["n_text_head"])
    wrong = [
        f"{name} is {size} but the arrays have {getattr(dims, name)}"
        for name, size in sizes.items()
        if size != getattr(dims, name)
    ]
    if wrong:
        raise CheckpointError(f"{path} states other sizes than it has: {listed(wrong)}")
    return dims, assemble(stored, RULES, dims), tokens


def _skip_filters(reader: MappedReader, n_mels: int) -> None:
    rows, columns = reader.numbers("size of the mel filters", "<2i")
    if rows != n_mels or not 0 < rows * columns <= _MOST_MEL_VALUES:
        raise reader.damaged(f"it has mel filters [{rows}, {columns}] for {n_mels} bins")
    reader.take("mel filters", 4 * rows * columns)


def _tokens(reader: MappedReader) -> tuple[bytes, ...]:
    count = reader.number("count of tokens", "<i")
    if not 0 < count <= _MOST_TOKENS:
        raise reader.damaged(f"it has {count} tokens")
    return tuple(
        reader.take("token", reader.number("length of a token", "<I")).tobytes()
        for _ in range(count)
    )


def _array(reader: MappedReader) -> tuple[str, AnyArray]:
    rank, n_name, number = reader.numbers("description of an array", "<3i")
    if not 0 < rank <= _MOST_DIMENSIONS or not 0 < n_name <= _LONGEST_NAME:
        raise reader.damaged(f"an array has {rank} dimensions and a name of {n_name} bytes")
    shape = reader.numbers("shape", f"<{rank}i")[::-1]
    try:
        name = reader.take("name", n_name).tobytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise reader.damaged("a name is no text") from error
    if not name.isprintable():
        raise reader.damaged("a name is no text")
    if min(shape) < 1:
        raise reader.damaged(f"{name} has the shape {list(shape)}")
    array = _numbers(reader, name, shape, number)
    if name.startswith("encoder.conv") and name.endswith(".bias") and shape[1:] == (1,):
        array = array[:, 0]
    return name, array


def _numbers(reader: MappedReader, name: str, shape: tuple[int, ...], number: int) -> AnyArray:
    n_values = math.prod(shape)
    if number in _FLOATS:
        kind = _FLOATS[number]
        return reader.take(name, n_values * kind.itemsize).view(kind).reshape(shape)
    if number not in _BLOCK_OF:
        known = ", ".join(("f32", "f16", *(block.name for block in BLOCKS)))
        raise reader.damaged(f"{name} has the type {number}; those that are read are {known}")
    block = _BLOCK_OF[number]
    if shape[-1] % BLOCK:
        raise reader.damaged(f"{name} {list(shape)} cannot be cut into blocks of {BLOCK}")
    raw = reader.take(name, n_values // BLOCK * block.layout.itemsize)
    values = block.values(raw.view(block.layout))
    if not np.all(np.isfinite(values)):
        raise reader.damaged(f"{name} has numbers that are not finite")
    return values.reshape(shape)
