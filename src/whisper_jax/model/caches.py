"""What the decoder remembers: cross-attention K/V for each slot, self-attention K/V for each row.

A slot holds one window of audio; its rows are the texts being tried on it (one for greedy
decoding, more for beams and samples). The rows of a slot share its cross-attention K/V. Heads
come before time, keys as [dim, time] and values as [time, dim]: see `layers.attend`.

Texts of a beam search have beginnings in common, and a text may go on from another row's. Keys
and values stay where they were written, and an ancestry says where each text's are: a search
moves a few integers, not its caches.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

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

    @property
    def n_audio_ctx(self) -> int:
        """Encoder frames of a window."""
        return self.keys[0].shape[-1]


@_pytree
@dataclass(frozen=True)
class Int8CrossCache:
    """The same in whole numbers, a scale for each channel of each window.

    All heads of a frame lie together: both products of attention then read keys and values in
    their order, as their left factor, which a CPU does without moving them about first.
    """

    keys: tuple[Array, ...]  # int8 [slot, audio frame, d]
    values: tuple[Array, ...]  # int8 [slot, d, audio frame]
    key_scales: tuple[Array, ...]  # float32 [slot, d]
    value_scales: tuple[Array, ...]  # float32 [slot, d]
    value_sums: tuple[Array, ...]  # int32 [slot, d]: over the frames
    n_audio_frames: Array  # int32 [slot]: encoder frames that may be attended to

    @property
    def n_audio_ctx(self) -> int:
        """Encoder frames of a window."""
        return self.keys[0].shape[1]


type AudioCache = CrossCache | Int8CrossCache


@_pytree
@dataclass(frozen=True)
class SelfCache:
    """Keys and values of the tokens so far, a pair for each decoder layer.

    A worked example of the ancestry, of a slot with a prompt of two tokens, p, in row 0, and two
    beams that have found two tokens each, of which the second goes on from the first one's
    beginning: row 0 has ``0 0 0 0`` and row 1 has ``0 0 0 1``.

    Attributes:
        keys: [slot, row, head, dim, position] of each layer.
        values: [slot, row, head, position, dim] of each layer.
        ancestry: int32 [slot, row, position], the row of the same slot that wrote what this row's
            text has at each position; None where every row has written all of its own.
    """

    keys: tuple[Array, ...]
    values: tuple[Array, ...]
    ancestry: Array | None = None

    @property
    def n_positions(self) -> int:
        """Tokens that there is room for."""
        return self.keys[0].shape[-1]

    @property
    def n_rows(self) -> int:
        """Rows of each slot."""
        return self.keys[0].shape[1]


def empty_cross_cache(
    dims: ModelDims, n_slots: int, n_audio_ctx: int, dtype: DTypeLike
) -> AudioCache:
    """A cache of ``n_slots`` slots with nothing in them: what may be heard there is all zeros."""
    heads, dim = dims.n_text_head, dims.head_dim
    layers, width = range(dims.n_text_layer), dims.n_text_state
    if jnp.dtype(dtype) == jnp.int8:
        return Int8CrossCache(
            keys=tuple(jnp.zeros((n_slots, n_audio_ctx, width), jnp.int8) for _ in layers),
            values=tuple(jnp.zeros((n_slots, width, n_audio_ctx), jnp.int8) for _ in layers),
            key_scales=tuple(jnp.ones((n_slots, width), jnp.float32) for _ in layers),
            value_scales=tuple(jnp.ones((n_slots, width), jnp.float32) for _ in layers),
            value_sums=tuple(jnp.zeros((n_slots, width), jnp.int32) for _ in layers),
            n_audio_frames=jnp.full(n_slots, n_audio_ctx, jnp.int32),
        )
    return CrossCache(
        keys=tuple(jnp.zeros((n_slots, heads, dim, n_audio_ctx), dtype) for _ in layers),
        values=tuple(jnp.zeros((n_slots, heads, n_audio_ctx, dim), dtype) for _ in layers),
        n_audio_frames=jnp.full(n_slots, n_audio_ctx, jnp.int32),
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
        ancestry=jnp.zeros((*lead, n_positions), jnp.int32) if n_rows > 1 else None,
    )


def fit_self_cache(cache: SelfCache, n_rows: int, n_positions: int) -> SelfCache:
    """The same cache with other numbers of rows and positions; what does not fit is cut.

    A new row is nobody's text. Row 0 has written all of its own while it was the only one.
    """
    ancestry = cache.ancestry
    if ancestry is None:
        ancestry = jnp.zeros((cache.keys[0].shape[0], 1, cache.n_positions), jnp.int32)
    ancestry = fit(fit(ancestry, 1, n_rows), -1, n_positions)
    return SelfCache(
        keys=tuple(fit(fit(array, 1, n_rows), -1, n_positions) for array in cache.keys),
        values=tuple(fit(fit(array, 1, n_rows), -2, n_positions) for array in cache.values),
        ancestry=ancestry if n_rows > 1 else None,
    )


def is_cache(node: object) -> bool:
    """True for a cache: for ``jax.tree.map(..., is_leaf=is_cache)`` over a state."""
    return isinstance(node, CrossCache | Int8CrossCache | SelfCache)


def fit_cross_cache(cache: AudioCache, n_audio_ctx: int) -> AudioCache:
    """The same cache with room for another number of audio frames; what does not fit is cut."""
    keys_axis, values_axis = (1, 2) if isinstance(cache, Int8CrossCache) else (3, 2)
    return replace(
        cache,
        keys=tuple(fit(array, keys_axis, n_audio_ctx) for array in cache.keys),
        values=tuple(fit(array, values_axis, n_audio_ctx) for array in cache.values),
    )


def cache_axes(cache: AudioCache | SelfCache, place: Callable[..., Any]) -> Any:
    """The cache with what ``place`` says of each array's logical axes in place of the array."""
    n_layers = len(cache.keys)
    slot = place("slot")
    match cache:
        case CrossCache():
            by_head = (place("slot", "heads", None, None),) * n_layers
            return CrossCache(keys=by_head, values=by_head, n_audio_frames=slot)
        case Int8CrossCache():
            # The width is heads, one after the other.
            of_channels = (place("slot", "heads"),) * n_layers
            return Int8CrossCache(
                keys=(place("slot", None, "heads"),) * n_layers,
                values=(place("slot", "heads", None),) * n_layers,
                key_scales=of_channels,
                value_scales=of_channels,
                value_sums=of_channels,
                n_audio_frames=slot,
            )
        case SelfCache():
            by_head = (place("slot", None, "heads", None, None),) * n_layers
            return SelfCache(by_head, by_head, None if cache.ancestry is None else slot)


def fit(array: Array, axis: int, size: int) -> Array:
    """The array with another size along an axis: cut, or filled up with zeros."""
    axis %= array.ndim
    missing = size - array.shape[axis]
    if missing <= 0:
        return jax.lax.slice_in_dim(array, 0, size, axis=axis)
    return jnp.pad(array, [(0, missing if i == axis else 0) for i in range(array.ndim)])
