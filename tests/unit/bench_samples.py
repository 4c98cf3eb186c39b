"""Measurements made up for the tests of the benchmark."""

from typing import Any

from whisper_jax.bench.machine import Machine
from whisper_jax.bench.results import Configuration, Limits, Measurement, PartSpeed
from whisper_jax.scoring import ErrorRate

MACHINE = Machine(
    cpu="A CPU",
    n_cores=4,
    n_usable_cores=2,
    flags=("avx2",),
    memory_bytes=2**33,
    system="Linux x86_64",
    python="3.12.1",
)


def measurement(system: str, compute_type: str, steady_s: float, **other: Any) -> Measurement:
    fields: dict[str, Any] = {
        "configuration": Configuration(system=system, compute_type=compute_type),
        "import_s": 1.0,
        "load_s": 2.0,
        "first_s": 3.0,
        "steady_s": steady_s,
        "cpu_s": 2 * steady_s,
        "audio_s": 120.0,
        "peak_memory_bytes": 100 * 2**20,
        "rates": (words(errors=5),),
        "versions": {system: "1.0"},
        **other,
    }
    return Measurement(**fields)


def words(errors: int) -> ErrorRate:
    return ErrorRate(unit="WER", substitutions=errors, deletions=0, insertions=0, n_reference=200)


LIMITS = Limits(
    matrix_flops={"float32": 200e9, "bfloat16": 800e9},
    read_bytes_per_s=20e9,
    parts=(
        PartSpeed(
            part="encoder",
            compute_type="bfloat16",
            product="bfloat16",
            seconds=0.5,
            work=100e9,
            n_slots=1,
        ),
        PartSpeed(
            part="decoder",
            compute_type="float32",
            product="float32",
            seconds=0.1,
            work=1e9,
            n_slots=16,
        ),
    ),
)
