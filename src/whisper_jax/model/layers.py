"""The parts that encoder and decoder share: linear layers, normalisation, attention, sinusoids."""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float
from numpy.typing import NDArray

from whisper_jax.model.params import LayerNorm, Linear, Mlp
from whisper_jax.model.weights import matmul

NORM_EPSILON = 1e-5
_N_SUMS = 32
"""Columns of ones: one is enough, but products come in blocks of so many."""
_TILE_ROWS = 8
"""Rows of a TPU's tiles of 8 x 128 numbers."""

type AttentionKind = Literal["plain", "xla", "cudnn"]
"""How the encoder attends: with `attend`, or with JAX's own attention, implemented by either."""


def linear(
    p: Linear, x: Float[Array, "*batch d_in"], dtype: DTypeLike | None = None
) -> Float[Array, "*batch d_out"]:
    """``x @ weight + bias``, added up in float32; in the type of ``x`` where none is given."""
    y = matmul(x, p.weight)
    y = y if p.bias is None else y + p.bias
    return y.astype(x.dtype if dtype is None else dtype)


def layer_norm(p: LayerNorm, x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """Layer normalisation, computed in float32 whatever the type of ``x``."""
    wide = x.astype(jnp.float32)
    centred = wide - jnp.mean(wide, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
    normed = centred * lax.rsqrt(variance + NORM_EPSILON)
    return (normed * p.scale + p.bias).astype(x.dtype)


def mlp(p: Mlp, x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """Two linear layers with the exact GELU between them."""
    return linear(p.down, gelu(linear(p.up, x, jnp.float32)).astype(x.dtype))


def gelu(x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """The exact GELU (Hendrycks and Gimpel 2016), for float32.

    As openai-whisper's framework writes it, with the error function; `jax.nn.gelu` takes its
    complement, which is slower on a CPU.
    """
    return 0.5 * x * (1 + lax.erf(x * np.float32(np.sqrt(0.5))))


def split_heads(x: Float[Array, "*batch d"], n_heads: int) -> Float[Array, "*batch heads dim"]:
    """The last axis as [heads, dim]."""
    return x.reshape(*x.shape[:-1], n_heads, x.shape[-1] // n_heads)


def attend(
    query: Float[Array, "*batch queries dim"],
    keys: Float[Array, "*batch dim time"],
    values: Float[Array, "*batch time dim"],
    mask: Bool[Array, "..."] | None,
) -> tuple[Float[Array, "*batch queries dim"], Float[Array, "*batch queries time"]]:
    """Scaled dot-product attention; the softmax is in float32.

    Keys lie as [dim, time] and values as [time, dim], the layouts that a CPU reads fastest when
    there are few queries. ``mask``, where given, broadcasts against [*batch, queries, time] and
    is True where a query may look. The division by the softmax's sum comes after the second
    product: it is then over ``dim`` numbers a query in place of ``time``.

    Returns:
        What was attended to, in the values' type, and the attention weights in float32 (free
        where nobody uses them).
    """
    if query.shape[-2] > 1:
        return _attend_once(query, keys, values, mask)
    return lax.platform_dependent(
        query, keys, values, mask, tpu=_attend_repeated, default=_attend_once
    )


def _attend_once(
    query: Array, keys: Array, values: Array, mask: Array | None
) -> tuple[Array, Array]:
    scale = query.shape[-1] ** -0.5
    scores = jnp.matmul(query * scale, keys, preferred_element_type=jnp.float32)
    if mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf)
    exps = jnp.exp(scores - jnp.max(scores, axis=-1, keepdims=True))
    total = jnp.sum(exps, axis=-1, keepdims=True)
    mixed = jnp.matmul(exps.astype(values.dtype), values, preferred_element_type=jnp.float32)
    return (mixed / total).astype(query.dtype), exps / total


def _attend_repeated(
    query: Array, keys: Array, values: Array, mask: Array | None
) -> tuple[Array, Array]:
    """`_attend_once` for one query, which is asked as often as a tile of a TPU has rows.

    Products with one row are left to its vector unit, which by XLA's estimate takes four times as
    long as reading the keys and values; with several rows they are for the matrix units.
    """
    repeated = jnp.repeat(query, _TILE_ROWS, axis=-2)
    mixed, weights = _attend_once(repeated, keys, values, mask)
    return mixed[..., :1, :], weights[..., :1, :]


def attend_to_all(
    query: Float[Array, "*batch queries dim"],
    keys: Float[Array, "*batch dim time"],
    values: Float[Array, "*batch time dim"],
) -> Float[Array, "*batch queries dim"]:
    """`attend` where every query looks at everything, and there are many of them."""

    def attend_plainly(query: Array, keys: Array, values: Array) -> Array:
        return _attend_once(query, keys, values, None)[0]

    return lax.platform_dependent(
        query, keys, values, tpu=attend_plainly, default=_attend_with_ones
    )


def _attend_with_ones(query: Array, keys: Array, values: Array) -> Array:
    """The softmax's sums come out of the second product as well, from ones beside the values.

    On a CPU that takes a quarter to a third less time than to add them up. On a TPU, by XLA's
    estimate, it takes half as long again: there the first product then leaves float32 behind.
    """
    scale = query.shape[-1] ** -0.5
    scores = jnp.matmul(query * scale, keys, preferred_element_type=jnp.float32)
    exps = jnp.exp(scores - jnp.max(scores, axis=-1, keepdims=True)).astype(values.dtype)
    ones = jnp.ones((*values.shape[:-1], _N_SUMS), values.dtype)
    both = jnp.concatenate([values, ones], axis=-1)
    mixed = jnp.matmul(exps, both, preferred_element_type=jnp.float32)
    dim = values.shape[-1]
    return (mixed[..., :dim] / mixed[..., dim : dim + 1]).astype(query.dtype)


def attend_across_rows(
    query: Float[Array, "slot row heads 1 dim"],
    keys: Float[Array, "slot row heads dim time"],
    values: Float[Array, "slot row heads time dim"],
    mask: Bool[Array, "slot row 1 queries time"],
) -> Float[Array, "slot row heads 1 dim"]:
    """`attend` for the rows of a slot that look into each other's keys.

    The queries of all rows are looked up in the keys of every row, and one softmax is over all
    that the mask (its ``row`` is whose keys, its ``queries`` whose query) lets a query see: rows
    times the work of `attend`, which is cheaper than to move keys and values about.
    """
    n_rows, scale = query.shape[1], query.shape[-1] ** -0.5
    each = jnp.einsum("srhod->sohrd", query * scale)
    each = jnp.broadcast_to(each, (each.shape[0], n_rows, *each.shape[2:]))
    scores = jnp.matmul(each, keys, preferred_element_type=jnp.float32)
    scores = jnp.where(mask, scores, -jnp.inf)
    exps = jnp.exp(scores - jnp.max(scores, axis=(1, 4), keepdims=True))
    # As a product: a CPU's sum over time has other last bits where there is more room for it.
    total = jnp.matmul(exps, jnp.ones((exps.shape[-1], 1), exps.dtype))
    mixed = jnp.matmul(exps.astype(values.dtype), values, preferred_element_type=jnp.float32)
    mixed = jnp.sum(mixed, axis=1, keepdims=True) / jnp.sum(total, axis=1, keepdims=True)
    return jnp.einsum("sohrd->srhod", mixed).astype(query.dtype)


def sinusoids(n_positions: int, d: int) -> NDArray[np.float32]:
    """float32 [n_positions, d]: sines then cosines, timescales 1 to 10,000 (Vaswani et al. 2017).

    The first half of the width holds the sines, the second the cosines, as Whisper was trained.
    """
    rates = np.exp(-np.log(10_000) / (d // 2 - 1) * np.arange(d // 2))
    angles = np.arange(n_positions)[:, None] * rates[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)
