"""Reader and writer of Hugging Face checkpoints of Whisper: safetensors, in one file or several.

The safetensors library checks a file (header, types, bounds, gaps); the arrays are then views of
the memory-mapped file, because the library itself would copy gigabytes. bfloat16 is a numpy type
through ml_dtypes.
"""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from whisper_jax.checkpoints.cache import index_shards
from whisper_jax.checkpoints.names import (
    AnyArray,
    Rule,
    Stored,
    assemble,
    disassemble,
    infer_dims,
    listed,
)
from whisper_jax.errors import CheckpointError
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import WhisperParams

_TYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}

_HEADER_LENGTH_BYTES = 8


def _pair(stored: str, leaf: str, bias: bool = True) -> tuple[Rule, ...]:
    weight = Rule(f"{stored}.weight", "linear", (f"{leaf}.weight",))
    return (weight, Rule(f"{stored}.bias", "plain", (f"{leaf}.bias",))) if bias else (weight,)


def _norm(stored: str, leaf: str) -> tuple[Rule, ...]:
    return (
        Rule(f"{stored}.weight", "plain", (f"{leaf}.scale",)),
        Rule(f"{stored}.bias", "plain", (f"{leaf}.bias",)),
    )


def _attention(stored: str, leaf: str) -> tuple[Rule, ...]:
    return (
        *_pair(f"{stored}.q_proj", f"{leaf}.query"),
        *_pair(f"{stored}.k_proj", f"{leaf}.key", bias=False),
        *_pair(f"{stored}.v_proj", f"{leaf}.value"),
        *_pair(f"{stored}.out_proj", f"{leaf}.out"),
    )


def _layer(side: str) -> tuple[Rule, ...]:
    """What encoder and decoder layers share: self-attention and feed-forward."""
    stored, leaf = f"model.{side}.layers.{{i}}", f"{side}.layers.{{i}}"
    return (
        *_attention(f"{stored}.self_attn", f"{leaf}.attention"),
        *_norm(f"{stored}.self_attn_layer_norm", f"{leaf}.attention_norm"),
        *_pair(f"{stored}.fc1", f"{leaf}.mlp.up"),
        *_pair(f"{stored}.fc2", f"{leaf}.mlp.down"),
        *_norm(f"{stored}.final_layer_norm", f"{leaf}.mlp_norm"),
    )


RULES: tuple[Rule, ...] = (
    Rule("model.encoder.conv1.weight", "conv", ("encoder.conv1.weight",)),
    Rule("model.encoder.conv1.bias", "plain", ("encoder.conv1.bias",)),
    Rule("model.encoder.conv2.weight", "conv", ("encoder.conv2.weight",)),
    Rule("model.encoder.conv2.bias", "plain", ("encoder.conv2.bias",)),
    Rule("model.encoder.embed_positions.weight", "sinusoids", ()),
    *_layer("encoder"),
    *_norm("model.encoder.layer_norm", "encoder.norm"),
    Rule("model.decoder.embed_tokens.weight", "plain", ("decoder.embedding",)),
    Rule("model.decoder.embed_positions.weight", "plain", ("decoder.positions",)),
    *_layer("decoder"),
    *_attention("model.decoder.layers.{i}.encoder_attn", "decoder.layers.{i}.cross_attention"),
    *_norm("model.decoder.layers.{i}.encoder_attn_layer_norm", "decoder.layers.{i}.cross_norm"),
    *_norm("model.decoder.layer_norm", "decoder.norm"),
    Rule("proj_out.weight", "tied", ("decoder.embedding",)),
)
"""Hugging Face's names for the arrays of a Whisper model."""

_SIZES = {
    "n_mels": "num_mel_bins",
    "n_audio_ctx": "max_source_positions",
    "n_audio_state": "d_model",
    "n_audio_layer": "encoder_layers",
    "n_vocab": "vocab_size",
    "n_text_ctx": "max_target_positions",
    "n_text_layer": "decoder_layers",
}
"""Sizes that config.json states and the arrays show, under our and their names."""


