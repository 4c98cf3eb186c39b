"""What compute types mean, on which hardware."""

from typing import get_args

import jax
import jax.numpy as jnp
import pytest
import tiny

from whisper_jax.engine import compute
from whisper_jax.engine.compute import cast_params, number_types
from whisper_jax.engine.policy import policy_for
from whisper_jax.model.weights import Int8Weight
from whisper_jax.options import ComputeType


@pytest.mark.parametrize("platform", ["cpu", "gpu", "tpu"])
@pytest.mark.parametrize("compute_type", get_args(ComputeType.__value__))
def test_every_type_means_numbers_that_exist(compute_type: ComputeType, platform: str) -> None:
    types = number_types(compute_type, policy_for(platform), platform)
    for name in (types.floats, types.cache, types.cross):
        assert jnp.dtype(name).itemsize in (1, 2, 4)
    if compute_type in ("float32", "bfloat16", "float16"):
        assert types.floats == compute_type
        assert not types.int8_encoder
        assert not types.int8_decoder
        assert types.cross != "int8"
    if compute_type.startswith("int8"):
        assert types.int8_encoder
        assert types.int8_decoder
        assert (types.cross == "int8") == (platform == "cpu"), "where they are read faster"
        assert compute_type in ("int8", f"int8_{types.floats}")


@pytest.mark.parametrize(
    ("flags", "floats"), [({"avx2", "fma"}, "float32"), ({"avx2", "avx512_bf16"}, "bfloat16")]
)
def test_the_processor_decides_what_auto_is(
    flags: set[str], floats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "processor_flags", lambda: frozenset(flags))
    int8 = number_types("int8", policy_for("cpu"), "cpu")
    assert (int8.floats, int8.int8_encoder, int8.cross) == (floats, True, "int8")
    auto = number_types("auto", policy_for("cpu"), "cpu")
    # In the encoder int8 gains nothing beside fast bfloat16; what a step reads does.
    assert (auto.floats, auto.int8_encoder) == (floats, floats == "float32")
    assert (auto.int8_decoder, auto.turns_weights, auto.cross) == (True, True, "int8")
    on_gpu = number_types("auto", policy_for("gpu"), "gpu")
    assert (on_gpu.floats, on_gpu.int8_decoder) == ("bfloat16", False)
    assert not number_types("int8", policy_for("gpu"), "gpu").turns_weights
    assert on_gpu.cross == "bfloat16"


def test_int8_weights_are_those_of_linear_layers() -> None:
    params = tiny.params()
    types = number_types("int8_bfloat16", policy_for("cpu"), "cpu")
    cast = cast_params(params, types)
    assert cast.decoder.embedding.dtype == jnp.bfloat16
    assert cast.encoder.norm.scale.dtype == jnp.float32
    leaves = jax.tree.leaves(cast, is_leaf=lambda node: isinstance(node, Int8Weight))
    matrices = [leaf for leaf in leaves if isinstance(leaf, Int8Weight)]
    # Two convolutions; four projections and two of the feed-forward half; four more to the audio.
    dims = tiny.DIMS
    assert len(matrices) == 2 + 6 * dims.n_audio_layer + 10 * dims.n_text_layer
    assert all(matrix.quantised.dtype == jnp.int8 for matrix in matrices)
    # All of the decoder's but those that make the audio's keys and values of many rows.
    assert sum(matrix.is_turned for matrix in matrices) == 8 * dims.n_text_layer
    up = cast.decoder.layers[0].mlp.up.weight
    assert isinstance(up, Int8Weight)
    assert up.quantised.shape == (dims.n_mlp_text, dims.n_text_state)
