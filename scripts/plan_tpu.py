"""What a model would need on eight chips of TPU v5e, without any: compiled by the `tpu` extra.

    python scripts/plan_tpu.py large-v2:bfloat16:1 large-v2:bfloat16:2 --kept plan.jsonl

Each argument is model:compute type:devices that share the model. The programs of the engine, the
encoder's and the decode steps', are compiled for the topology `v5e:2x4`; XLA tells the memory, the
operations and the bytes of a chip, and how many cycles it expects. Prints the tables of
docs/scaling.md. A large model takes minutes: what was said of a program is kept in the file, and
a program that is there is not compiled again (begin a new file when the engine has changed). With
--compile-nothing the rest has a dash in the tables.

The times are of a model, not measured. The least: the longer of computing and reading at the
chip's published rates, the work counted from the sizes of the model. XLA's: the cycles that it
expects. To both, what chips that share a model send each other is added.
"""

import argparse
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

# The topology is asked of the compiler alone: there is no chip to look for.
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax.numpy as jnp
from jax.experimental import topologies

from whisper_jax.bench.costs import (
    decoder_cache_bytes,
    decoder_weight_bytes,
    encoder_multiply_adds,
)
from whisper_jax.engine.compute import NumberTypes, model_config, number_types
from whisper_jax.engine.lift import Lift
from whisper_jax.engine.memory import MemoryPlan, memory_plan
from whisper_jax.engine.policy import TPU
from whisper_jax.engine.shapes import Sizes, program_shapes
from whisper_jax.engine.sharding import Layout, device_mesh
from whisper_jax.model.dims import PUBLISHED, ModelDims
from whisper_jax.options import ComputeType

TOPOLOGY, N_CHIPS = "v5e:2x4", 8
# Of a chip, as published by Google Cloud: its rates, its memory, and of its four links to others
# (400 GB/s, both ways together) what one carries one way.
BFLOAT16_FLOPS, INT8_OPS, BYTES_PER_S, MEMORY = 197e12, 393e12, 819e9, 16e9
LINK_BYTES_PER_S = 400e9 / 4 / 2
# Four matrix units of 128 x 128 multiply and add once a cycle each.
CYCLES_PER_S = BFLOAT16_FLOPS / (2 * 4 * 128 * 128)
N_STEPS, WINDOW_S, N_POSITIONS = 90, 30, 256
"""Decode steps of a window, seconds of audio in it, and room for tokens."""
PROGRAMS = "encode", "run"
WHO = ("model", "type", "data x model")
NEEDS = (
    *("slots of a copy", "weights", "to encode", "to decode"),
    *("operations of a window", "bytes of a window"),
)
TIMES = (
    *("window: least", "optimal", "scheduled", "sent"),
    *("step: least", "scheduled", "sent", "times real time: most", "scheduled"),
)
# What one of n chips passes on of each byte of the result.
SENT_PER_BYTE: dict[str, Callable[[int], float]] = {
    "all-reduce": lambda n: 2 * (n - 1) / n,
    "all-gather": lambda n: (n - 1) / n,
    "all-to-all": lambda n: (n - 1) / n,
    "reduce-scatter": lambda n: n - 1,
    "collective-permute": lambda n: 1,
}
COLLECTIVES = re.compile(
    r"= (.*?) (all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute)(?:-start)?\("
)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the compiler says of a program on one chip; the body of a loop is counted once.

    Attributes:
        held: Bytes of its inputs and results, and on the way.
        operations: Floating-point operations, and those of whole numbers.
        touched: Bytes that its operations read and write, wherever they lie.
        optimal_s: XLA's estimate from these, as `optimal_seconds` has it.
        cycles: XLA's estimate of what was scheduled.
        turn_cycles: The same of one turn of its longest loop.
        sent: Bytes that a chip sends to others.
    """

    held: int
    operations: float
    touched: float
    optimal_s: float
    cycles: int
    turn_cycles: int
    sent: float


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A model on the chips: its sizes and types, how it is shared out, and how many slots fit."""

    name: str
    compute_type: ComputeType
    n_model: int
    dims: ModelDims
    types: NumberTypes
    plan: MemoryPlan
    n_slots: int

    @property
    def n_windows(self) -> int:
        """Windows in a call of the encoder."""
        return min(TPU.encode_limit, self.n_slots)

    @property
    def n_shards(self) -> int:
        """Copies of the model."""
        return N_CHIPS // self.n_model

    @property
    def who(self) -> tuple[str, ...]:
        """The first cells of its rows."""
        return self.name, self.compute_type, f"{self.n_shards} x {self.n_model}"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("configurations", nargs="+", help="model:compute type:devices of a copy")
    parser.add_argument("--kept", type=Path, help="what was said of programs: read and added to")
    parser.add_argument("--compile-nothing", action="store_true", help="print what was kept")
    args = parser.parse_args()
    rows = []
    for one in map(configuration_of, args.configurations):
        said = read_kept(args.kept)
        if not args.compile_nothing:
            for program in PROGRAMS:
                if (*one.who, program) not in said:
                    said[*one.who, program] = found = compile_and_ask(one, program)
                    keep(args.kept, (*one.who, program), found)
        rows.append((one, *(said.get((*one.who, program)) for program in PROGRAMS)))
    print_table(WHO + NEEDS, [one.who + needs(one, *programs) for one, *programs in rows])
    print()
    print_table(WHO + TIMES, [one.who + times(one, *programs) for one, *programs in rows])


