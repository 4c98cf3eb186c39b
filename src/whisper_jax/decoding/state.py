"""The state of decoding: everything that changes between steps, with axes [slot, row]."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array

from whisper_jax.decoding.choose import Draws
from whisper_jax.decoding.rules import Rules
from whisper_jax.decoding.search import (
    Finished,
    Search,
    Texts,
    empty_texts,
    nothing_finished,
)
from whisper_jax.model.caches import (
    AudioCache,
    SelfCache,
    empty_cross_cache,
    empty_self_cache,
    fit,
    fit_self_cache,
)
from whisper_jax.model.dims import ModelDims

_pytree = jax.tree_util.register_dataclass


@_pytree
@dataclass(frozen=True)
class RowState:
    """The texts being written, and what was asked for.

    Attributes:
        texts: [slot, row] of them.
        done: bool [slot, row]: nothing more is to be found.
        finished: The beams that have found their end.
        no_speech_prob: float32 [slot], read at the start-of-transcript token.
        search: What was asked for.
        rules: What each slot's texts may not say.
        cache: Self-attention keys and values; holds all tokens but the last found.
    """

    texts: Texts
    done: Array
    finished: Finished
    no_speech_prob: Array
    search: Search
    rules: Rules
    cache: SelfCache


@_pytree
@dataclass(frozen=True)
class Report:
    """What the host reads after a call: small, and separate from the donated state.

    Attributes:
        best: The best text of each slot so far, [slot].
        n_prefix: int32 [slot], how many of its tokens were given.
        no_speech_prob: See `RowState`.
        done: bool [slot]: its rows are all done.
        n_positions: int32 [slot], tokens of the prompt and of the longest row.
        n_steps: int32 [1], steps that this shard ran.
        n_active_row_steps: int32 [1], rows not yet done, summed over these steps.
    """

    best: Texts
    n_prefix: Array
    no_speech_prob: Array
    done: Array
    n_positions: Array
    n_steps: Array
    n_active_row_steps: Array


@_pytree
@dataclass(frozen=True)
class PoolState:
    """Everything a pool of slots keeps on the device."""

    cross: AudioCache
    rows: RowState


def empty_pool(
    dims: ModelDims,
    n_slots: int,
    n_rows: int,
    n_positions: int,
    cache_dtype: DTypeLike,
    cross_dtype: DTypeLike,
) -> PoolState:
    """A pool of ``n_slots`` slots of ``n_rows`` rows, all done, with room for ``n_positions``."""
    integers, floats = jnp.zeros(n_slots, jnp.int32), jnp.zeros(n_slots, jnp.float32)
    return PoolState(
        cross=empty_cross_cache(dims, n_slots, dims.n_audio_ctx, cross_dtype),
        rows=RowState(
            texts=empty_texts((n_slots, n_rows), dims.n_text_ctx),
            done=jnp.ones((n_slots, n_rows), bool),
            finished=nothing_finished(n_slots, dims.n_text_ctx),
            no_speech_prob=floats,
            search=Search(
                n_rows=integers,
                n_prompt=integers,
                n_prefix=integers,
                max_found=integers,
                max_finished=integers,
                length_penalty=floats,
                draws=Draws(temperature=floats, seed=jnp.zeros(n_slots, jnp.uint32)),
            ),
            rules=Rules(
                suppress=jnp.zeros((n_slots, dims.n_vocab), bool),
                timestamps=jnp.zeros(n_slots, bool),
                max_initial_timestamp=integers,
                repetition_penalty=jnp.ones(n_slots, jnp.float32),
                no_repeat_ngram_size=integers,
            ),
            cache=empty_self_cache(dims, n_slots, n_rows, n_positions, cache_dtype),
        ),
    )


def resize_pool(state: PoolState, sources: Array, n_positions: int) -> PoolState:
    """The same windows and texts in another number of slots, with room for other lengths.

    Args:
        state: What there is.
        sources: int32 [new slots], the old slot that each new one takes over; an index beyond
            the old slots leaves the new one with what is of no use to anyone.
        n_positions: Room in the self-attention cache; rows that do not fit are cut.
    """
    is_used = (sources < state.rows.done.shape[0])[:, None]
    state = jax.tree.map(lambda leaf: leaf.at[sources].get(mode="clip"), state)
    rows = fit_rows(state.rows, state.rows.done.shape[1], n_positions)
    return PoolState(state.cross, replace(rows, done=rows.done | ~is_used))


def fit_rows(rows: RowState, n_rows: int, n_positions: int) -> RowState:
    """The same texts with other room: for more or fewer rows, and in the self-attention cache.

    Of the rows there are, those that are in use come first.
    """
    n_new = n_rows - rows.done.shape[1]
    done = jnp.pad(rows.done, ((0, 0), (0, max(n_new, 0))), constant_values=True)
    return replace(
        rows,
        texts=jax.tree.map(lambda leaf: fit(leaf, 1, n_rows), rows.texts),
        done=done[:, :n_rows],
        cache=fit_self_cache(rows.cache, n_rows, n_positions),
    )