def read(path: Path, config: dict[str, Any]) -> tuple[ModelDims, WhisperParams]:
    """Read a ``.safetensors`` file, or all files of a ``.safetensors.index.json``.

    Args:
        path: The file. The arrays given back are views of it: it must not be written to while
            they are in use (replacing it is harmless).
        config: The content of the ``config.json`` beside it; empty if there is none.

    Returns:
        Sizes and weights, in their stored type.

    Raises:
        CheckpointError: It holds no Whisper model, or it is damaged.
    """
    kind = config.get("model_type", "whisper")
    if kind != "whisper":
        raise CheckpointError(f"{path} holds a {kind!r} model, not Whisper")
    stored = _read_all(path)
    heads = (config.get("encoder_attention_heads"), config.get("decoder_attention_heads"))
    for given in heads:
        if given is not None and not isinstance(given, int):
            raise CheckpointError(f"config.json beside {path} gives {given!r} attention heads")
    dims = infer_dims(stored, RULES, *heads)
    wrong = [
        f"{theirs} is {config[theirs]} but the arrays have {getattr(dims, ours)}"
        for ours, theirs in _SIZES.items()
        if theirs in config and config[theirs] != getattr(dims, ours)
    ]
    params = assemble(stored, RULES, dims)
    if wrong:
        raise CheckpointError(f"config.json does not fit {path}: {listed(wrong)}")
    return dims, params


def to_arrays(dims: ModelDims, params: WhisperParams) -> dict[str, AnyArray]:
    """The weights of a model under Hugging Face's names, the tied output projection left out."""
    arrays = disassemble(params, RULES, dims)
    return {name: array for name, array in arrays.items() if name != "proj_out.weight"}


def write(path: Path, dims: ModelDims, params: WhisperParams) -> None:
    """Write a ``.safetensors`` file that `read` and transformers read, in the weights' own type.

    Raises:
        OSError: It cannot be written.
    """
    contiguous = {
        name: np.ascontiguousarray(array) for name, array in to_arrays(dims, params).items()
    }
    path.touch()
    mode = path.stat().st_mode  # save_file would let nobody else read it
    try:
        save_file(contiguous, path, metadata={"format": "pt"})  # transformers asks for the format
        path.chmod(mode)
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written: {error}") from error


def config_of(dims: ModelDims) -> dict[str, int]:
    """The sizes of a model as ``config.json`` names them."""
    return {
        **{theirs: getattr(dims, ours) for ours, theirs in _SIZES.items()},
        "encoder_attention_heads": dims.n_audio_head,
        "decoder_attention_heads": dims.n_text_head,
        "encoder_ffn_dim": dims.n_mlp_audio,
        "decoder_ffn_dim": dims.n_mlp_text,
    }


def _read_all(path: Path) -> Stored:
    files = [path]
    if path.suffix == ".json":
        shards = index_shards(path)
        if not shards:
            raise CheckpointError(f"{path} is not an index of safetensors files in its folder")
        files = [path.with_name(shard) for shard in shards]
        lost = [file.name for file in files if not file.is_file()]
        if lost:
            raise CheckpointError(f"{path} names files that are not beside it: {listed(lost)}")
    arrays: dict[str, AnyArray] = {}
    duplicates: list[str] = []
    for file in files:
        for name, array in read_arrays(file).items():
            # WhisperModel saves without the prefix that WhisperForConditionalGeneration has.
            full = f"model.{name}" if name.startswith(("encoder.", "decoder.")) else name
            if full in arrays:
                duplicates.append(full)
            arrays[full] = array
    return Stored(file=path, arrays=arrays, duplicates=tuple(duplicates))


def read_arrays(file: Path) -> dict[str, AnyArray]:
    """The arrays of one safetensors file, as views of it."""
    try:
        with safe_open(file, framework="numpy"):
            pass  # checks all that is relied on below
        content = np.memmap(file, np.uint8, "r").view(np.ndarray)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{file} is damaged or not safetensors: {error}; fetch it again"
        ) from error
    start = _HEADER_LENGTH_BYTES + int(content[:_HEADER_LENGTH_BYTES].view("<u8")[0])
    header = json.loads(content[_HEADER_LENGTH_BYTES:start].tobytes())
    header.pop("__metadata__", None)
    strange = [
        f"{name} {about['dtype']} {about['shape']}"
        for name, about in header.items()
        if about["dtype"] not in _TYPES or 0 in about["shape"]
    ]
    if strange:
        raise CheckpointError(
            f"{file} has arrays that are not floating point (F32, F16, BF16) or are empty: "
            f"{listed(strange)}; save the model unquantised"
        )
    arrays: dict[str, AnyArray] = {}
    for name, about in header.items():
        begin, end = about["data_offsets"]
        raw = content[start + begin : start + end]
        arrays[name] = raw.view(_TYPES[about["dtype"]]).reshape(about["shape"])
    return arrays
