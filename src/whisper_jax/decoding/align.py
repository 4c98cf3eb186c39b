"""The device program of alignment: how closely each token of a text follows each frame of audio.

openai-whisper's method (``timing.py``): the text is read in one pass, the cross-attention of the
heads that follow the audio is standardised over the tokens, smoothed along time by a median
filter and averaged over the heads. The way through it is found on the host
(`whisper_jax.decoding.warping`).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from whisper_jax.decoding.loop import ModelConfig
from whisper_jax.model.caches import AudioCache, empty_self_cache
from whisper_jax.model.decoder import Head, decode_tokens
from whisper_jax.model.params import WhisperParams

_pytree = jax.tree_util.register_dataclass

_EXCHANGES = (
    *((0, 5), (0, 3), (1, 6), (2, 4), (0, 1), (3, 5), (2, 6)),
    *((2, 3), (3, 6), (4, 5), (1, 4), (1, 3), (3, 4)),
)
"""Of seven numbers, put the smaller of each pair first: the fourth is then their median
(N. Devillard, "Fast median search", 1998)."""
_WIDTH, _REACH = 7, 3


@_pytree
@dataclass(frozen=True)
class Texts:
    """A batch of texts to be aligned, each with the window that it is spoken in."""

    tokens: Array  # int32 [text, position]: prompt, text, end of text, then anything
    n_tokens: Array  # int32 [text]: of these, what is not padding
    n_audio_frames: Array  # int32 [text]: frames of the window's content


@_pytree
@dataclass(frozen=True)
class Attended:
    """What texts were found to be."""

    distances: Array  # float32 [text, position, audio frame]: lower where a token is heard
    hidden: Array  # [text, position, d]: final hidden states, for `probabilities`


def align(
    params: WhisperParams,
    own: AudioCache,
    texts: Texts,
    config: ModelConfig,
    heads: tuple[Head, ...],
) -> Attended:
    """Read the texts and tell where in their windows each token was looked for.

    Args:
        params: The model's weights.
        own: The window of each text.
        texts: What is spoken in them.
        config: The model.
        heads: The heads that follow the audio (static).
    """
    n_texts, n_positions = texts.tokens.shape
    hidden, _, weights = decode_tokens(
        params.decoder,
        config.dims,
        texts.tokens[:, None],
        jnp.zeros((n_texts, 1), jnp.int32),
        empty_self_cache(config.dims, n_texts, 1, n_positions, config.cache_dtype),
        own,
        config.compute_dtype,
        heads=heads,
    )
    if weights is None:
        raise ValueError("no heads to align by")
    with jax.named_scope("alignment"):
        smooth = jax.vmap(_smoothed)(weights[:, 0], texts.n_tokens, texts.n_audio_frames)
        distances = -jnp.mean(smooth, axis=1)
    return Attended(distances, hidden[:, 0])


def probabilities(
    params: WhisperParams,
    hidden: Float[Array, "text position d"],
    texts: Texts,
    config: ModelConfig,
) -> Float[Array, "text position"]:
    """How likely the token after each one is, among those of text.

    A program of its own: it takes a third as long as `align`, and not everybody asks.

    Args:
        params: The model's weights.
        hidden: What `align` made of the texts.
        texts: The texts.
        config: The model.
    """
    # Logits stay as the product gives them, a row for each word of the vocabulary: to turn them
    # round takes a CPU as long as to make them.
    embedding, tokens = params.decoder.embedding, jnp.roll(texts.tokens, -1, axis=1)
    rows, said = hidden.reshape(-1, hidden.shape[-1]), embedding[tokens]
    by_token = lax.dot_general(
        embedding.astype(rows.dtype),
        rows,
        (((1,), (1,)), ((), ())),
        preferred_element_type=jnp.float32,
    )
    is_text = jnp.arange(embedding.shape[0])[:, None] < config.ids.eot
    total = jax.nn.logsumexp(jnp.where(is_text, by_token, -jnp.inf), axis=0)
    logits = jnp.einsum(
        "btd,btd->bt", hidden, said.astype(hidden.dtype), preferred_element_type=jnp.float32
    )
    return jnp.exp(logits - total.reshape(logits.shape))


def _smoothed(
    weights: Float[Array, "heads new audio_frames"],
    n_tokens: Int[Array, ""],
    n_audio_frames: Int[Array, ""],
) -> Float[Array, "heads new audio_frames"]:
    """Attention within the window's content, standardised over the text, smoothed along time."""
    is_frame = jnp.arange(weights.shape[2]) < n_audio_frames
    is_token = jnp.arange(weights.shape[1])[:, None] < n_tokens
    inside = jnp.where(is_frame, weights, 0.0)
    total = jnp.sum(inside, axis=2, keepdims=True)
    inside = jnp.where(is_token, inside / jnp.where(total > 0, total, 1.0), 0.0)
    mean = jnp.sum(inside, axis=1, keepdims=True) / n_tokens
    centred = jnp.where(is_token, inside - mean, 0.0)
    deviation = jnp.sqrt(jnp.sum(jnp.square(centred), axis=1, keepdims=True) / n_tokens)
    return median_filter(centred / jnp.where(deviation > 0, deviation, 1.0), n_audio_frames)


def median_filter(x: Float[Array, "*batch time"], n: Int[Array, ""]) -> Float[Array, "*batch time"]:
    """The median of seven neighbours along time; both ends of the first ``n`` are mirrored.

    As few as three are left as they are, as in openai-whisper. What is beyond ``n`` means nothing.
    """
    axis = x.ndim - 1
    edges = [(0, 0)] * axis
    before = jnp.flip(lax.slice_in_dim(x, 1, 1 + _REACH, axis=axis), axis)
    padded = jnp.concatenate([before, jnp.pad(x, [*edges, (0, _REACH)])], axis=axis)
    # In it, position p is at p + _REACH: the mirror of n - 4 to n - 2 follows n - 1.
    mirror = lax.dynamic_slice_in_dim(padded, n - 1, _REACH, axis=axis)
    padded = lax.dynamic_update_slice_in_dim(padded, jnp.flip(mirror, axis), n + _REACH, axis)
    size = x.shape[axis]
    lanes = [lax.slice_in_dim(padded, k, k + size, axis=axis) for k in range(_WIDTH)]
    for low, high in _EXCHANGES:
        lanes[low], lanes[high] = (
            jnp.minimum(lanes[low], lanes[high]),
            jnp.maximum(lanes[low], lanes[high]),
        )
    return jnp.where(n > _REACH, lanes[_REACH], x)
