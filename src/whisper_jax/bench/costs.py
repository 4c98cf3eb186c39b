"""What the model has to compute and to read, from its sizes alone: the work behind both limits."""

import jax.numpy as jnp

from whisper_jax.engine.compute import NumberTypes
from whisper_jax.model.dims import ModelDims

_KERNEL = 3
"""Taps of both convolutions at the encoder's entrance."""


def encoder_multiply_adds(dims: ModelDims) -> int:
    """Multiply-adds of one window: encoder, and the decoder's cross-attention keys and values.

    The products with weights, and both products of attention. Norms, softmax, activations and
    the log-mel spectrogram, which are small beside them, are not counted.
    """
    time, width = dims.n_audio_ctx, dims.n_audio_state
    convolutions = _KERNEL * (2 * time * dims.n_mels * width + time * width * width)
    projections = 4 * time * width * width  # query, key, value, out
    attention = 2 * time * time * width
    mlp = 2 * time * width * dims.n_mlp_audio
    cross = dims.n_text_layer * 2 * time * width * dims.n_text_state
    return convolutions + dims.n_audio_layer * (projections + attention + mlp) + cross


def decoder_weight_bytes(dims: ModelDims, types: NumberTypes) -> int:
    """Bytes of weights that a decoder step reads.

    The matrices of its products: the cross-attention's keys and values are computed once a
    window, not in a step, and of the table of positions a step reads one row. Biases, norms and
    scales, a thousandth, are not counted.
    """
    width = dims.n_text_state
    layer = 4 * width * width + 2 * width * width + 2 * width * dims.n_mlp_text
    floats = jnp.dtype(types.floats).itemsize
    linear = 1 if types.int8_decoder else floats
    return dims.n_text_layer * layer * linear + dims.n_vocab * width * floats


def decoder_cache_bytes(
    dims: ModelDims, n_slots: int, n_rows: int, n_positions: int, types: NumberTypes
) -> int:
    """Keys and values that a decoder step reads: of ``n_slots`` windows, and of ``n_rows`` texts.

    All ``n_positions`` that there is room for are read; those to come are masked afterwards.
    """
    pair = 2 * dims.n_text_layer * dims.n_text_state
    audio = n_slots * dims.n_audio_ctx * jnp.dtype(types.cross).itemsize
    return pair * (audio + n_rows * n_positions * jnp.dtype(types.cache).itemsize)
