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
from whisper_jax.engine.policy import ACCELERATOR, CPU
from whisper_jax.engine.shapes import Sizes, program_shapes
from whisper_jax.engine.sharding import device_mesh
from whisper_jax.model.encoder import encode
from whisper_jax.options import ComputeType

PLATFORMS = "cuda", "rocm", "tpu"
MESH = device_mesh(jax.devices()[:1])


@pytest.mark.parametrize("compute_type", ["bfloat16", "int8_bfloat16"])
def test_every_program_is_lowered_for_gpus_and_tpus(compute_type: ComputeType) -> None:
    types = number_types(compute_type, ACCELERATOR, "cuda")
    lift = Lift(model_config(tiny.DIMS, types, ACCELERATOR), MESH)
    programs = program_shapes(lift, types, Sizes(n_slots=2, n_rows=2))
    methods = {"empty", "encode", "put", "take", "language", "prefill", "insert", "run"}
    assert set(programs) == methods | {"align", "resize", "fit"}
    for name, (body, args) in programs.items():
        exported = export.export(lift.jit(body, args), platforms=PLATFORMS)(*args)
        assert exported.platforms == PLATFORMS, name


def test_what_is_for_cpus_is_not_done_elsewhere() -> None:
    for compute_type in ("auto", "int8", "bfloat16"):
        types = number_types(compute_type, ACCELERATOR, "tpu")
        assert types.floats == types.cache == types.cross == "bfloat16"
    config = model_config(tiny.DIMS, types, ACCELERATOR)
    assert (config.min_slots, config.min_rows_wide, config.rounds_as_written) == (1, 1, False)
    assert (ACCELERATOR.n_lanes, config.attention) == (1, "xla")
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
