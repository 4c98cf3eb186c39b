"""The text decoder: new tokens against what is cached of the old ones and of the audio."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from whisper_jax.model.caches import AudioCache, SelfCache, empty_self_cache
from whisper_jax.model.cross import attend_to_audio, encode_for_decoder
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.encoder import encode
from whisper_jax.model.layers import (
    attend,
    attend_across_rows,
    layer_norm,
    linear,
    mlp,
    split_heads,
)
from whisper_jax.model.params import Attention, Decoder, WhisperParams
from whisper_jax.model.weights import logits

type Head = tuple[int, int]
"""A cross-attention head: (layer, head)."""


def decode_tokens(
    p: Decoder,
    dims: ModelDims,
    tokens: Int[Array, "slot row new"],
    position: Int[Array, "slot row"],
    cache: SelfCache,
    cross: AudioCache,
    compute_dtype: DTypeLike,
    heads: tuple[Head, ...] = (),
    min_slots: int = 1,
) -> tuple[
    Float[Array, "padded row new d"],
    SelfCache,
    Float[Array, "slot row heads new audio_frames"] | None,
]:
    """Run tokens through the decoder and remember them.

    Args:
        p: The decoder's weights.
        dims: Sizes of the model.
        tokens: The tokens that follow those in the cache; one, if the cache has an ancestry.
        position: Position of each row's first new token.
        cache: Keys and values of the tokens before; rows are written at ``position``.
        cross: Keys and values of the audio.
        compute_dtype: The type that is computed in.
        heads: Cross-attention heads whose weights are wanted (static).
        min_slots: The fewest slots computed (static): few rows have other last bits on a CPU.

    Returns:
        The final hidden states (see `decoder_logits`), padded to ``min_slots`` slots; the cache
        with the new tokens in it; the weights of ``heads`` in their order, or None without any.
    """
    positions = position[..., None] + jnp.arange(tokens.shape[-1])
    table = p.positions.astype(compute_dtype)
    x = p.embedding[tokens].astype(compute_dtype) + table.at[positions].get(mode="clip")
    x = _pad_slots(x, max(min_slots, tokens.shape[0]))
    cache = _note_writer(cache, position)
    self_mask, shared = _self_mask(cache, positions), cache.ancestry is not None
    new_kv, weights = [], {}
    for index, layer in enumerate(p.layers):
        with jax.named_scope("self_attention"):
            kv = cache.keys[index], cache.values[index]
            normed = layer_norm(layer.attention_norm, x)
            mixed, new = _self_attention(layer.attention, normed, position, *kv, self_mask, shared)
            new_kv.append(new)
            x = x + mixed
        with jax.named_scope("cross_attention"):
            normed = layer_norm(layer.cross_norm, x)
            mixed, weights[index] = _cross_attention(
                layer.cross_attention, normed, cross, index, dims.n_text_head
            )
            x = x + mixed
        with jax.named_scope("mlp"):
            x = x + mlp(layer.mlp, layer_norm(layer.mlp_norm, x))
    chosen = [weights[layer][:, :, head] for layer, head in heads]
    return (
        layer_norm(p.norm, x),
        replace(cache, keys=tuple(k for k, _ in new_kv), values=tuple(v for _, v in new_kv)),
        jnp.stack(chosen, axis=2) if chosen else None,
    )


def decoder_logits(p: Decoder, hidden: Float[Array, "*batch d"]) -> Float[Array, "*batch vocab"]:
    """float32 logits of the next token from final hidden states."""
    with jax.named_scope("logits"):
        return logits(hidden, p.embedding)


def teacher_forced_logits(
    p: WhisperParams,
    dims: ModelDims,
    mel: Float[Array, "batch frames mels"],
    tokens: Int[Array, "batch n_tokens"],
) -> Float[Array, "batch n_tokens vocab"]:
    """Logits after each of the given tokens, in one pass without a loop.

    This is the plain twin of cached decoding, and what training and scoring need.
    """
    n_batch, n_tokens = tokens.shape
    encoded = encode(p.encoder, dims, mel)
    n_audio_frames = jnp.full(n_batch, encoded.shape[1])
    cross = encode_for_decoder(p.decoder, dims, encoded, n_audio_frames, mel.dtype)
    cache = empty_self_cache(dims, n_batch, 1, n_tokens, mel.dtype)
    start = jnp.zeros((n_batch, 1), jnp.int32)
    hidden, _, _ = decode_tokens(p.decoder, dims, tokens[:, None], start, cache, cross, mel.dtype)
    return decoder_logits(p.decoder, hidden[:, 0])


def _note_writer(cache: SelfCache, position: Int[Array, "slot row"]) -> SelfCache:
    """The cache with every row as the writer of its own new token."""
    if cache.ancestry is None:
        return cache
    is_new = jnp.arange(cache.n_positions) == position[..., None]
    own = jnp.arange(cache.n_rows)[:, None]
    return replace(cache, ancestry=jnp.where(is_new, own, cache.ancestry))


def _self_mask(
    cache: SelfCache, positions: Int[Array, "slot row new"]
) -> Bool[Array, "slot row 1 queries time"]:
    """True where a query may look.

    Without an ancestry the queries are a row's new tokens, and ``row`` is also whose keys they
    are looked up in. With one, the queries are the slot's rows, each with its one new token, and
    ``row`` is whose keys: row 2 looks at row 0's keys where its text has them from row 0.
    """
    time = jnp.arange(cache.n_positions)
    if cache.ancestry is None:
        return time <= positions[..., None, :, None]
    writer = jnp.arange(cache.n_rows)[:, None, None]
    is_past = time <= positions  # [slot, row, 1] and [time]: one new token a row
    return ((cache.ancestry[:, None] == writer) & is_past[:, None])[:, :, None]


def _self_attention(
    p: Attention,
    x: Float[Array, "padded row new d"],
    position: Int[Array, "slot row"],
    keys: Float[Array, "slot row head dim time"],
    values: Float[Array, "slot row head time dim"],
    mask: Bool[Array, "slot row 1 queries time"],
    shared: bool,
) -> tuple[
    Float[Array, "padded row new d"],
    tuple[
        Float[Array, "slot row head dim time"],
        Float[Array, "slot row head time dim"],
    ],
]:
    n_slots, _, n_heads = keys.shape[:3]
    query = jnp.einsum("srnhd->srhnd", split_heads(linear(p.query, x), n_heads)[:n_slots])
    new_keys = jnp.einsum("srnhd->srhdn", split_heads(linear(p.key, x), n_heads)[:n_slots])
    new_values = jnp.einsum("srnhd->srhnd", split_heads(linear(p.value, x), n_heads)[:n_slots])
    keys = _write(keys, new_keys.astype(keys.dtype), position, axis=2)
    values = _write(values, new_values.astype(values.dtype), position, axis=1)
    query = query.astype(keys.dtype)
    if shared:
        mixed = attend_across_rows(query, keys, values, mask)
    else:
        mixed, _ = attend(query, keys, values, mask)
    joined = jnp.einsum("srhnd->srnhd", mixed).reshape(n_slots, *x.shape[1:])
    return linear(p.out, _pad_slots(joined.astype(x.dtype), x.shape[0])), (keys, values)


def _pad_slots(x: Array, n_slots: int) -> Array:
    return jnp.pad(x, ((0, n_slots - x.shape[0]), *((0, 0),) * (x.ndim - 1)))


def _write(cache: Array, new: Array, position: Int[Array, "slot row"], axis: int) -> Array:
    """The cache with each row's new tokens from its position on."""
    in_place = partial(_write_in_place, axis=axis)
    if new.shape[axis + 2] > 1:
        return in_place(cache, new, position)
    by_mask = partial(_write_by_mask, axis=axis)
    return lax.platform_dependent(cache, new, position, tpu=by_mask, default=in_place)


