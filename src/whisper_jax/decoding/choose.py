"""The next tokens of each row: the likeliest ones, and one that is drawn where rows are samples.

A vocabulary is long and rows are many, so what is looked for is narrowed down by blocks of it:
the largest k are in the k blocks with the largest maxima, and a draw falls into one block.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from whisper_jax.decoding.repetition import apply_repetition_rules
from whisper_jax.decoding.rules import Rules, TokenIds, apply_rules

_pytree = jax.tree_util.register_dataclass

_BLOCK = 253
"""Tokens in a block; the multilingual vocabularies up to large-v2 have 205 times as many."""


@_pytree
@dataclass(frozen=True)
class Draws:
    """How each slot's tokens are drawn.

    Attributes:
        temperature: float32 [slot], what logits are divided by before a draw; 0 draws none.
        seed: uint32 [slot], where the draws begin.
    """

    temperature: Array
    seed: Array


@_pytree
@dataclass(frozen=True)
class Choice:
    """The best next tokens of each row, in order.

    Attributes:
        tokens: int32 [slot, row, k].
        logprobs: float32 [slot, row, k], natural logarithms of their probabilities after the
            rules, at temperature 1.
    """

    tokens: Array
    logprobs: Array


def choose(
    logits: Float[Array, "slot row vocab"],
    tokens: Int[Array, "slot row found"],
    n_found: Int[Array, "slot row"],
    active: Bool[Array, "slot row"],
    rules: Rules,
    draws: Draws,
    ids: TokenIds,
) -> Choice:
    """Apply the rules and choose: as many tokens as a beam search with all rows asks for.

    Args:
        logits: Of the next token.
        tokens: What was found so far; only the first ``n_found`` of a row count.
        n_found: Tokens found so far.
        active: The rows whose choice matters.
        rules: Of each slot.
        draws: Of each slot.
        ids: The special tokens.

    Returns:
        One token where there is one row, else one more than there are rows. In slots with a
        temperature the first is the one drawn.
    """
    n_rows = logits.shape[1]
    k = 1 if n_rows == 1 else n_rows + 1

    def plainly(logits: Array) -> Choice:
        return likeliest(apply_rules(logits, rules, tokens, n_found, ids), k)

    def fully(logits: Array) -> Choice:
        fresh = apply_repetition_rules(logits, rules, tokens, n_found, ids)
        ruled = apply_rules(fresh, rules, tokens, n_found, ids)
        return draw(ruled, likeliest(ruled, k), n_found, draws)

    in_use = jnp.any(active, axis=1)
    unusual = draws.temperature > 0
    unusual |= (rules.repetition_penalty != 1) | (rules.no_repeat_ngram_size > 0)
    return lax.cond(jnp.any(in_use & unusual), fully, plainly, logits)


def likeliest(logits: Float[Array, "slot row vocab"], k: int) -> Choice:
    """The ``k`` likeliest tokens, in order; the lowest id first among equals."""
    if k == 1:
        # `max` and the smallest index equal to it: on a CPU several times faster than `argmax`. As
        # floats, which hold these whole numbers exactly and are compared faster.
        highest = jnp.max(logits, axis=-1, keepdims=True)
        from_end = jnp.arange(logits.shape[-1], 0, -1, dtype=jnp.float32)
        first = jnp.max(jnp.where(logits == highest, from_end, 0.0), axis=-1, keepdims=True)
        tokens = logits.shape[-1] - first
    else:
        # XLA would otherwise look the highest up anew for every token of the sum below.
        highest, tokens = lax.optimization_barrier(top_k(logits, k))
    total = jnp.sum(jnp.exp(logits - highest[..., :1]), axis=-1, keepdims=True)
    return Choice(tokens.astype(jnp.int32), highest - highest[..., :1] - jnp.log(total))


def top_k(
    x: Float[Array, "slot row vocab"], k: int
) -> tuple[Float[Array, "slot row k"], Int[Array, "slot row k"]]:
    """`lax.top_k` of a long axis, several times faster on a CPU."""
    lead, n = x.shape[:-1], x.shape[-1] // _BLOCK
    k_blocks = min(k, n)
    maxima = jnp.max(x[..., : n * _BLOCK].reshape(*lead, n, _BLOCK), axis=-1)
    # In rising order, so that of equal numbers the first comes first.
    blocks = jnp.sort(lax.top_k(maxima, k_blocks)[1], axis=-1)
    within = (blocks[..., None] * _BLOCK + jnp.arange(_BLOCK)).reshape(*lead, k_blocks * _BLOCK)
    rest = jnp.arange(n * _BLOCK, x.shape[-1])
    candidates = jnp.concatenate([within, jnp.broadcast_to(rest, (*lead, rest.size))], axis=-1)
    values, index = lax.top_k(jnp.take_along_axis(x, candidates, axis=-1), k)
    return values, jnp.take_along_axis(candidates, index, axis=-1)


def draw(
    logits: Float[Array, "slot row vocab"],
    choice: Choice,
    n_found: Int[Array, "slot row"],
    draws: Draws,
) -> Choice:
    """Put a token drawn at each slot's temperature first, where that is above 0.

    One number is drawn for a row, from the slot's seed, the row and the tokens found: nothing
    else of the batch matters. The token is where the probabilities, added up in order of ids,
    pass that number: first those of the blocks, then those within the block.
    """
    temperature = jnp.where(draws.temperature > 0, draws.temperature, 1.0)[:, None, None]
    highest = jnp.take_along_axis(logits, choice.tokens[..., :1], axis=-1)
    weights = jnp.exp((logits - highest) / temperature)
    lead, n = weights.shape[:-1], weights.shape[-1] // _BLOCK
    sums = jnp.sum(weights[..., : n * _BLOCK].reshape(*lead, n, _BLOCK), axis=-1)
    rest = jnp.sum(weights[..., n * _BLOCK :], axis=-1, keepdims=True)
    below = jnp.cumsum(jnp.concatenate([sums, rest], axis=-1), axis=-1)
    target = _uniforms(draws.seed, n_found)[..., None] * below[..., -1:]
    block = _first_above(below, target)
    before = jnp.where(
        block > 0, jnp.take_along_axis(below, jnp.maximum(block - 1, 0), axis=-1), 0.0
    )
    within = block * _BLOCK + jnp.arange(_BLOCK)
    own = jnp.take_along_axis(weights, within, axis=-1, mode="fill", fill_value=0)
    own = jnp.cumsum(own, axis=-1)
    # Sums in another order may differ in the last bits: the target is to stay below the last one.
    target = jnp.minimum(target - before, own[..., -1:] * (1 - 2**-20))
    token = block * _BLOCK + _first_above(own, target)
    logprob = jnp.take_along_axis(logits, token, axis=-1) - highest + choice.logprobs[..., :1]
    drawn = Choice(
        jnp.concatenate([token, choice.tokens[..., 1:]], axis=-1),
        jnp.concatenate([logprob, choice.logprobs[..., 1:]], axis=-1),
    )
    return jax.tree.map(
        lambda new, old: jnp.where(draws.temperature[:, None, None] > 0, new, old), drawn, choice
    )


def _first_above(
    rising: Float[Array, "slot row n"], target: Float[Array, "slot row 1"]
) -> Int[Array, "slot row 1"]:
    return jnp.sum(rising <= target, axis=-1, keepdims=True, dtype=jnp.int32)


def _uniforms(seed: Array, n_found: Int[Array, "slot row"]) -> Float[Array, "slot row"]:
    """A number from 0 to 1 for each row."""

    def of_row(seed: Array, row: Array, count: Array) -> Array:
        return jax.random.uniform(jax.random.fold_in(jax.random.fold_in(seed, row), count))

    def of_slot(seed: Array, counts: Array) -> Array:
        return jax.vmap(of_row, in_axes=(None, 0, 0))(
            jax.random.key(seed), jnp.arange(counts.shape[0]), counts
        )

    return jax.vmap(of_slot)(seed, n_found)
