"""Cross-attention: what a window's audio is to the decoder, and how its texts look at it.

Keys and values are computed once a window and read in every step: of all that a step reads they
are most. Held in int8 they are a quarter of float32's bytes.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from whisper_jax.model.caches import AudioCache, CrossCache, Int8CrossCache, fit
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.layers import attend, linear, split_heads
from whisper_jax.model.params import Decoder
from whisper_jax.model.weights import round_to_int8

MOST_COLUMNS = 128
"""Most columns of queries that are looked up in int8; beyond that, float keys are cheaper."""
_LEVELS = 254
"""Steps between no attention and the most: those of a signed byte, both ends included."""


def encode_for_decoder(
    p: Decoder,
    dims: ModelDims,
    encoded: Float[Array, "batch audio_frames d"],
    n_audio_frames: Int[Array, " batch"],
    dtype: DTypeLike,
) -> AudioCache:
    """Each layer's cross-attention keys and values of encoded audio, a slot for each window.

    Args:
        p: The decoder's weights.
        dims: Sizes of the model.
        encoded: What the encoder made of the windows; the cache has room for the longest ones.
        n_audio_frames: Frames of each that may be attended to.
        dtype: The type they are held in.
    """
    length = dims.n_audio_ctx
    keys = [linear(layer.cross_attention.key, encoded) for layer in p.layers]
    values = [linear(layer.cross_attention.value, encoded) for layer in p.layers]
    if jnp.dtype(dtype) == jnp.int8:
        # Each channel has its own scale over the frames.
        rounded_keys = [round_to_int8(key, axis=1) for key in keys]
        rounded_values = [round_to_int8(value, axis=1) for value in values]
        return Int8CrossCache(
            keys=tuple(fit(whole, 1, length) for whole, _ in rounded_keys),
            values=tuple(fit(jnp.swapaxes(whole, 1, 2), 2, length) for whole, _ in rounded_values),
            key_scales=tuple(step[:, 0] for _, step in rounded_keys),
            value_scales=tuple(step[:, 0] for _, step in rounded_values),
            value_sums=tuple(jnp.sum(v, axis=1, dtype=jnp.int32) for v, _ in rounded_values),
            n_audio_frames=n_audio_frames,
        )
    heads = dims.n_text_head
    return CrossCache(
        keys=tuple(fit(_as_keys(key, heads).astype(dtype), 3, length) for key in keys),
        values=tuple(fit(_as_values(value, heads).astype(dtype), 2, length) for value in values),
        n_audio_frames=n_audio_frames,
    )


def attend_to_audio(
    query: Float[Array, "slot row new heads dim"], cross: AudioCache, layer: int
) -> tuple[Float[Array, "slot row new heads dim"], Float[Array, "slot row heads new time"]]:
    """Cross-attention of one layer: all rows of a slot, and all their new tokens, to its audio.

    Args:
        query: Of the tokens; not scaled yet.
        cross: Keys and values of the audio.
        layer: Whose keys and values.

    Returns:
        What was attended to, in the queries' type, and the attention weights in float32 (free
        where nobody uses them).
    """
    mask = jnp.arange(cross.n_audio_ctx) < cross.n_audio_frames[:, None]
    match cross:
        case CrossCache():
            return _attend_plain(query, cross.keys[layer], cross.values[layer], mask)
        case Int8CrossCache():
            kv = _Int8Audio(
                keys=cross.keys[layer],
                values=cross.values[layer],
                key_scale=cross.key_scales[layer],
                value_scale=cross.value_scales[layer],
                value_sum=cross.value_sums[layer],
            )
            n_heads = query.shape[3]
            if query.shape[1] * query.shape[2] * n_heads <= MOST_COLUMNS:
                return _attend_int8(query, kv, mask)
            return _attend_many(query, kv, mask)


def _attend_plain(
    query: Float[Array, "slot row new heads dim"],
    keys: Float[Array, "slot heads dim time"],
    values: Float[Array, "slot heads time dim"],
    mask: Bool[Array, "slot time"],
) -> tuple[Float[Array, "slot row new heads dim"], Float[Array, "slot row heads new time"]]:
    n_slots, n_rows, n_new, n_heads, dim = query.shape
    each = jnp.einsum("srnhd->shrnd", query).reshape(n_slots, n_heads, n_rows * n_new, dim)
    mixed, weights = attend(each.astype(keys.dtype), keys, values, mask[:, None, None])
    mixed = mixed.reshape(n_slots, n_heads, n_rows, n_new, dim)
    by_row = weights.reshape(n_slots, n_heads, n_rows, n_new, -1)
    return (
        jnp.einsum("shrnd->srnhd", mixed).astype(query.dtype),
        jnp.einsum("shrnt->srhnt", by_row),
    )


class _Int8Audio(NamedTuple):
    """One layer of an `Int8CrossCache`."""

    keys: Int[Array, "slot time d"]
    values: Int[Array, "slot d time"]
    key_scale: Float[Array, "slot d"]
    value_scale: Float[Array, "slot d"]
    value_sum: Int[Array, "slot d"]


def _attend_int8(
    query: Float[Array, "slot row new heads dim"],
    kv: _Int8Audio,
    mask: Bool[Array, "slot time"],
) -> tuple[Float[Array, "slot row new heads dim"], Float[Array, "slot row heads new time"]]:
    """Attention in whole numbers, all heads of a slot in one product.

    A query is a column that is zero but for its own head's part, so that keys and values are read
    as one matrix, in their order and once: as many times the products needed as there are heads,
    at little more than the price of the reading. Queries are rounded each with its own scale,
    attention to 255 levels; sums of whole numbers are exact, whatever else is in the batch.
    """
    n_slots, n_rows, n_new, n_heads, dim = query.shape
    n_queries, n_time = n_rows * n_new, kv.keys.shape[1]
    scaled = query.astype(jnp.float32).reshape(n_slots, n_queries, n_heads, dim) * dim**-0.5
    scaled = scaled * kv.key_scale.reshape(n_slots, 1, n_heads, dim)
    whole, step = round_to_int8(scaled, axis=-1)
    own = jnp.eye(n_heads, dtype=jnp.int8)[:, None, None]
    columns = jnp.einsum("sqhd->shdq", whole)[..., None] * own
    columns = columns.reshape(n_slots, n_heads * dim, n_queries * n_heads)
    scores = _product(kv.keys, columns).astype(jnp.float32) * step.reshape(n_slots, 1, -1)
    scores = jnp.where(mask[..., None], scores, -jnp.inf)
    exps = jnp.exp(scores - jnp.max(scores, axis=1, keepdims=True))
    half = _LEVELS // 2
    levels = jnp.round(exps * _LEVELS)
    # Whole numbers below 2^24: their sum is exact in float32, whatever its order.
    total = jnp.sum(levels, axis=1).reshape(n_slots, n_queries, n_heads, 1)
    mixed = _product(kv.values, (levels - half).astype(jnp.int8))
    mixed = mixed.reshape(n_slots, n_heads, dim, n_queries, n_heads)
    mixed = jnp.einsum("shdqh->sqhd", mixed)
    mixed = mixed + half * kv.value_sum.reshape(n_slots, 1, n_heads, dim)
    mixed = mixed * kv.value_scale.reshape(n_slots, 1, n_heads, dim) / total
    weights = (exps / jnp.sum(exps, axis=1, keepdims=True)).reshape(
        n_slots, n_time, n_rows, n_new, n_heads
    )
    return (
        mixed.reshape(query.shape).astype(query.dtype),
        jnp.einsum("strnh->srhnt", weights),
    )


def _attend_many(
    query: Float[Array, "slot row new heads dim"],
    kv: _Int8Audio,
    mask: Bool[Array, "slot time"],
) -> tuple[Float[Array, "slot row new heads dim"], Float[Array, "slot row heads new time"]]:
    """Attention of many queries: in the queries' type, each head for itself.

    Whole numbers are exact in that type; what they are to be multiplied with goes to the queries,
    and to what comes out. Keys and values are read as they lie, as left factors here as well.
    """
    n_slots, n_rows, n_new, n_heads, dim = query.shape
    dtype, n_time = query.dtype, kv.keys.shape[1]
    scale = kv.key_scale.reshape(n_slots, 1, 1, n_heads, dim) * dim**-0.5
    scaled = (query.astype(jnp.float32) * scale).astype(dtype)
    each = jnp.einsum("srnhd->shdrn", scaled).reshape(n_slots, n_heads, dim, n_rows * n_new)
    keys = jnp.einsum("sthd->shtd", split_heads(kv.keys.astype(dtype), n_heads))
    scores = jnp.matmul(keys, each, preferred_element_type=jnp.float32)
    scores = jnp.where(mask[:, None, :, None], scores, -jnp.inf)
    exps = jnp.exp(scores - jnp.max(scores, axis=2, keepdims=True))
    total = jnp.sum(exps, axis=2, keepdims=True)
    values = kv.values.astype(dtype).reshape(n_slots, n_heads, dim, n_time)
    mixed = jnp.matmul(values, exps.astype(dtype), preferred_element_type=jnp.float32)
    mixed = mixed / total * kv.value_scale.reshape(n_slots, n_heads, dim, 1)
    mixed = mixed.reshape(n_slots, n_heads, dim, n_rows, n_new)
    by_row = (exps / total).reshape(n_slots, n_heads, n_time, n_rows, n_new)
    return (
        jnp.einsum("shdrn->srnhd", mixed).astype(dtype),
        jnp.einsum("shtrn->srhnt", by_row),
    )


def _product(x: Int[Array, "slot ..."], y: Int[Array, "slot ..."]) -> Int[Array, "slot ..."]:
    """A product of two matrices for each slot; x, the larger one, is read in its order."""
    contract = (((2,), (1,)), ((0,), (0,)))
    return lax.dot_general(x, y, contract, preferred_element_type=jnp.int32)


def _as_keys(x: Float[Array, "batch time d"], n_heads: int) -> Float[Array, "batch heads dim time"]:
    return jnp.einsum("bthd->bhdt", split_heads(x, n_heads))


def _as_values(
    x: Float[Array, "batch time d"], n_heads: int
) -> Float[Array, "batch heads time dim"]:
    return jnp.einsum("bthd->bhtd", split_heads(x, n_heads))
