"""Reader of CTranslate2's ``model.bin``, memory-mapped, for Whisper.

The file, all little-endian::

    u32 binary version, string specification, u32 its revision
    u32 count, then that many variables:
        string name, u8 rank, u32 × rank shape, u8 type, u32 bytes, the bytes
    u32 count, then that many aliases: string alias, string variable

A string is its u16 length, a closing zero included, and its bytes. Nothing in the file is
trusted: every size is held against what is left of the file before it is used.

A quantised array has a companion ``…_scale`` in float32: a scalar (int16), one for each output
(int8), or for a convolution one for each output and tap. The weight is the integer over the scale.
"""

import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from whisper_jax.checkpoints.mapped import MappedReader
from whisper_jax.checkpoints.names import (
    ZEROS,
    AnyArray,
    Rule,
    Stored,
    assemble,
    infer_dims,
    listed,
)
from whisper_jax.errors import CheckpointError
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import WhisperParams

_SPECIFICATION = "WhisperSpec"
_VERSIONS = range(4, 7)  # 4 brought typed variables, 6 is the newest
_MOST_DIMENSIONS = 8
_TYPES: tuple[np.dtype[Any], ...] = tuple(
    np.dtype(kind)
    for kind in (np.float32, np.int8, np.int16, np.int32, np.float16, ml_dtypes.bfloat16)
)
"""By CTranslate2's number of the type."""

_SETTINGS: dict[str, tuple[int, ...] | None] = {
    "activation": (1, 3),  # GELU; 1 is what old converters wrote
    "alibi": (0,),
    "alibi_use_positive_positions": None,
    "alignment_heads": None,
    "alignment_layer": None,
    "num_heads": None,
    "pre_norm": (1,),
    "scale_alibi": None,
    "scale_embeddings": (0,),
    "start_from_zero_embedding": (0,),
}
"""Scalars that a file may hold, with the values of Whisper; None where any value is."""


def _pair(stored: str, leaf: str) -> tuple[Rule, ...]:
    return (
        Rule(f"{stored}/weight", "linear", (f"{leaf}.weight",)),
        Rule(f"{stored}/bias", "plain", (f"{leaf}.bias",)),
    )


def _norm(stored: str, leaf: str) -> tuple[Rule, ...]:
    return (
        Rule(f"{stored}/gamma", "plain", (f"{leaf}.scale",)),
        Rule(f"{stored}/beta", "plain", (f"{leaf}.bias",)),
    )


def _layer(stored: str, leaf: str) -> tuple[Rule, ...]:
    """What encoder and decoder layers share: self-attention and feed-forward."""
    attention = f"{leaf}.attention"
    parts = ("query", "key", "value")
    return (
        Rule(
            f"{stored}/self_attention/linear_0/weight",
            "linear",
            tuple(f"{attention}.{part}.weight" for part in parts),
        ),
        Rule(
            f"{stored}/self_attention/linear_0/bias",
            "plain",
            (f"{attention}.query.bias", ZEROS, f"{attention}.value.bias"),
        ),
        *_pair(f"{stored}/self_attention/linear_1", f"{attention}.out"),
        *_norm(f"{stored}/self_attention/layer_norm", f"{leaf}.attention_norm"),
        *_pair(f"{stored}/ffn/linear_0", f"{leaf}.mlp.up"),
        *_pair(f"{stored}/ffn/linear_1", f"{leaf}.mlp.down"),
        *_norm(f"{stored}/ffn/layer_norm", f"{leaf}.mlp_norm"),
    )


_CROSS = "decoder.layers.{i}.cross_attention"

RULES: tuple[Rule, ...] = (
    Rule("encoder/conv1/weight", "conv", ("encoder.conv1.weight",)),
    Rule("encoder/conv1/bias", "plain", ("encoder.conv1.bias",)),
    Rule("encoder/conv2/weight", "conv", ("encoder.conv2.weight",)),
    Rule("encoder/conv2/bias", "plain", ("encoder.conv2.bias",)),
    Rule("encoder/position_encodings/encodings", "sinusoids", ()),
    *_layer("encoder/layer_{i}", "encoder.layers.{i}"),
    *_norm("encoder/layer_norm", "encoder.norm"),
    Rule("decoder/embeddings/weight", "plain", ("decoder.embedding",)),
    Rule("decoder/position_encodings/encodings", "plain", ("decoder.positions",)),
    *_layer("decoder/layer_{i}", "decoder.layers.{i}"),
    *_pair("decoder/layer_{i}/attention/linear_0", f"{_CROSS}.query"),
    Rule(
        "decoder/layer_{i}/attention/linear_1/weight",
        "linear",
        (f"{_CROSS}.key.weight", f"{_CROSS}.value.weight"),
    ),
    Rule("decoder/layer_{i}/attention/linear_1/bias", "plain", (ZEROS, f"{_CROSS}.value.bias")),
    *_pair("decoder/layer_{i}/attention/linear_2", f"{_CROSS}.out"),
    *_norm("decoder/layer_{i}/attention/layer_norm", "decoder.layers.{i}.cross_norm"),
    *_norm("decoder/layer_norm", "decoder.norm"),
    Rule("decoder/projection/weight", "tied", ("decoder.embedding",)),
)
"""CTranslate2's names for the arrays of a Whisper model."""


