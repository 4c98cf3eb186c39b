"""What the decoder remembers: cross-attention K/V for each slot, self-attention K/V for each row.

A slot holds one window of audio; its rows are the texts being tried on it (one for greedy
decoding, more for beams and samples). The rows of a slot share its cross-attention K/V. Heads
come before time, keys as [dim, time] and values as [time, dim]: see `layers.attend`.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array

from whisper_jax.model.dims import ModelDims

_pytree = jax.tree_util.register_dataclass


@_pytree
@dataclass(frozen=True)
class CrossCache:
    """Keys and values of the encoded windows, a pair for each decoder layer."""

    keys: tuple[Array, ...]  # [slot, head, dim, audio frame]
    values: tuple[Array, ...]  # [slot, head, audio frame, dim]
    n_audio_frames: Array  # int32 [slot]: encoder frames that may be attended to


@_pytree
@dataclass(frozen=True)
class SelfCache:
    """Keys and values of the tokens so far, a pair for each decoder layer."""

    keys: tuple[Array, ...]  # [slot, row, head, dim, position]
    values: tuple[Array, ...]  # [slot, row, head, position, dim]

    @property
    def n_positions(self) -> int:
        """Tokens that there is room for."""
        return self.keys[0].shape[-1]


def empty_cross_cache(
    dims: ModelDims, n_slots: int, n_audio_ctx: int, dtype: DTypeLike
) -> CrossCache:
    """A cache of ``n_slots`` slots with nothing in them."""
    heads, dim = dims.n_text_head, dims.head_dim
    layers = range(dims.n_text_layer)
    return CrossCache(
        keys=tuple(jnp.zeros((n_slots, heads, dim, n_audio_ctx), dtype) for _ in layers),
        values=tuple(jnp.zeros((n_slots, heads, n_audio_ctx, dim), dtype) for _ in layers),
        n_audio_frames=jnp.zeros(n_slots, jnp.int32),
    )


def empty_self_cache(
    dims: ModelDims, n_slots: int, n_rows: int, n_positions: int, dtype: DTypeLike
) -> SelfCache:
    """A cache of ``n_slots`` slots of ``n_rows`` rows with nothing in them."""
    lead, heads, dim = (n_slots, n_rows), dims.n_text_head, dims.head_dim
    layers = range(dims.n_text_layer)
    return SelfCache(
        keys=tuple(jnp.zeros((*lead, heads, dim, n_positions), dtype) for _ in layers),
        values=tuple(jnp.zeros((*lead, heads, n_positions, dim), dtype) for _ in layers),
    )
