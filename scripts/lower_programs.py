"""Lower every device program of real models for devices that are not here.

    python scripts/lower_programs.py base:bfloat16 large-v3:int8_bfloat16

Each argument is model:compute type. `jax.export` lowers each program of the engine, with one text
a slot and with five, for GPUs (`cuda` and `rocm`) and for a `tpu`. Nothing is compiled or run, and
no weights are needed; a program that cannot be lowered ends the script with JAX's error. Prints
rows of a table.
"""

import sys
import time
from typing import cast

import jax
from jax import export

from whisper_jax.engine.compute import model_config, number_types
from whisper_jax.engine.lift import Lift
from whisper_jax.engine.policy import policy_for
from whisper_jax.engine.shapes import Sizes, program_shapes
from whisper_jax.engine.sharding import device_mesh
from whisper_jax.model.dims import PUBLISHED
from whisper_jax.options import ComputeType

PLATFORMS = {"gpu": ("cuda", "rocm"), "tpu": ("tpu",)}
"""By what JAX calls such a device: for what `jax.export` lowers."""
N_ROWS = 1, 5
COLUMNS = "model", "type", "lowered for", "programs", "seconds"


def main(configurations: list[str]) -> None:
    print("|", " | ".join(COLUMNS), "|")
    print("|", " | ".join("---" for _ in COLUMNS), "|")
    for configuration in configurations:
        name, compute_type = configuration.split(":")
        for kind, platforms in PLATFORMS.items():
            start = time.perf_counter()
            n_programs = lower(name, cast(ComputeType, compute_type), kind)
            seconds = f"{time.perf_counter() - start:.0f}"
            cells = (name, compute_type, ", ".join(platforms), str(n_programs), seconds)
            print("|", " | ".join(cells), "|", flush=True)


def lower(name: str, compute_type: ComputeType, kind: str) -> int:
    """Lower all programs of a model for a kind of device; how many."""
    dims, policy = PUBLISHED[name], policy_for(kind)
    types = number_types(compute_type, policy, kind)
    lift = Lift(model_config(dims, types, policy), device_mesh(jax.devices()[:1]))
    n_programs = 0
    for n_rows in N_ROWS:
        sizes = Sizes(n_slots=8, n_rows=n_rows, n_windows=policy.encode_limit)
        for body, args in program_shapes(lift, types, sizes).values():
            export.export(lift.jit(body, args), platforms=PLATFORMS[kind])(*args)
            n_programs += 1
    return n_programs


if __name__ == "__main__":
    main(sys.argv[1:])