def _write_in_place(cache: Array, new: Array, position: Int[Array, "slot row"], axis: int) -> Array:
    def write_row(row: Array, new_row: Array, start: Array) -> Array:
        return lax.dynamic_update_slice_in_dim(row, new_row, start, axis)

    return jax.vmap(jax.vmap(write_row))(cache, new, position)


def _write_by_mask(cache: Array, new: Array, position: Int[Array, "slot row"], axis: int) -> Array:
    """One new token in each row, written by going through the whole cache.

    For a TPU: writes at a place of its own for each row become a loop over the rows there, which
    by XLA's estimate takes longer, and want another layout of the cache than the reading does.
    """
    is_new = jnp.arange(cache.shape[axis + 2]) == position[..., None]
    others = [other + 2 for other in range(cache.ndim - 2) if other != axis]
    return jnp.where(jnp.expand_dims(is_new, others), new, cache)


def _cross_attention(
    p: Attention, x: Float[Array, "padded row new d"], cross: AudioCache, layer: int, n_heads: int
) -> tuple[Float[Array, "padded row new d"], Float[Array, "slot row heads new time"]]:
    n_slots = cross.n_audio_frames.shape[0]
    query = split_heads(linear(p.query, x), n_heads)[:n_slots]
    mixed, weights = attend_to_audio(query, cross, layer)
    joined = _pad_slots(mixed.reshape(n_slots, *x.shape[1:]), x.shape[0])
    return linear(p.out, joined), weights
