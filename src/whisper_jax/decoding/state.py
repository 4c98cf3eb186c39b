"""The state of decoding: everything that changes between steps, with axes [slot, row]."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array

from whisper_jax.decoding.rules import Rules
from whisper_jax.model.caches import CrossCache, SelfCache, empty_cross_cache, empty_self_cache
from whisper_jax.model.dims import ModelDims

_pytree = jax.tree_util.register_dataclass


@_pytree
@dataclass(frozen=True)
class RowState:
    """The texts being written, ``[slot, row]`` of them.

    Attributes:
        tokens: int32 [slot, row, max_found], tokens found, without prompt and end-of-text.
        logprobs: float32 [slot, row, max_found], the log probability of each.
        n_found: int32 [slot, row], how many.
        n_prompt: int32 [slot, row], tokens before the first that was found.
        max_tokens: int32 [slot, row], most tokens to find, end-of-text included.
        sum_logprob: float32 [slot, row], of the tokens found and end-of-text.
        no_speech_prob: float32 [slot, row], read at the start-of-transcript token.
        done: bool [slot, row]: nothing more is to be found.
        rules: What each row may not say.
        cache: Self-attention keys and values; holds all tokens but the last found.
    """

    tokens: Array
    logprobs: Array
    n_found: Array
    n_prompt: Array
    max_tokens: Array
    sum_logprob: Array
    no_speech_prob: Array
    done: Array
    rules: Rules
    cache: SelfCache


@_pytree
@dataclass(frozen=True)
class Report:
    """What the host reads after a call: small, and separate from the donated state.

    All but the last two are those of `RowState`.

    Attributes:
        n_steps: int32 [1], steps that this shard ran.
        n_active_row_steps: int32 [1], rows not yet done, summed over these steps.
    """

    tokens: Array
    logprobs: Array
    n_found: Array
    n_prompt: Array
    sum_logprob: Array
    no_speech_prob: Array
    done: Array
    n_steps: Array
    n_active_row_steps: Array


@_pytree
@dataclass(frozen=True)
class PoolState:
    """Everything a pool of slots keeps on the device."""

    cross: CrossCache
    rows: RowState


def empty_pool(
    dims: ModelDims,
    n_slots: int,
    n_rows: int,
    n_positions: int,
    dtype: DTypeLike,
) -> PoolState:
    """A pool of ``n_slots`` slots of ``n_rows`` rows, all done, with room for ``n_positions``."""
    lead, max_found = (n_slots, n_rows), dims.n_text_ctx // 2
    integers, floats = jnp.zeros(lead, jnp.int32), jnp.zeros(lead, jnp.float32)
    return PoolState(
        cross=empty_cross_cache(dims, n_slots, dims.n_audio_ctx, dtype),
        rows=RowState(
            tokens=jnp.zeros((*lead, max_found), jnp.int32),
            logprobs=jnp.zeros((*lead, max_found), jnp.float32),
            n_found=integers,
            n_prompt=integers,
            max_tokens=integers,
            sum_logprob=floats,
            no_speech_prob=floats,
            done=jnp.ones(lead, bool),
            rules=Rules(
                suppress=jnp.zeros((*lead, dims.n_vocab), bool),
                timestamps=jnp.zeros(lead, bool),
                max_initial_timestamp=integers,
            ),
            cache=empty_self_cache(dims, *lead, n_positions, dtype),
        ),
    )


def resize_pool(state: PoolState, sources: Array, n_positions: int) -> PoolState:
    """The same windows and rows in another number of slots, with room for other lengths.

    Args:
        state: What there is.
        sources: int32 [new slots], the old slot that each new one takes over; an index beyond
            the old slots leaves the new one with what is of no use to anyone.
        n_positions: Room in the self-attention cache; rows that do not fit are cut.
    """
    is_used = (sources < state.rows.done.shape[0])[:, None]
    state = jax.tree.map(lambda leaf: leaf.at[sources].get(mode="clip"), state)
    rows = stretch_rows(state.rows, n_positions)
    return PoolState(state.cross, replace(rows, done=rows.done | ~is_used))


def stretch_rows(rows: RowState, n_positions: int) -> RowState:
    """The same rows with other room in the self-attention cache."""
    cache = SelfCache(
        keys=tuple(_fit(array, -1, n_positions) for array in rows.cache.keys),
        values=tuple(_fit(array, -2, n_positions) for array in rows.cache.values),
    )
    return replace(rows, cache=cache)


def _fit(array: Array, axis: int, size: int) -> Array:
    axis %= array.ndim
    missing = size - array.shape[axis]
    if missing <= 0:
        return jax.lax.slice_in_dim(array, 0, size, axis=axis)
    return jnp.pad(array, [(0, missing if i == axis else 0) for i in range(array.ndim)])
