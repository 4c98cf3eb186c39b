"""The audio encoder: log-mel frames in, one vector every 20 ms out."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from whisper_jax.model.dims import ModelDims
from whisper_jax.model.layers import (
    AttentionKind,
    attend_to_all,
    gelu,
    layer_norm,
    linear,
    mlp,
    sinusoids,
    split_heads,
)
from whisper_jax.model.params import Attention, Encoder, EncoderLayer, Linear


def encode(
    p: Encoder,
    dims: ModelDims,
    mel: Float[Array, "batch frames mels"],
    attention: AttentionKind = "plain",
) -> Float[Array, "batch audio_frames d"]:
    """Encode windows of 30 s, or of a shorter length bucket.

    Args:
        p: The encoder's weights.
        dims: Sizes of the model.
        mel: Log-mel frames, two for each audio frame; the type decides the type computed in.
        attention: How it attends; the same but for rounding.

    Returns:
        Encoded audio, 20 ms a frame.
    """
    with jax.named_scope("convolutions"):
        x = gelu(_convolve(p.conv1, mel, stride=1)).astype(mel.dtype)
        x = gelu(_convolve(p.conv2, x, stride=2)).astype(mel.dtype)
        x = x + jnp.asarray(sinusoids(x.shape[1], x.shape[2]), x.dtype)
    for layer in p.layers:
        x = _encoder_layer(layer, x, dims.n_audio_head, attention)
    return layer_norm(p.norm, x)


def _convolve(
    p: Linear, x: Float[Array, "batch time channels"], stride: int
) -> Float[Array, "batch time_out d"]:
    # A convolution with a kernel of three, as one product of three shifted copies.
    n_time = x.shape[1]
    padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0)))
    taps = [padded[:, tap : tap + n_time : stride] for tap in range(3)]
    return linear(p, jnp.concatenate(taps, axis=-1), jnp.float32)


def _encoder_layer(
    p: EncoderLayer,
    x: Float[Array, "batch time d"],
    n_heads: int,
    attention: AttentionKind,
) -> Float[Array, "batch time d"]:
    with jax.named_scope("attention"):
        x = x + _self_attention(p.attention, layer_norm(p.attention_norm, x), n_heads, attention)
    with jax.named_scope("mlp"):
        return x + mlp(p.mlp, layer_norm(p.mlp_norm, x))


def _self_attention(
    p: Attention,
    x: Float[Array, "batch time d"],
    n_heads: int,
    attention: AttentionKind,
) -> Float[Array, "batch time d"]:
    query, keys, values = (
        split_heads(linear(part, x), n_heads) for part in (p.query, p.key, p.value)
    )
    if attention == "plain":
        query = jnp.einsum("bthd->bhtd", query)
        keys = jnp.einsum("bthd->bhdt", keys)
        values = jnp.einsum("bthd->bhtd", values)
        mixed = jnp.einsum("bhtd->bthd", attend_to_all(query, keys, values))
    else:
        mixed = jax.nn.dot_product_attention(query, keys, values, implementation=attention)
    return linear(p.out, mixed.reshape(x.shape))
