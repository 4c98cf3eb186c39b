"""What a model would need on eight chips of TPU v5e, without any: compiled by the `tpu` extra.

    python scripts/plan_tpu.py large-v2:bfloat16:1 large-v2:bfloat16:2

Each argument is model:compute type:devices that share the model. The programs of the engine, the
encoder's and the decode steps', are compiled for the topology `v5e:2x4`; XLA tells the memory and
the operations of a chip. Prints rows of the tables in docs/scaling.md. A large model takes minutes.

The times are of a model, not measured: the longer of computing and reading at the chip's published
rates, the work counted from the sizes of the model; and XLA's own estimate.
"""

import math
import os
import sys
from dataclasses import dataclass
from typing import Any, cast

# The topology is asked of the compiler alone: there is no chip to look for.
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from jax.experimental import topologies

from whisper_jax.bench.costs import (
    decoder_cache_bytes,
    decoder_weight_bytes,
    encoder_multiply_adds,
)
from whisper_jax.engine.compute import NumberTypes, model_config, number_types
from whisper_jax.engine.lift import Lift
from whisper_jax.engine.memory import memory_plan
from whisper_jax.engine.policy import ACCELERATOR
from whisper_jax.engine.shapes import Sizes, program_shapes
from whisper_jax.engine.sharding import Layout, device_mesh
from whisper_jax.model.dims import PUBLISHED, ModelDims
from whisper_jax.options import ComputeType

TOPOLOGY, N_CHIPS = "v5e:2x4", 8
# Of a chip, as published by Google Cloud.
BFLOAT16_FLOPS, INT8_OPS, BYTES_PER_S, MEMORY = 197e12, 394e12, 819e9, 16e9
COLUMNS = (
    *("model", "type", "data x model", "slots", "weights", "memory to encode", "to decode"),
    *("operations of a window", "of a step", "window", "step", "times real time"),
)
N_STEPS, WINDOW_S, N_POSITIONS = 90, 30, 256
"""Decode steps of a window, seconds of audio in it, and room for tokens."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A program on one chip: what XLA says of it, and how long it must take at least.

    Attributes:
        gigabytes: Memory, of inputs and results and on the way.
        operations: Floating-point operations, and those of whole numbers.
        xla_s: XLA's estimate of the time.
        roofline_s: The longer of computing and reading.
    """

    gigabytes: float
    operations: float
    xla_s: float
    roofline_s: float


def main(configurations: list[str]) -> None:
    print("|", " | ".join(COLUMNS), "|")
    print("|", " | ".join("---" for _ in COLUMNS), "|")
    for configuration in configurations:
        name, compute_type, n_model = configuration.split(":")
        print(row(name, cast(ComputeType, compute_type), int(n_model)), flush=True)


def row(name: str, compute_type: ComputeType, n_model: int) -> str:
    """Compile one configuration; its row of the table."""
    dims, types = PUBLISHED[name], number_types(compute_type, ACCELERATOR, "tpu")
    chips = topologies.get_topology_desc(TOPOLOGY, "tpu").devices
    lift = Lift(model_config(dims, types, ACCELERATOR), device_mesh(chips, n_model))
    plan = memory_plan(dims, types, ACCELERATOR, n_model=n_model)
    n_slots = plan.slots_within(0.8 * MEMORY, ACCELERATOR.most_slots)
    n_windows = min(ACCELERATOR.encode_limit, n_slots)
    sizes = Sizes(n_slots=n_slots, n_positions=N_POSITIONS, n_windows=n_windows)
    programs = program_shapes(lift, types, sizes)
    encode_s = n_windows * encoder_roofline_s(dims, types, n_model)
    encode = work_of(lift.compile(*programs["encode"]), encode_s)
    step = work_of(lift.compile(*programs["run"]), step_roofline_s(dims, types, n_slots, n_model))
    # A shard encodes the windows of all its slots, and then decodes them side by side.
    n_shards, audio_s = N_CHIPS // n_model, n_slots * WINDOW_S
    speeds = [
        n_shards * audio_s / (n_slots / n_windows * encode_s + N_STEPS * step_s)
        for encode_s, step_s in (
            (encode.roofline_s, step.roofline_s),
            (encode.xla_s, step.xla_s),
        )
    ]
    cells = (
        name,
        compute_type,
        f"{n_shards} x {n_model}",
        n_slots,
        f"{plan.weights / 1e9:.2f} GB",
        f"{encode.gigabytes:.1f} GB",
        f"{step.gigabytes:.1f} GB",
        f"{encode.operations / n_windows / 1e12:.2f} T",
        f"{step.operations / 1e9:.1f} G",
        f"{1000 * encode.roofline_s / n_windows:.1f}, {1000 * encode.xla_s / n_windows:.1f} ms",
        f"{1000 * step.roofline_s:.2f}, {1000 * step.xla_s:.1f} ms",
        f"{speeds[0]:.0f}, {speeds[1]:.0f}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def work_of(compiled: Any, roofline_s: float) -> Work:
    """What XLA says of a program on one chip; the body of a loop is counted once."""
    memory, costs = compiled.memory_analysis(), compiled.cost_analysis()
    held = memory.argument_size_in_bytes + memory.temp_size_in_bytes
    held += memory.output_size_in_bytes - memory.alias_size_in_bytes
    # An operation that XLA has no estimate of (a collective, a copy that goes on beside the rest)
    # counts as minus one second; all others together are far less than one.
    seconds = costs["optimal_seconds"]
    return Work(
        gigabytes=held / 1e9,
        operations=costs["flops"],
        xla_s=seconds - math.floor(seconds),
        roofline_s=roofline_s,
    )


def encoder_roofline_s(dims: ModelDims, types: NumberTypes, n_model: int) -> float:
    """Computing one window on the chips that share it; products of attention are never int8."""
    total = encoder_multiply_adds(dims)
    attention = dims.n_audio_layer * 2 * dims.n_audio_ctx**2 * dims.n_audio_state
    rate = INT8_OPS if types.int8_encoder else BFLOAT16_FLOPS
    return 2 * ((total - attention) / rate + attention / BFLOAT16_FLOPS) / n_model


def step_roofline_s(dims: ModelDims, types: NumberTypes, n_slots: int, n_model: int) -> float:
    """Reading what a step of one text a slot reads, on the chips that share it."""
    embedding = dims.n_vocab * dims.n_text_state * 2
    weights = decoder_weight_bytes(dims, types) - embedding
    caches = decoder_cache_bytes(dims, n_slots, n_slots, N_POSITIONS, types)
    embedding_parts = Layout(dims, n_model).n_parts("vocab")
    return ((weights + caches) / n_model + embedding / embedding_parts) / BYTES_PER_S


if __name__ == "__main__":
    main(sys.argv[1:])
