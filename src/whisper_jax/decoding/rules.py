"""What may be said next, as pure functions from logits and what was said to logits.

The rules are openai-whisper's logit filters (Radford et al. 2022, section 2.3, and its
``decoding.py``), written without branches so that every row of a batch may be at another token.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

_pytree = jax.tree_util.register_dataclass


@dataclass(frozen=True, kw_only=True)
class TokenIds:
    """The special tokens that the rules know of; hashable, hence static under jit."""

    eot: int
    no_speech: int
    no_timestamps: int
    timestamp_begin: int


@_pytree
@dataclass(frozen=True)
class Rules:
    """The rules of each slot.

    Attributes:
        suppress: bool [slot, vocab], tokens that are never chosen.
        timestamps: bool [slot], whether timestamps must come in pairs.
        max_initial_timestamp: int32 [slot], latest first timestamp in 20 ms steps.
        repetition_penalty: float32 [slot], see `penalise_repetition`; 1 is none.
        no_repeat_ngram_size: int32 [slot], see `forbid_repeated_ngrams`; 0 is none.
    """

    suppress: Array
    timestamps: Array
    max_initial_timestamp: Array
    repetition_penalty: Array
    no_repeat_ngram_size: Array


def apply_rules(
    logits: Float[Array, "slot row vocab"],
    rules: Rules,
    tokens: Int[Array, "slot row found"],
    n_found: Int[Array, "slot row"],
    ids: TokenIds,
) -> Float[Array, "slot row vocab"]:
    """Logits with everything that may not be said at minus infinity.

    The rules against repetition are not among these: most slots have none, and they cost more
    (`apply_repetition_rules`, which comes first).

    Args:
        logits: Of the next token.
        rules: Of each slot.
        tokens: What was found so far; only the first ``n_found`` of a row count.
        n_found: Tokens found so far.
        ids: The special tokens.
    """
    allowed = jnp.where(rules.suppress[:, None], -jnp.inf, logits)
    latest = rules.max_initial_timestamp[:, None]
    timed = timestamp_rules(allowed, tokens, n_found, latest, ids)
    return jnp.where(rules.timestamps[:, None, None], timed, allowed)


def timestamp_rules(
    logits: Float[Array, "slot row vocab"],
    tokens: Int[Array, "slot row found"],
    n_found: Int[Array, "slot row"],
    max_initial: Int[Array, "slot 1"],
    ids: TokenIds,
) -> Float[Array, "slot row vocab"]:
    """Timestamps begin the text, come in pairs, rise, and win if together they are likelier.

    A worked example, with T for a timestamp and w for text, of what may follow:
    nothing: T up to ``max_initial``; ``T``: w or the end; ``T w``: w, the end, or T above the
    last; ``T w T``: T not below the last, or the end; ``T w T T``: w or the end.
    """
    found = jnp.arange(tokens.shape[-1]) < n_found[..., None]
    is_timestamp = found & (tokens >= ids.timestamp_begin)
    nothing, last, before_last = _endings(is_timestamp, n_found)
    latest = jnp.max(jnp.where(is_timestamp, tokens, -1), axis=-1)
    closing = last & ~before_last
    # A segment may not be empty: its end is above its start, while a new start may equal the end.
    lowest = jnp.where(latest < 0, ids.timestamp_begin, jnp.where(closing, latest, latest + 1))
    highest = jnp.where(nothing, ids.timestamp_begin + max_initial, logits.shape[-1])

    token = jnp.arange(logits.shape[-1])
    is_time = token >= ids.timestamp_begin
    time_allowed = (token >= lowest[..., None]) & (token <= highest[..., None])
    time_allowed &= ~(last & before_last)[..., None]
    text_allowed = ~nothing[..., None] & ~(closing[..., None] & (token < ids.eot))
    text_allowed &= token != ids.no_timestamps
    logits = jnp.where(jnp.where(is_time, time_allowed, text_allowed), logits, -jnp.inf)

    times = logits[..., ids.timestamp_begin :]
    texts = logits[..., : ids.timestamp_begin]
    prefer_time = jax.nn.logsumexp(times, axis=-1) > jnp.max(texts, axis=-1)
    return jnp.where(prefer_time[..., None] & ~is_time, -jnp.inf, logits)


def _endings(
    is_timestamp: Bool[Array, "slot row found"], n_found: Int[Array, "slot row"]
) -> tuple[Bool[Array, "slot row"], Bool[Array, "slot row"], Bool[Array, "slot row"]]:
    """Whether nothing was found; the last is a timestamp; the one before is one, or is missing."""
    position = jnp.arange(is_timestamp.shape[-1])
    last = jnp.any(is_timestamp & (position == n_found[..., None] - 1), axis=-1)
    before_last = jnp.any(is_timestamp & (position == n_found[..., None] - 2), axis=-1)
    return n_found == 0, last, before_last | (n_found < 2)