def read(path: Path) -> tuple[ModelDims, WhisperParams]:
    """Read a ``model.bin``.

    Args:
        path: The file. The arrays given back are views of it where they need no conversion: it
            must not be written to while they are in use (replacing it is harmless).

    Returns:
        Sizes and weights; quantised weights as float32, others in their stored type.

    Raises:
        CheckpointError: It is no CTranslate2 file of a Whisper model, or it is damaged.
    """
    variables, aliases, duplicates = read_variables(path)
    n_heads = _take_settings(path, variables)
    _dequantise(path, variables)
    _resolve(path, variables, aliases)
    stored = Stored(file=path, arrays=variables, duplicates=duplicates)
    dims = infer_dims(stored, RULES, n_heads.get("encoder"), n_heads.get("decoder"))
    return dims, assemble(stored, RULES, dims)


def read_variables(
    path: Path,
) -> tuple[dict[str, AnyArray], dict[str, str], tuple[str, ...]]:
    """The variables of a file as views of it, its aliases, and the names that come twice."""
    reader = MappedReader(path, "CTranslate2")
    version = reader.number("version", "<I")
    if version not in _VERSIONS:
        raise CheckpointError(
            f"{path} is not a CTranslate2 file of version {_VERSIONS[0]} to {_VERSIONS[-1]} "
            f"(its first number is {version})"
        )
    specification = _string(reader)
    if specification != _SPECIFICATION:
        raise CheckpointError(f"{path} is a CTranslate2 {specification!r}, not a Whisper model")
    reader.number("revision", "<I")
    variables: dict[str, AnyArray] = {}
    aliases: dict[str, str] = {}
    duplicates: list[str] = []
    for _ in range(reader.number("count of variables", "<I")):
        name = _string(reader)
        if name in variables:
            duplicates.append(name)
        variables[name] = _array(reader, name)
    for _ in range(reader.number("count of aliases", "<I")):
        name = _string(reader)
        if name in variables or name in aliases:
            duplicates.append(name)
        aliases[name] = _string(reader)
    reader.expect_end()
    return variables, aliases, tuple(duplicates)


def _string(reader: MappedReader) -> str:
    raw = reader.take("name", reader.number("length of a name", "<H")).tobytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise reader.damaged("a name is no text") from error
    if not text.endswith("\0") or not text[:-1].isprintable():
        raise reader.damaged("a name is no text")
    return text[:-1]


def _array(reader: MappedReader, name: str) -> AnyArray:
    rank = reader.number("rank", "<B")
    if rank > _MOST_DIMENSIONS:
        raise reader.damaged(f"{name} has {rank} dimensions")
    shape = reader.numbers("shape", f"<{rank}I")
    number = reader.number("type", "<B")
    if number >= len(_TYPES):
        raise reader.damaged(f"{name} has the unknown type {number}")
    n_bytes = reader.number("size", "<I")
    kind = _TYPES[number]
    if n_bytes == 0 or math.prod(shape) * kind.itemsize != n_bytes:
        raise reader.damaged(f"{name} has {n_bytes} bytes for {kind} {list(shape)}")
    return reader.take(name, n_bytes).view(kind).reshape(shape)


def _take_settings(path: Path, variables: dict[str, AnyArray]) -> dict[str, int]:
    """Take the scalars out and check them; gives the attention heads of each side."""
    n_heads: dict[str, int] = {}
    wrong: list[str] = []
    for name in [name for name, array in variables.items() if array.ndim == 0]:
        side, _, setting = name.partition("/")
        if side not in ("encoder", "decoder") or setting not in _SETTINGS:
            continue  # reported with the other unknown names, if it is not a scale
        value = variables.pop(name).item()
        allowed = _SETTINGS[setting]
        if allowed is not None and value not in allowed:
            wrong.append(f"{name} is {value} instead of {allowed[-1]}")
        if setting == "num_heads":
            n_heads[side] = value if isinstance(value, int) else 0
    if wrong:
        raise CheckpointError(f"{path} is not Whisper: {listed(wrong)}")
    return n_heads


def _dequantise(path: Path, variables: dict[str, AnyArray]) -> None:
    """Replace each integer array that has a scale by its float32 values."""
    for name in [name for name in variables if f"{name}_scale" in variables]:
        quantised = variables[name]
        scale = variables.pop(f"{name}_scale").astype(np.float32)
        if not np.issubdtype(quantised.dtype, np.integer):
            raise CheckpointError(f"{path} is damaged: {name} is {quantised.dtype} but has a scale")
        if not np.all(np.isfinite(scale) & (scale > 0)):
            raise CheckpointError(f"{path} is damaged: the scale of {name} is not above zero")
        if scale.ndim and quantised.ndim and scale.shape == quantised.shape[:1]:
            scale = scale.reshape(-1, *[1] * (quantised.ndim - 1))
        elif scale.ndim and scale.shape == quantised.shape[:1] + quantised.shape[2:]:
            scale = np.expand_dims(scale, 1)
        elif scale.ndim:
            raise CheckpointError(
                f"{path} is damaged: {name} {list(quantised.shape)} has a scale {list(scale.shape)}"
            )
        variables[name] = quantised / scale


def _resolve(path: Path, variables: dict[str, AnyArray], aliases: dict[str, str]) -> None:
    lost = [f"{name} (of {target})" for name, target in aliases.items() if target not in variables]
    if lost:
        raise CheckpointError(f"{path} is damaged: aliases of what is not there: {listed(lost)}")
    variables.update({name: variables[target] for name, target in aliases.items()})
