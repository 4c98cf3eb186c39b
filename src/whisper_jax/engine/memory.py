"""How many windows a device has room for: what a model and its slots take, and what is free.

The sizes of weights and slots are those of the very arrays, by shape alone: no device is needed.
What a call needs besides is an upper bound from its largest intermediate arrays; if it is too low
all the same, the engine halves the slots (`whisper_jax.engine.engine`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, NamedSharding, PartitionSpec

from whisper_jax.decoding.state import empty_pool
from whisper_jax.engine.compute import NumberTypes, weight_shapes
from whisper_jax.engine.policy import DevicePolicy
from whisper_jax.engine.sharding import Layout
from whisper_jax.model.alignment_heads import alignment_heads
from whisper_jax.model.dims import ModelDims

USUAL_ROWS = 5
"""Texts of a window that are planned for: the default beams, and samples."""
LONGEST_TEXT = 232
"""Tokens of a text to be aligned that is planned for: 224 of a window, and what is around them."""
_SHARE = 0.8
"""How much of what is free may be taken: others use the device too, and memory is in pieces."""
_FLOAT32 = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryPlan:
    """What a model takes on a device, in bytes.

    Attributes:
        weights: The weights.
        window: A slot, with all rows and positions that a text may need.
        encoding: What a call of the encoder needs besides.
        aligning: What a call that aligns texts needs besides.
        step: What a decode step needs besides, for each slot.
    """

    weights: int
    window: int
    encoding: int
    aligning: int
    step: int

    def total(self, n_slots: int) -> int:
        """The most that is held at once with so many slots."""
        # When a pool has grown to twice its size, the one before is still there.
        state = self.window * (n_slots + n_slots // 2)
        return self.weights + state + max(self.encoding, self.aligning, self.step * n_slots)

    def slots_within(self, n_bytes: float, most: int) -> int:
        """How many slots fit: ``most``, or the largest power of two; 1 even if that does not."""
        n_slots = 1
        while n_slots < most and self.total(min(2 * n_slots, most)) <= n_bytes:
            n_slots = min(2 * n_slots, most)
        return n_slots


def memory_plan(
    dims: ModelDims,
    types: NumberTypes,
    policy: DevicePolicy,
    n_rows: int = USUAL_ROWS,
    n_model: int = 1,
) -> MemoryPlan:
    """What a model takes on each of its devices.

    Args:
        dims: Its sizes.
        types: The types of its numbers.
        policy: How the device is driven.
        n_rows: Texts written about a window at once.
        n_model: Devices that share the model.
    """
    layout = Layout(dims, n_model)
    weights = weight_shapes(dims, types)
    slot = jax.eval_shape(
        lambda: empty_pool(dims, 1, n_rows, dims.n_text_ctx, types.cache, types.cross)
    )
    time = dims.n_audio_ctx
    n_heads = dims.n_audio_head // layout.n_parts("heads")
    n_mlp = dims.n_mlp_audio // layout.n_parts("mlp")
    scores = 2 * n_heads * time * time * _FLOAT32  # before and after the softmax
    hidden = 2 * time * (n_mlp + 4 * dims.n_audio_state) * _FLOAT32
    looks = 2 * dims.n_text_head // layout.n_parts("heads") * time
    return MemoryPlan(
        weights=_n_bytes(weights, layout.of_params(weights), n_model),
        window=_n_bytes(slot, layout.of_state(slot), n_model),
        encoding=policy.encode_limit * (scores + hidden),
        aligning=policy.align_limit * _alignment(dims, layout),
        step=n_rows * (4 * dims.n_vocab + looks) * _FLOAT32,
    )


def _alignment(dims: ModelDims, layout: Layout) -> int:
    """Bytes that a window's text takes while it is aligned."""
    heads = len(alignment_heads(dims))
    n_heads = dims.n_text_head // layout.n_parts("heads")
    # Of each head the attention and three steps of smoothing; scores of all heads of a layer, and
    # keys and values in float; logits, and their exponentials.
    looks = (4 * heads + 3 * n_heads) * LONGEST_TEXT * dims.n_audio_ctx
    others = 2 * dims.n_audio_ctx * dims.n_text_state + 3 * LONGEST_TEXT * dims.n_vocab
    return (looks + others) * _FLOAT32


def slots_for(plan: MemoryPlan, devices: Sequence[Any], most: int) -> int:
    """How many slots each device has room for, up to ``most``.

    Args:
        plan: What the model takes on a device; its weights are not there yet.
        devices: The JAX devices, all of a kind.
        most: What is enough.
    """
    usable = usable_bytes(devices)
    return most if usable is None else min(most, plan.slots_within(usable, most))


def usable_bytes(devices: Sequence[Any], given: int | None = None) -> int | None:
    """Bytes that may be taken on each of the devices, all of a kind; None if that is unknown.

    Args:
        devices: The JAX devices.
        given: What may be taken on each, on CPUs on all together; None for most of what is free.
    """
    usable = given
    if usable is None:
        free = free_bytes(devices[0])
        usable = None if free is None else int(_SHARE * free)
    if usable is not None and devices[0].platform == "cpu":  # they share one memory
        usable //= len(devices)
    return usable


def free_bytes(device: Any) -> int | None:
    """Bytes that are free on a device; for a CPU, in the process's limits. None if unknown."""
    if device.platform == "cpu":
        found = [_available(Path("/proc/meminfo")), _cgroup_free(Path("/sys/fs/cgroup"))]
        return min((size for size in found if size is not None), default=None)
    stats = device.memory_stats() or {}
    limit = stats.get("bytes_limit")
    return None if limit is None else int(limit) - int(stats.get("bytes_in_use", 0))


def _available(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:  # not on Linux
        return None
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return sizes[0] if sizes else None


def _cgroup_free(folder: Path) -> int | None:
    """What a container may still take (control groups, version 2 and 1)."""
    for limit_name, used_name in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            limit, used = ((folder / name).read_text("ascii") for name in (limit_name, used_name))
        except OSError:
            continue
        return max(0, int(limit) - int(used)) if limit.strip().isdecimal() else None
    return None


def _n_bytes(tree: Any, specs: Any, n_model: int) -> int:
    """Bytes on one of the devices that share the arrays as the specs say."""
    mesh = AbstractMesh((1, n_model), ("data", "model"))

    def of_array(leaf: Any, spec: PartitionSpec) -> int:
        shape = NamedSharding(mesh, spec).shard_shape(leaf.shape)
        return math.prod(shape) * jnp.dtype(leaf.dtype).itemsize

    return sum(jax.tree.leaves(jax.tree.map(of_array, tree, specs)))
