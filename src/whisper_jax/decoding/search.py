"""How a slot's texts grow by a token, and which of them is the best: beams, samples, or one text.

Beam search is openai-whisper's (its ``BeamSearchDecoder``; patience after Kasai et al. 2022,
"Beam decoding with controlled patience"), without dictionaries: of the finished texts only the
best-ranked one and their number matter, so no more is kept.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from whisper_jax.decoding.choose import Choice, Draws

_pytree = jax.tree_util.register_dataclass


@_pytree
@dataclass(frozen=True)
class Search:
    """What each slot was asked for.

    Attributes:
        n_rows: int32 [slot], texts that are written at once.
        n_prompt: int32 [slot], tokens before the text.
        n_prefix: int32 [slot], tokens of the text that were given.
        max_found: int32 [slot], most tokens of the text, those given and the end included.
        max_finished: int32 [slot], finished beams after which a search ends.
        length_penalty: float32 [slot], see `rank`; NaN for the length itself.
        draws: Where tokens are drawn; slots with several rows and no temperature are beams.
    """

    n_rows: Array
    n_prompt: Array
    n_prefix: Array
    max_found: Array
    max_finished: Array
    length_penalty: Array
    draws: Draws

    @property
    def is_beam(self) -> Bool[Array, " slot"]:
        """Slots whose rows are the hypotheses of one search."""
        return (self.n_rows > 1) & (self.draws.temperature == 0)


@_pytree
@dataclass(frozen=True)
class Texts:
    """Texts, ``[slot, row]`` of them, or ``[slot]``.

    Attributes:
        tokens: int32 [..., found], those given and those found, without prompt and end-of-text.
        logprobs: float32 [..., found], the log probability of each; 0 for those given.
        n_found: int32 [...], how many.
        sum_logprob: float32 [...], of all tokens and of end-of-text, where it was found.
    """

    tokens: Array
    logprobs: Array
    n_found: Array
    sum_logprob: Array


@_pytree
@dataclass(frozen=True)
class Finished:
    """The beams of each slot that have found their end.

    Attributes:
        best: The best-ranked one, [slot].
        rank: float32 [slot], its rank; minus infinity before there is one.
        count: int32 [slot], how many there are.
    """

    best: Texts
    rank: Array
    count: Array


def empty_texts(shape: tuple[int, ...], max_found: int) -> Texts:
    """Texts without tokens."""
    return Texts(
        tokens=jnp.zeros((*shape, max_found), jnp.int32),
        logprobs=jnp.zeros((*shape, max_found), jnp.float32),
        n_found=jnp.zeros(shape, jnp.int32),
        sum_logprob=jnp.zeros(shape, jnp.float32),
    )


def nothing_finished(n_slots: int, max_found: int) -> Finished:
    """No finished beams."""
    return Finished(
        best=empty_texts((n_slots,), max_found),
        rank=jnp.full(n_slots, -jnp.inf),
        count=jnp.zeros(n_slots, jnp.int32),
    )


def rank(
    sum_logprob: Float[Array, "slot row"], n_tokens: Int[Array, "slot row"], search: Search
) -> Float[Array, "slot row"]:
    """What texts are compared by: log probability over length.

    With a penalty the length is ((5 + n) / 6) ** penalty (Wu et al. 2016, equation 14, as in
    openai-whisper); else it is the number of tokens found, and a text without any counts as one.
    """
    penalty = search.length_penalty[:, None]
    plain = jnp.maximum(n_tokens, 1).astype(jnp.float32)
    shaped = ((5.0 + n_tokens) / 6.0) ** jnp.where(jnp.isnan(penalty), 0.0, penalty)
    return sum_logprob / jnp.where(jnp.isnan(penalty), plain, shaped)


def extend(
    texts: Texts, choice: Choice, active: Bool[Array, "slot row"], eot: int
) -> tuple[Texts, Bool[Array, "slot row"]]:
    """Write the first choice of each active row down; also says which have found their end."""
    token, logprob = choice.tokens[..., 0], choice.logprobs[..., 0]
    is_end = active & (token == eot)
    longer = _append(texts, token, logprob, active & ~is_end)
    total = texts.sum_logprob + jnp.where(active, logprob, 0.0)
    return replace(longer, sum_logprob=total), is_end


def advance_beams(
    texts: Texts, choice: Choice, finished: Finished, search: Search, eot: int
) -> tuple[Texts, Finished, Int[Array, "slot row"]]:
    """One step of all beams.

    Every hypothesis offers its best tokens. Down the list of all that is offered, in order of
    summed log probability: what ends is finished, and what goes on becomes the next row, until
    there are as many rows as beams. Row 0 alone has a finite score in the first step.

    Returns:
        The new rows, best first; the finished ones; and the row that each new one goes on from.
    """
    n_rows, k = choice.tokens.shape[1:]
    beam = search.n_rows[:, None]
    offered = texts.sum_logprob[..., None] + choice.logprobs
    # Each row offers one end at most, so twice as many as there are rows are enough.
    scores, at = lax.top_k(offered.reshape(offered.shape[0], n_rows * k), 2 * n_rows)
    tokens = jnp.take_along_axis(choice.tokens.reshape(offered.shape[0], -1), at, axis=1)
    logprobs = jnp.take_along_axis(choice.logprobs.reshape(offered.shape[0], -1), at, axis=1)
    is_end = tokens == eot
    n_going_on = jnp.cumsum(~is_end, axis=1)
    ends = is_end & (n_going_on < beam) & (scores > -jnp.inf)
    finished = _finish(texts, finished, search, ends, at // k, scores)

    wanted = jnp.arange(n_rows)[:, None] + 1
    next_at = jnp.argmax((n_going_on[:, None] == wanted) & ~is_end[:, None], axis=-1)

    def pick(array: Array) -> Array:
        return jnp.take_along_axis(array, next_at, axis=1)

    source = pick(at // k)
    beginnings = take_rows(texts, source)
    score = jnp.where(jnp.arange(n_rows) < beam, pick(scores), -jnp.inf)
    everywhere = jnp.ones(source.shape, bool)
    rows = _append(beginnings, pick(tokens), pick(logprobs), everywhere)
    return replace(rows, sum_logprob=score), finished, source


def best_text(texts: Texts, finished: Finished, search: Search) -> Texts:
    """The best of each slot's texts, [slot].

    Of beams, the finished ones compete; if they are fewer than the beams, so do as many of the
    best unfinished ones as are missing. Samples compete with each other. First come, first
    served among equals.
    """
    n_rows = texts.n_found.shape[1]
    competes = jnp.arange(n_rows) < (search.n_rows - finished.count)[:, None]
    ranks = rank(texts.sum_logprob, texts.n_found - search.n_prefix[:, None], search)
    # Something has to be said, even if it is impossible.
    ranks = jnp.maximum(ranks, jnp.finfo(jnp.float32).min)
    ranks = jnp.where(competes, ranks, -jnp.inf)
    best_row = jnp.argmax(ranks, axis=1, keepdims=True)
    row_wins = jnp.take_along_axis(ranks, best_row, axis=1)[:, 0] > finished.rank
    of_row = jax.tree.map(lambda leaf: leaf[:, 0], take_rows(texts, best_row))
    return select(row_wins, of_row, finished.best)


def take_rows(texts: Texts, rows: Int[Array, "slot n"]) -> Texts:
    """Some rows of each slot."""

    def take(leaf: Array) -> Array:
        return jnp.take_along_axis(leaf, rows.reshape(*rows.shape, *(1,) * (leaf.ndim - 2)), axis=1)

    return jax.tree.map(take, texts)


def select[T](where: Bool[Array, " slot"], yes: T, no: T) -> T:
    """One tree or the other, slot by slot."""
    return jax.tree.map(
        lambda a, b: jnp.where(where.reshape(-1, *(1,) * (a.ndim - 1)), a, b), yes, no
    )


def _finish(
    texts: Texts,
    finished: Finished,
    search: Search,
    ends: Bool[Array, "slot offered"],
    source: Int[Array, "slot offered"],
    scores: Float[Array, "slot offered"],
) -> Finished:
    """Count the ends that there is room for, and keep the best text."""
    n_ends = jnp.cumsum(ends, axis=1)
    counted = ends & (finished.count[:, None] + n_ends <= search.max_finished[:, None])
    # They are of one length and in order of score, so the first is the best.
    first = jnp.argmax(counted, axis=1, keepdims=True)
    text = take_rows(texts, jnp.take_along_axis(source, first, axis=1))
    text = replace(text, sum_logprob=jnp.take_along_axis(scores, first, axis=1))
    ranks = rank(text.sum_logprob, text.n_found - search.n_prefix[:, None], search)[:, 0]
    is_better = jnp.any(counted, axis=1) & (ranks > finished.rank)
    text = jax.tree.map(lambda leaf: leaf[:, 0], text)
    return Finished(
        best=select(is_better, text, finished.best),
        rank=jnp.where(is_better, ranks, finished.rank),
        count=finished.count + jnp.sum(counted, axis=1, dtype=jnp.int32),
    )


def _append(texts: Texts, token: Array, logprob: Array, where: Bool[Array, "slot row"]) -> Texts:
    """Write a token and its log probability down; the sum is left to the caller."""
    index = jnp.arange(texts.tokens.shape[-1])
    here = where[..., None] & (index == texts.n_found[..., None])
    return replace(
        texts,
        tokens=jnp.where(here, token[..., None], texts.tokens),
        logprobs=jnp.where(here, logprob[..., None], texts.logprobs),
        n_found=texts.n_found + where,
    )