def configuration_of(text: str) -> Configuration:
    name, compute_type, n_model = text.split(":")
    dims, chosen = PUBLISHED[name], cast(ComputeType, compute_type)
    types = number_types(chosen, TPU, "tpu")
    plan = memory_plan(dims, types, TPU, n_model=int(n_model))
    return Configuration(
        name=name,
        compute_type=chosen,
        n_model=int(n_model),
        dims=dims,
        types=types,
        plan=plan,
        n_slots=plan.slots_within(0.8 * MEMORY, TPU.most_slots),
    )


def compile_and_ask(one: Configuration, program: str) -> Said:
    chips = topologies.get_topology_desc(TOPOLOGY, "tpu").devices
    lift = Lift(model_config(one.dims, one.types, TPU), device_mesh(chips, one.n_model))
    sizes = Sizes(n_slots=one.n_slots, n_positions=N_POSITIONS, n_windows=one.n_windows)
    return said_by(lift.compile(*program_shapes(lift, one.types, sizes)[program]), one.n_model)


def keep(kept: Path | None, key: tuple[str, ...], said: Said) -> None:
    if kept:
        with kept.open("a", encoding="utf-8") as file:
            print(json.dumps({"program": key, "said": asdict(said)}), file=file)


def read_kept(kept: Path | None) -> dict[tuple[str, ...], Said]:
    lines = kept.read_text(encoding="utf-8").splitlines() if kept and kept.exists() else []
    found = map(json.loads, lines)
    return {tuple(line["program"]): Said(**line["said"]) for line in found}


def said_by(compiled: Any, n_model: int) -> Said:
    memory, costs, text = compiled.memory_analysis(), compiled.cost_analysis(), compiled.as_text()
    held = memory.argument_size_in_bytes + memory.temp_size_in_bytes
    held += memory.output_size_in_bytes - memory.alias_size_in_bytes
    # XLA's analysis counts each custom call as minus one second, for "unknown". The calls here are
    # bitcasts, which take no time, and all the rest together takes far less than a second.
    seconds = costs["optimal_seconds"]
    cycles, turn_cycles = expected_cycles(text)
    return Said(
        held=held,
        operations=costs["flops"],
        touched=costs["bytes accessed"],
        optimal_s=seconds - math.floor(seconds),
        cycles=cycles,
        turn_cycles=turn_cycles,
        sent=sum(sent_bytes(text, n_model)),
    )


def expected_cycles(text: str) -> tuple[int, int]:
    """Cycles that XLA expects of a compiled program, and of one turn of its longest loop.

    Each operation that is scheduled says how many; those that only wait for memory say nothing. Of
    two branches the longer counts.
    """
    computations: dict[str, list[str]] = {}
    entry, lines = "", []
    for line in text.splitlines():
        if found := re.match(r"(ENTRY )?%?([\w.-]+) \(.*\{$", line):
            lines = computations[found[2]] = []
            entry = found[2] if found[1] else entry
        else:
            lines.append(line)

    def of_computation(name: str) -> int:
        return sum(map(of_operation, computations[name]))

    def of_operation(line: str) -> int:
        if found := re.search(r" while\(.*body=%?([\w.-]+)", line):
            return of_computation(found[1])
        if " conditional(" in line:
            listed = re.search(r"branch_computations=\{(.*?)\}", line)
            found = listed[1] if listed else " ".join(re.findall(r"_computation=(%[\w.-]+)", line))
            return max(map(of_computation, re.findall(r"%([\w.-]+)", found)))
        found = re.search(r'"estimated_cycles":"(\d+)"', line)
        return int(found[1]) if found else 0

    loops = [line for line in computations[entry] if " while(" in line]
    return of_computation(entry), max(map(of_operation, loops), default=0)


