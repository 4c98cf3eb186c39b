"""The parameters as a tree of plain records, and the one tree that says what each leaf must be.

`spec(dims)` has the structure of `WhisperParams` with a `Leaf` in place of every array. Making
random weights, checking a checkpoint, sharding and memory estimates are all `jax.tree.map` over
it, so that no shape is written twice.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array

from whisper_jax.model.dims import ModelDims
from whisper_jax.model.weights import Weight

_pytree = jax.tree_util.register_dataclass


@dataclass(frozen=True)
class Leaf:
    """What one array must be.

    Attributes:
        shape: Its shape.
        axes: A logical name for each axis, for sharding; None is never sharded.
        scale: Standard deviation of its random initialisation; 0 for zeros, None for ones.
    """

    shape: tuple[int, ...]
    axes: tuple[str | None, ...]
    scale: float | None


@_pytree
@dataclass(frozen=True)
class Linear:
    """``x @ weight + bias``."""

    weight: Weight  # [d_in, d_out]
    bias: Array | None  # [d_out]


@_pytree
@dataclass(frozen=True)
class LayerNorm:
    """Layer normalisation (Ba et al. 2016)."""

    scale: Array  # [d]
    bias: Array  # [d]


@_pytree
@dataclass(frozen=True)
class Attention:
    """Multi-head attention; Whisper's key projection has no bias."""

    query: Linear  # [d, d]
    key: Linear  # [d, d], bias None
    value: Linear  # [d, d]
    out: Linear  # [d, d]


@_pytree
@dataclass(frozen=True)
class Mlp:
    """The feed-forward half of a layer."""

    up: Linear  # [d, 4 d]
    down: Linear  # [4 d, d]


@_pytree
@dataclass(frozen=True)
class EncoderLayer:
    """One encoder layer, normalised before each half."""

    attention_norm: LayerNorm
    attention: Attention
    mlp_norm: LayerNorm
    mlp: Mlp


@_pytree
@dataclass(frozen=True)
class DecoderLayer:
    """One decoder layer, normalised before each third."""

    attention_norm: LayerNorm
    attention: Attention
    cross_norm: LayerNorm
    cross_attention: Attention
    mlp_norm: LayerNorm
    mlp: Mlp


@_pytree
@dataclass(frozen=True)
class Encoder:
    """The audio encoder. Its positions are sinusoids, computed and not stored."""

    conv1: Linear  # [3 * n_mels, d]: the kernel's taps, then the bins, on the input axis
    conv2: Linear  # [3 * d, d]
    layers: tuple[EncoderLayer, ...]
    norm: LayerNorm


@_pytree
@dataclass(frozen=True)
class Decoder:
    """The text decoder. The embedding is also the output projection."""

    embedding: Array  # [n_vocab, d]
    positions: Array  # [n_text_ctx, d]
    layers: tuple[DecoderLayer, ...]
    norm: LayerNorm


@_pytree
@dataclass(frozen=True)
class WhisperParams:
    """All weights of one model."""

    encoder: Encoder
    decoder: Decoder


def spec(dims: ModelDims) -> WhisperParams:
    """A `WhisperParams` with a `Leaf` in place of every array."""
    audio, text = dims.n_audio_state, dims.n_text_state
    encoder_layer = EncoderLayer(
        attention_norm=_norm(audio),
        attention=_attention(audio),
        mlp_norm=_norm(audio),
        mlp=_mlp(audio, dims.n_mlp_audio),
    )
    decoder_layer = DecoderLayer(
        attention_norm=_norm(text),
        attention=_attention(text),
        cross_norm=_norm(text),
        cross_attention=_attention(text),
        mlp_norm=_norm(text),
        mlp=_mlp(text, dims.n_mlp_text),
    )
    return WhisperParams(
        encoder=Encoder(
            conv1=_linear(3 * dims.n_mels, audio, (None, "embed")),
            conv2=_linear(3 * audio, audio, (None, "embed")),
            layers=(encoder_layer,) * dims.n_audio_layer,
            norm=_norm(audio),
        ),
        decoder=Decoder(
            embedding=_leaf((dims.n_vocab, text), ("vocab", "embed"), 0.02),
            positions=_leaf((dims.n_text_ctx, text), (None, "embed"), 0.01),
            layers=(decoder_layer,) * dims.n_text_layer,
            norm=_norm(text),
        ),
    )


def is_leaf(node: object) -> bool:
    """True for a `Leaf`: for ``jax.tree.map(..., is_leaf=is_leaf)`` over a spec tree."""
    return isinstance(node, Leaf)


def initialise(dims: ModelDims, key: Array, dtype: DTypeLike = jnp.float32) -> WhisperParams:
    """Random weights of the right shapes, for tests and for sizes that cannot be had."""
    leaves, structure = jax.tree.flatten(spec(dims), is_leaf=is_leaf)
    keys = jax.random.split(key, len(leaves))

    def make(leaf: Leaf, key: Array) -> Array:
        if leaf.scale is None:
            return jnp.ones(leaf.shape, dtype)
        return leaf.scale * jax.random.normal(key, leaf.shape, dtype)

    return jax.tree.unflatten(structure, [make(*pair) for pair in zip(leaves, keys, strict=True)])


def n_bytes(dims: ModelDims, dtype: DTypeLike) -> int:
    """Bytes that the weights of a model take in ``dtype``."""
    leaves = jax.tree.leaves(spec(dims), is_leaf=is_leaf)
    return sum(math.prod(leaf.shape) for leaf in leaves) * jnp.dtype(dtype).itemsize


def _leaf(shape: tuple[int, ...], axes: tuple[str | None, ...], scale: float | None) -> Any:
    # Any, since a spec tree has a `Leaf` where `WhisperParams` has an array.
    return Leaf(shape, axes, scale)


def _linear(
    d_in: int, d_out: int, axes: tuple[str | None, str | None], bias: bool = True
) -> Linear:
    weight = _leaf((d_in, d_out), axes, d_in**-0.5)
    return Linear(weight, _leaf((d_out,), axes[1:], 0.0) if bias else None)


def _norm(d: int) -> LayerNorm:
    return LayerNorm(_leaf((d,), ("embed",), None), _leaf((d,), ("embed",), 0.0))


def _attention(d: int) -> Attention:
    return Attention(
        query=_linear(d, d, ("embed", "heads")),
        key=_linear(d, d, ("embed", "heads"), bias=False),
        value=_linear(d, d, ("embed", "heads")),
        out=_linear(d, d, ("heads", "embed")),
    )


def _mlp(d: int, d_hidden: int) -> Mlp:
    return Mlp(
        up=_linear(d, d_hidden, ("embed", "mlp")), down=_linear(d_hidden, d, ("mlp", "embed"))
    )
