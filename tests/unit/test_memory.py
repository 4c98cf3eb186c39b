"""How many windows fit: plans by shape alone, and what is free."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from whisper_jax.decoding.align import Texts, align
from whisper_jax.decoding.loop import Windows, encode_windows, run_steps
from whisper_jax.engine import memory
from whisper_jax.engine.compute import number_types
from whisper_jax.engine.memory import LONGEST_TEXT, MemoryPlan, free_bytes, memory_plan, slots_for
from whisper_jax.engine.policy import ACCELERATOR, CPU
from whisper_jax.model.alignment_heads import alignment_heads
from whisper_jax.model.caches import empty_cross_cache
from whisper_jax.model.dims import PUBLISHED
from whisper_jax.options import ComputeType

GIB = 1 << 30
PLAN = MemoryPlan(weights=100, window=10, encoding=50, aligning=40, step=1)


def plan_of(name: str, compute_type: ComputeType, n_model: int = 1) -> MemoryPlan:
    types = number_types(compute_type, ACCELERATOR, "cuda")
    return memory_plan(PUBLISHED[name], types, ACCELERATOR, n_model=n_model)


def test_the_plan_has_the_very_sizes_of_weights_and_slots() -> None:
    types = number_types("float32", CPU, "cpu")
    plan = memory_plan(tiny.DIMS, types, CPU, n_rows=1)
    assert plan.weights == sum(leaf.nbytes for leaf in jax.tree.leaves(tiny.params()))
    state = tiny.pool().programs.empty(8, 1, tiny.DIMS.n_text_ctx)
    assert 8 * plan.window == sum(leaf.nbytes for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize("n_rows", [1, 5])
def test_calls_need_no_more_than_planned(n_rows: int) -> None:
    types = number_types("float32", CPU, "cpu")
    plan = memory_plan(tiny.DIMS, types, CPU, n_rows=n_rows)
    shape = jax.ShapeDtypeStruct
    windows = Windows(
        shape((1, 3000 * 160 + 240), jnp.float32), shape((1,), jnp.int32), shape((1,), jnp.float32)
    )  # pyright: ignore[reportArgumentType]
    encode = jax.jit(partial(encode_windows, config=tiny.CONFIG))
    needed = encode.lower(tiny.params(), windows).compile().memory_analysis()
    assert needed.temp_size_in_bytes <= plan.encoding
    state = tiny.pool().programs.empty(8, n_rows, tiny.DIMS.n_text_ctx)
    limits = np.int32(1), np.int32(1)
    run = jax.jit(partial(run_steps, config=tiny.CONFIG), donate_argnums=2)
    lowered = run.lower(tiny.params(), state.cross, state.rows, np.zeros(8, bool), limits)
    assert lowered.compile().memory_analysis().temp_size_in_bytes <= 8 * plan.step


@pytest.mark.parametrize("cross", ["float32", "int8"])
def test_to_align_a_text_needs_no_more_than_planned(cross: str) -> None:
    types = replace(number_types("float32", CPU, "cpu"), cross=cross)
    plan = memory_plan(tiny.DIMS, types, CPU)
    shape = jax.ShapeDtypeStruct
    texts = Texts(
        shape((1, LONGEST_TEXT), jnp.int32), shape((1,), jnp.int32), shape((1,), jnp.int32)
    )  # pyright: ignore[reportArgumentType]
    own = jax.eval_shape(lambda: empty_cross_cache(tiny.DIMS, 1, tiny.DIMS.n_audio_ctx, cross))
    config = replace(tiny.CONFIG, cross_dtype=cross)
    run = jax.jit(partial(align, config=config, heads=alignment_heads(tiny.DIMS)))
    needed = run.lower(tiny.params(), own, texts).compile().memory_analysis()
    assert needed.temp_size_in_bytes <= plan.aligning


def test_slots_are_as_many_as_fit() -> None:
    assert PLAN.total(4) == 100 + 60 + 50
    assert replace(PLAN, step=100).total(4) == 100 + 60 + 400
    assert PLAN.slots_within(210, most=64) == 4
    assert PLAN.slots_within(209, most=64) == 2
    assert PLAN.slots_within(10**9, most=48) == 48
    assert PLAN.slots_within(10**9, most=3) == 3
    assert PLAN.slots_within(1, most=64) == 1


@pytest.mark.parametrize(
    ("gib", "compute_type", "n_slots"),
    [
        (8, "float32", 1),
        (8, "bfloat16", 2),
        (8, "int8_bfloat16", 2),
        (16, "float32", 2),
        (16, "bfloat16", 8),
        (16, "int8_bfloat16", 8),
        (80, "float32", 32),
        (80, "bfloat16", 64),
        (80, "int8_bfloat16", 64),
    ],
)
def test_the_plan_for_large_models(gib: int, compute_type: ComputeType, n_slots: int) -> None:
    device: Any = SimpleNamespace(platform="cuda", memory_stats=lambda: {"bytes_limit": gib * GIB})
    assert slots_for(plan_of("large-v2", compute_type), [device], ACCELERATOR.most_slots) == n_slots


def test_devices_that_share_a_model_have_room_for_more() -> None:
    one, two, three = (plan_of("large-v2", "bfloat16", n_model=n) for n in (1, 2, 3))
    # All but embedding, positions, norms, convolutions and biases of full width is halved.
    assert 0.5 < two.weights / one.weights < 0.53
    # All but the rules and texts: caches are split by heads.
    assert 0.5 < two.window / one.window < 0.51
    assert two.encoding < 0.6 * one.encoding
    assert two.step < one.step
    assert two.slots_within(0.8 * 16 * GIB, 64) > one.slots_within(0.8 * 16 * GIB, 64)
    # 20 heads and 51865 tokens do not make three parts, nor does a width of 5120.
    assert three == one


def test_devices_of_a_cpu_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda _: 530)
    cpu: Any = SimpleNamespace(platform="cpu")
    assert slots_for(PLAN, [cpu], 64) == 16
    assert slots_for(PLAN, [cpu, cpu], 64) == 4


def test_what_is_free_is_what_the_device_or_the_system_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stats: dict[str, int] | None = {"bytes_limit": 1000, "bytes_in_use": 300}
    device: Any = SimpleNamespace(platform="cuda", memory_stats=lambda: stats)
    assert free_bytes(device) == 700
    stats = None
    assert free_bytes(device) is None
    assert slots_for(PLAN, [device], 64) == 64

    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    5 kB\n")
    assert memory._available(meminfo) == 5 * 1024
    assert memory._available(tmp_path / "none") is None
    assert memory._cgroup_free(tmp_path) is None
    (tmp_path / "memory.current").write_text("300\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._cgroup_free(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    assert memory._cgroup_free(tmp_path) == 700

    monkeypatch.setattr(memory, "_available", lambda _: 900)
    monkeypatch.setattr(memory, "_cgroup_free", lambda _: 700)
    cpu: Any = SimpleNamespace(platform="cpu")
    assert free_bytes(cpu) == 700