def sent_bytes(text: str, n_model: int) -> Iterator[float]:
    """What a chip sends in each exchange of a program for so many chips."""
    for shapes, kind in COLLECTIVES.findall(text):
        arrays = re.findall(r"([a-z]+\d+)\[([\d,]*)\]", shapes)
        # One that is only begun names what it takes, what it gives, and its own counters.
        for number_type, sizes in arrays[:1] if kind == "collective-permute" else arrays:
            n_numbers = math.prod(int(size) for size in sizes.split(",") if size)
            n_bits = int(re.sub(r"\D", "", number_type))
            yield SENT_PER_BYTE[kind](n_model) * n_numbers * n_bits / 8


def needs(one: Configuration, encode: Said | None, run: Said | None) -> tuple[str, ...]:
    known = str(one.n_slots), f"{one.plan.weights / 1e9:.2f} GB"
    if encode is None or run is None:
        return known + ("-",) * (len(NEEDS) - len(known))

    def of_window(encoding: float, step: float) -> float:
        """On all chips of a copy."""
        return one.n_model * (encoding / one.n_windows + N_STEPS * step / one.n_slots)

    return (
        *known,
        f"{encode.held / 1e9:.1f} GB",
        f"{run.held / 1e9:.1f} GB",
        f"{of_window(encode.operations, run.operations) / 1e12:.2f} T",
        f"{of_window(encode.touched, run.touched) / 1e9:.0f} GB",
    )


def times(one: Configuration, encode: Said | None, run: Said | None) -> tuple[str, ...]:
    window, step = encoder_least_s(one), step_least_s(one)
    if encode is None or run is None:
        return f"{1e3 * window:.1f} ms", *"---", f"{1e3 * step:.2f} ms", *"----"
    # Two chips have one link in common, four lie in a ring.
    rate = LINK_BYTES_PER_S * (1 if one.n_model == 2 else 2)
    window_sent, step_sent = encode.sent / one.n_windows / rate, run.sent / rate
    scheduled_window = encode.cycles / one.n_windows / CYCLES_PER_S
    # What lies before and after the steps is there once a call.
    around = (run.cycles - run.turn_cycles) / TPU.max_steps
    scheduled_step = (run.turn_cycles + around) / CYCLES_PER_S

    def speed(window_s: float, step_s: float) -> str:
        """A copy encodes the windows of all its slots, then decodes them side by side."""
        audio_s, encode_s = one.n_slots * WINDOW_S, one.n_slots * (window_s + window_sent)
        return f"{one.n_shards * audio_s / (encode_s + N_STEPS * (step_s + step_sent)):,.0f}"

    return (
        f"{1e3 * window:.1f} ms",
        f"{1e3 * encode.optimal_s / one.n_windows:.1f} ms",
        f"{1e3 * scheduled_window:.1f} ms",
        f"{1e3 * window_sent:.1f} ms",
        f"{1e3 * step:.2f} ms",
        f"{1e3 * scheduled_step:.2f} ms",
        f"{1e3 * step_sent:.2f} ms",
        speed(window, step),
        speed(scheduled_window, scheduled_step),
    )


def encoder_least_s(one: Configuration) -> float:
    """Computing one window on the chips that share it; products of attention are never int8."""
    dims, total = one.dims, encoder_multiply_adds(one.dims)
    attention = dims.n_audio_layer * 2 * dims.n_audio_ctx**2 * dims.n_audio_state
    rate = INT8_OPS if one.types.int8_encoder else BFLOAT16_FLOPS
    return 2 * ((total - attention) / rate + attention / BFLOAT16_FLOPS) / one.n_model


def step_least_s(one: Configuration) -> float:
    """Reading what a step of one text a slot reads, on the chips that share it."""
    dims, types = one.dims, one.types
    embedding = dims.n_vocab * dims.n_text_state * jnp.dtype(types.floats).itemsize
    weights = decoder_weight_bytes(dims, types) - embedding
    caches = decoder_cache_bytes(dims, one.n_slots, one.n_slots, N_POSITIONS, types)
    embedding_parts = Layout(dims, one.n_model).n_parts("vocab")
    return ((weights + caches) / one.n_model + embedding / embedding_parts) / BYTES_PER_S


def print_table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    for cells in (columns, ("---",) * len(columns), *rows):
        print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
