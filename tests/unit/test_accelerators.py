"""Devices that are not here: every program is lowered for them, and what is asked of them."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from jax import export

from whisper_jax.engine.attention import fastest_attention
from whisper_jax.engine.compute import model_config, number_types
from whisper_jax.engine.lift import Lift
from whisper_jax.engine.policy import ACCELERATOR, CPU, TPU, DevicePolicy, policy_for
from whisper_jax.engine.shapes import Sizes, program_shapes
from whisper_jax.engine.sharding import device_mesh
from whisper_jax.model import decoder, layers
from whisper_jax.model.encoder import encode
from whisper_jax.options import ComputeType

GPUS, TPUS = ("cuda", "rocm"), ("tpu",)
MESH = device_mesh(jax.devices()[:1])


@pytest.mark.parametrize("compute_type", ["bfloat16", "int8_bfloat16"])
@pytest.mark.parametrize(("policy", "platforms"), [(ACCELERATOR, GPUS), (TPU, TPUS)])
def test_every_program_is_lowered_for_gpus_and_tpus(
    policy: DevicePolicy, platforms: tuple[str, ...], compute_type: ComputeType
) -> None:
    types = number_types(compute_type, policy, platforms[0])
    lift = Lift(model_config(tiny.DIMS, types, policy), MESH)
    programs = program_shapes(lift, types, Sizes(n_slots=2, n_rows=2))
    methods = {"empty", "encode", "put", "take", "language", "prefill", "begin", "run"}
    assert set(programs) == methods | {"insert", "align", "probabilities", "resize", "fit"}
    for name, (body, args) in programs.items():
        exported = export.export(lift.jit(body, args), platforms=platforms)(*args)
        assert exported.platforms == platforms, name


@pytest.mark.parametrize("n_rows", [1, 2])
def test_on_tpus_a_step_writes_nothing_row_by_row(n_rows: int) -> None:
    types = number_types("bfloat16", TPU, "tpu")
    lift = Lift(model_config(tiny.DIMS, types, TPU), MESH)
    body, args = program_shapes(lift, types, Sizes(n_slots=2, n_rows=n_rows))["run"]
    program = lift.jit(body, args)
    n_scatters = [
        export.export(program, platforms=[platform])(*args)
        .mlir_module()
        .count('"stablehlo.scatter"')
        for platform in ("cuda", "tpu")
    ]
    # Elsewhere keys and values of each layer are written so.
    assert n_scatters[0] - n_scatters[1] == 2 * tiny.DIMS.n_text_layer


@pytest.mark.parametrize("axis", [1, 2])
def test_both_ways_to_write_a_token_agree(axis: int) -> None:
    rng = np.random.default_rng(0)
    shape, place = [3, 2, 4, 5, 6], axis + 2
    cache = jnp.asarray(rng.normal(size=shape), jnp.bfloat16)
    shape[place] = 1
    new = jnp.asarray(rng.normal(size=shape), jnp.bfloat16)
    position = jnp.asarray(rng.integers(0, cache.shape[place], (3, 2)))
    in_place = decoder._write_in_place(cache, new, position, axis)
    assert not np.array_equal(in_place, cache)
    np.testing.assert_array_equal(decoder._write_by_mask(cache, new, position, axis), in_place)


def test_a_query_that_is_repeated_finds_the_same() -> None:
    rng = np.random.default_rng(0)
    query, keys, values = (
        jnp.asarray(rng.normal(size=shape), jnp.float32)
        for shape in ((2, 3, 1, 4), (2, 3, 4, 7), (2, 3, 7, 4))
    )
    mask = jnp.arange(7) < 5
    once = layers._attend_once(query, keys, values, mask)
    repeated = layers._attend_repeated(query, keys, values, mask)
    assert [leaf.shape for leaf in repeated] == [(2, 3, 1, 4), (2, 3, 1, 7)]
    for ours, theirs in zip(repeated, once, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_what_is_for_cpus_is_not_done_elsewhere() -> None:
    for compute_type in ("auto", "int8", "bfloat16"):
        types = number_types(compute_type, ACCELERATOR, "gpu")
        assert types.floats == types.cache == types.cross == "bfloat16"
    config = model_config(tiny.DIMS, types, ACCELERATOR)
    assert (config.min_slots, config.min_rows_wide, config.rounds_as_written) == (1, 1, False)
    assert (ACCELERATOR.n_lanes, config.attention) == (1, "xla")
    assert policy_for("tpu") == replace(policy_for("gpu"), attention="plain")
    config = model_config(tiny.DIMS, number_types("auto", CPU, "cpu"), CPU)
    assert (config.min_slots, config.min_rows_wide, config.rounds_as_written) == (16, 40, True)
    assert config.attention == "plain"


def test_attention_of_jax_gives_what_ours_does() -> None:
    mel = jnp.asarray(np.random.default_rng(0).normal(0, 1, (2, 200, 80)), jnp.float32)
    ours = encode(tiny.params().encoder, tiny.DIMS, mel)
    theirs = encode(tiny.params().encoder, tiny.DIMS, mel, "xla")
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_cudnn_is_used_where_it_compiles(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(tiny.CONFIG, attention="xla")
    with caplog.at_level(logging.INFO):
        assert fastest_attention(config, tiny.FLOAT32, MESH) == config
    assert "no attention by cuDNN" in caplog.text
    ours: Callable[..., Any] = jax.nn.dot_product_attention

    def as_if_there(*args: Any, implementation: str) -> Any:
        assert implementation == "cudnn"
        return ours(*args)

    monkeypatch.setattr(jax.nn, "dot_product_attention", as_if_there)
    assert fastest_attention(config, tiny.FLOAT32, MESH) == replace(config, attention="cudnn")
    assert fastest_attention(tiny.CONFIG, tiny.FLOAT32, MESH) == tiny.CONFIG
