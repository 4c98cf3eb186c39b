"""The two rules against saying the same again; both are about text, and leave timestamps alone."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from whisper_jax.decoding.rules import Rules, TokenIds


def apply_repetition_rules(
    logits: Float[Array, "slot row vocab"],
    rules: Rules,
    tokens: Int[Array, "slot row found"],
    n_found: Int[Array, "slot row"],
    ids: TokenIds,
) -> Float[Array, "slot row vocab"]:
    """Both rules, in the slots that have them."""
    is_text = (jnp.arange(tokens.shape[-1]) < n_found[..., None]) & (tokens < ids.eot)
    said = _marked(tokens, is_text, logits.shape[-1])
    penalty = rules.repetition_penalty[:, None, None]
    logits = jnp.where(said, jnp.where(logits > 0, logits / penalty, logits * penalty), logits)
    size = rules.no_repeat_ngram_size[:, None]
    repeats = ends_repeated_ngram(tokens, n_found, size) & is_text
    return jnp.where(_marked(tokens, repeats, logits.shape[-1]), -jnp.inf, logits)


def ends_repeated_ngram(
    tokens: Int[Array, "slot row found"],
    n_found: Int[Array, "slot row"],
    size: Int[Array, "slot 1"],
) -> Bool[Array, "slot row found"]:
    """Whether a token, said once more now, would end a run of ``size`` tokens said before.

    That is where the ``size - 1`` tokens before it are those that were found last: in ``a b c a
    b`` with runs of three it is ``c``. Runs are of whatever was found, timestamps included.
    """
    index = jnp.arange(tokens.shape[-1])

    def compare(back: Array, same: Array) -> Array:
        # One token further back, both from each place and from the end.
        last = jnp.take_along_axis(tokens, jnp.maximum(n_found - back, 0)[..., None], axis=-1)
        is_same = (jnp.roll(tokens, back, axis=-1) == last) & (index >= back)
        return same & (is_same | (back >= size)[..., None])

    found = index < n_found[..., None]
    return lax.fori_loop(1, jnp.max(size), compare, found) & (size > 0)[..., None]


def _marked(
    tokens: Int[Array, "slot row found"], chosen: Bool[Array, "slot row found"], n_vocab: int
) -> Bool[Array, "slot row vocab"]:
    """True for each token id that is among the chosen."""
    slot, row = jnp.indices(tokens.shape[:2])[..., None]
    ids = jnp.where(chosen, tokens, n_vocab)
    return jnp.zeros((*tokens.shape[:2], n_vocab), bool).at[slot, row, ids].set(True, mode="drop")
