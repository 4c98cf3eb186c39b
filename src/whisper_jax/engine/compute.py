"""What a compute type means on a device: the types of its numbers, and what is held in int8."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from whisper_jax.decoding.loop import ModelConfig
from whisper_jax.decoding.rules import TokenIds
from whisper_jax.engine.policy import DevicePolicy
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import DecoderLayer, Linear, WhisperParams, is_leaf, spec
from whisper_jax.model.weights import quantise
from whisper_jax.options import ComputeType
from whisper_jax.stored.programs import processor_flags
from whisper_jax.text.special import special_tokens

_FAST_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Instructions that multiply bfloat16 matrices, as Linux names them (x86 and Arm)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberTypes:
    """The types of a model's numbers.

    Attributes:
        floats: What activations, and weights that are not in int8, are computed in.
        int8_encoder: Weights of the encoder's linear layers, and of those that make keys and values
            of the audio, are in int8, with a scale for each output, and what they are multiplied
            with too, with a scale for each frame.
        int8_decoder: The same of the other linear layers of the decoder.
        turns_weights: Int8 weights of the decoder are left factors: see `Int8Weight`.
        cache: Self-attention keys and values at rest.
        cross: Cross-attention keys and values at rest.
    """

    floats: str
    int8_encoder: bool
    int8_decoder: bool
    turns_weights: bool
    cache: str
    cross: str


def number_types(compute_type: ComputeType, policy: DevicePolicy, platform: str) -> NumberTypes:
    """What a compute type means.

    Args:
        compute_type: As the user says it. ``int8`` leaves the type of the other numbers to the
            hardware, ``auto`` everything.
        policy: How the device is driven.
        platform: JAX's name of it.
    """
    has_fast_bfloat16 = platform != "cpu" or bool(_FAST_BFLOAT16 & processor_flags())
    fast = "bfloat16" if has_fast_bfloat16 else "float32"
    floats = {"auto": fast, "int8": fast}.get(compute_type, compute_type.removeprefix("int8_"))
    is_int8 = compute_type.startswith("int8")
    # A step of the decoder reads its weights, and all keys and values, for few tokens: bytes count.
    # In the encoder int8 gains nothing beside fast bfloat16.
    is_auto_cpu = compute_type == "auto" and platform == "cpu"
    holds_int8 = (is_int8 or is_auto_cpu) and policy.reads_int8
    return NumberTypes(
        floats=floats,
        int8_encoder=is_int8 or (is_auto_cpu and not has_fast_bfloat16),
        int8_decoder=is_int8 or is_auto_cpu,
        turns_weights=policy.turns_weights,
        cache=policy.cache_dtype or floats,
        cross="int8" if holds_int8 else policy.cache_dtype or floats,
    )


def model_config(dims: ModelDims, types: NumberTypes, policy: DevicePolicy) -> ModelConfig:
    """What the device programs of a model are compiled for."""
    special = special_tokens(dims.n_vocab)
    return ModelConfig(
        dims=dims,
        ids=TokenIds(
            eot=special.eot,
            no_speech=special.no_speech,
            no_timestamps=special.no_timestamps,
            timestamp_begin=special.timestamp_begin,
        ),
        sot=special.sot,
        compute_dtype=types.floats,
        cache_dtype=types.cache,
        cross_dtype=types.cross,
        min_slots=policy.min_slots(dims.n_text_state),
        min_rows_wide=policy.min_rows_wide,
        rounds_as_written=policy.rounds_as_written,
        attention=policy.attention,
    )


def cast_params(params: WhisperParams, types: NumberTypes) -> WhisperParams:
    """Matrices as the types say; biases, norms and other vectors in float32."""
    many_rows = partial(_cast, types=types, is_int8=types.int8_encoder, turn=False)
    few_rows = partial(_cast, types=types, is_int8=types.int8_decoder, turn=types.turns_weights)

    def cast_layer(layer: DecoderLayer) -> DecoderLayer:
        audio = layer.cross_attention
        key, value = many_rows(audio.key), many_rows(audio.value)
        rest = few_rows(layer)
        return replace(rest, cross_attention=replace(rest.cross_attention, key=key, value=value))

    decoder = params.decoder
    layers = tuple(cast_layer(layer) for layer in decoder.layers)
    rest = few_rows(replace(decoder, layers=()))
    return WhisperParams(many_rows(params.encoder), replace(rest, layers=layers))


def _cast[T](tree: T, types: NumberTypes, is_int8: bool, turn: bool) -> T:
    def cast(leaf: Any) -> Array:
        return jnp.asarray(leaf, types.floats if leaf.ndim > 1 else jnp.float32)

    def cast_node(node: Any) -> Any:
        if not isinstance(node, Linear):
            return cast(node)
        weight = cast(node.weight)
        if is_int8:
            weight = quantise(weight, turn=turn)
        return Linear(weight, None if node.bias is None else cast(node.bias))

    return jax.tree.map(cast_node, tree, is_leaf=lambda node: isinstance(node, Linear))


def weight_shapes(dims: ModelDims, types: NumberTypes) -> WhisperParams:
    """A model's weights by shape and type alone."""

    def of_leaf(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, jnp.float32)

    floats = jax.tree.map(of_leaf, spec(dims), is_leaf=is_leaf)
    return jax.eval_shape(lambda params: cast_params(params, types), floats)
