"""What a compute type means on a device: the types of its numbers, and what is held in int8."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from whisper_jax.decoding.loop import ModelConfig
from whisper_jax.decoding.rules import TokenIds
from whisper_jax.engine.policy import DevicePolicy
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import Linear, WhisperParams, is_leaf, spec
from whisper_jax.model.weights import quantise
from whisper_jax.options import ComputeType
from whisper_jax.text.special import special_tokens

_FAST_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Instructions that multiply bfloat16 matrices, as Linux names them (x86 and Arm)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberTypes:
    """The types of a model's numbers.

    Attributes:
        floats: What activations, and weights that are not in int8, are computed in.
        has_int8_weights: Weights of linear layers are in int8, with a scale for each output, and
            what they are multiplied with too, with a scale for each token.
        cache: Self-attention keys and values at rest.
        cross: Cross-attention keys and values at rest.
    """

    floats: str
    has_int8_weights: bool
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
    if compute_type == "auto" and platform == "cpu":
        # Beside fast bfloat16 weights in int8 gain nothing, but keys and values do.
        is_int8 = not has_fast_bfloat16
    holds_int8 = (is_int8 or compute_type == "auto") and policy.reads_int8
    return NumberTypes(
        floats=floats,
        has_int8_weights=is_int8,
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

    def cast(leaf: Any) -> Array:
        return jnp.asarray(leaf, types.floats if leaf.ndim > 1 else jnp.float32)

    def cast_linear(node: Any) -> Any:
        if not isinstance(node, Linear):
            return cast(node)
        weight = cast(node.weight)
        if types.has_int8_weights:
            weight = quantise(weight)
        return Linear(weight, None if node.bias is None else cast(node.bias))

    return jax.tree.map(cast_linear, params, is_leaf=lambda node: isinstance(node, Linear))


def weight_shapes(dims: ModelDims, types: NumberTypes) -> WhisperParams:
    """A model's weights by shape and type alone."""

    def of_leaf(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, jnp.float32)

    floats = jax.tree.map(of_leaf, spec(dims), is_leaf=is_leaf)
    return jax.eval_shape(lambda params: cast_params(params, types), floats)


def processor_flags() -> frozenset[str]:
    """Instruction sets of the processor, where the system tells (Linux); else nothing."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()
