import json
import os
import time
from dataclasses import replace
from pathlib import Path

import jax
import pytest
import tiny

from whisper_jax.bench import machine
from whisper_jax.bench.costs import (
    decoder_cache_bytes,
    decoder_weight_bytes,
    encoder_multiply_adds,
)
from whisper_jax.bench.limits import encode_s, step_s
from whisper_jax.bench.worker import CompileWatch, counts_between, union_s
from whisper_jax.bench.workload import (
    Recording,
    score,
    workload_from_files,
    workload_from_manifest,
)
from whisper_jax.engine.compute import number_types
from whisper_jax.engine.device import DeviceCounts, DevicePool
from whisper_jax.engine.policy import CPU
from whisper_jax.engine.scheduler import Slot
from whisper_jax.errors import OptionError
from whisper_jax.model.dims import PUBLISHED
from whisper_jax.model.params import is_leaf, spec

FLOATS = number_types("float32", CPU, "cpu")
WHOLE = number_types("int8_bfloat16", CPU, "cpu")


def test_the_encoders_work_in_base():
    # 512 wide, 6 layers, 1500 positions, by hand.
    convolutions = 3000 * 240 * 512 + 1500 * 1536 * 512
    layers = 6 * (12 * 1500 * 512**2 + 2 * 1500**2 * 512)
    cross = 6 * 2 * 1500 * 512**2
    assert encoder_multiply_adds(PUBLISHED["base"]) == convolutions + layers + cross


@pytest.mark.parametrize("name", ["base", "large-v3", "distil-large-v3"])
def test_a_step_reads_the_decoders_matrices_but_two_a_layer(name: str):
    dims = PUBLISHED[name]
    leaves = jax.tree.leaves(spec(dims).decoder, is_leaf=is_leaf)
    matrices = sum(leaf.shape[0] * leaf.shape[1] for leaf in leaves if len(leaf.shape) == 2)
    positions = dims.n_text_ctx * dims.n_text_state
    cross = dims.n_text_layer * 2 * dims.n_text_state**2
    n_read = matrices - positions - cross
    assert decoder_weight_bytes(dims, FLOATS) == 4 * n_read
    embedding = dims.n_vocab * dims.n_text_state
    assert decoder_weight_bytes(dims, WHOLE) == n_read - embedding + 2 * embedding


def test_the_caches_a_step_reads():
    pair = 2 * 6 * 512
    sizes = PUBLISHED["base"], 4, 8, 128
    assert decoder_cache_bytes(*sizes, FLOATS) == 4 * pair * (4 * 1500 + 8 * 128)
    assert decoder_cache_bytes(*sizes, WHOLE) == pair * (4 * 1500 + 4 * 8 * 128)


def test_a_timed_step_has_every_slot_busy():
    """Otherwise what a call took, divided by its most steps, would be too little a step."""
    pool = DevicePool(tiny.new_programs(), replace(CPU, max_steps=3))
    slots = [Slot(0, index) for index in range(4)]
    pool.resize(4, [])
    assert encode_s(pool, slots) > 0
    assert step_s(pool, slots, tiny.CONFIG) > 0
    n_calls = 6
    assert pool.counts.row_steps == pool.counts.active_row_steps == n_calls * 3 * 4


def test_time_that_overlaps_counts_once():
    assert union_s([]) == 0
    assert union_s([(5, 6), (0, 2), (1, 3), (1.5, 2.5)]) == 4


def test_compilation_is_what_jax_says():
    watch = CompileWatch()
    watch.took("/jax/core/compile/jaxpr_trace_duration", 100.0, fun_name="f")
    watch.took("/jax/core/compile/backend_compile_duration", 60.0)
    watch.took("/jax/compilation_cache/cache_retrieval_time_sec", 500.0)
    watch.happened("/jax/compilation_cache/cache_hits")
    watch.happened("/jax/compilation_cache/cache_misses")
    assert watch.seconds == pytest.approx(100, abs=0.1)
    assert (watch.n_compiled, watch.n_from_cache) == (1, 1)


def test_compilation_is_heard_of():
    watch = CompileWatch()
    watch.start()
    jax.jit(lambda x: x + 12345)(1.0)
    assert watch.n_compiled >= 1
    assert watch.seconds > 0


def test_counts_are_those_of_the_time_between():
    before = DeviceCounts(tokens=10, row_steps=100, active_row_steps=90, seconds={"run": 1.0})
    after = DeviceCounts(
        tokens=40, row_steps=300, active_row_steps=140, seconds={"run": 1.0, "encode": 2.0}
    )
    assert counts_between(before, after) == {
        "n_tokens": 30,
        "occupancy": 0.25,
        "device_s": {"encode": 2.0},
    }
    assert counts_between(before, before)["occupancy"] is None


def test_the_work_of_others_is_what_this_process_did_not_do(monkeypatch: pytest.MonkeyPatch):
    ticks = os.sysconf("SC_CLK_TCK")
    stats = iter([f"cpu  {t * ticks} 0 0 9 9 0 0 0 0 0\ncpu0 1\n" for t in (10, 16)])
    own = iter([os.times_result((1, 0, 1, 0, 0)), os.times_result((2, 0, 3, 1, 0))])
    clock = iter([100.0, 104.0])
    monkeypatch.setattr(machine, "_read", lambda _: next(stats))
    monkeypatch.setattr(os, "times", lambda: next(own))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    started = machine.LoadClock.start()
    assert started.others_cores() == pytest.approx((6 - 4) / 4)


def test_a_system_that_tells_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "_read", lambda _: "")
    monkeypatch.setattr(machine, "processor_flags", frozenset)
    assert machine.LoadClock.start().others_cores() is None
    described = machine.describe_machine()
    assert described.flags == ()
    assert described.n_usable_cores >= 1


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    def row(name: str, set_name: str, language: str, duration_s: float | None) -> str:
        (tmp_path / name).touch()
        fields = {"path": name, "set": set_name, "language": language, "text": "one two"}
        return json.dumps(fields if duration_s is None else {**fields, "duration_s": duration_s})

    path = tmp_path / "m.jsonl"
    rows = [
        row("a.wav", "x", "sv-SE", 30.0),
        row("b.wav", "x", "zh+en", 30.1),
        row("c.wav", "y", "en", 2),
        row("d.wav", "z", "en", None),
    ]
    path.write_text("\n".join(rows))
    return path


def test_workloads_of_a_manifest(manifest: Path):
    def names(sets: list[str] | None, workload: str) -> list[str]:
        found = workload_from_manifest(manifest, sets, workload)  # pyright: ignore[reportArgumentType]
        return [one.path.name for one in found]

    assert names(None, "all") == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert names(["x", "y"], "short") == ["a.wav", "c.wav"]
    assert names(["x", "y"], "long") == ["b.wav"]
    with pytest.raises(OptionError, match=r"length of d\.wav"):
        names(None, "short")
    with pytest.raises(OptionError, match="no long recordings"):
        names(["y"], "long")
    with pytest.raises(OptionError, match="no workload 'huge'; there are: all, short, long"):
        names(None, "huge")
    (manifest.parent / "c.wav").unlink()
    with pytest.raises(OptionError, match=r"not there: c\.wav"):
        names(["y"], "all")


def test_both_sides_are_told_the_language_of_the_manifest(manifest: Path):
    first, second = workload_from_manifest(manifest, ["x"], "all")
    assert (first.language, first.tag, first.reference) == ("sv", "sv-SE", "one two")
    assert second.language is None, "code-switched"


def test_files_have_no_references(manifest: Path):
    (file,) = workload_from_files([manifest], "en")
    assert (file.path, file.language, file.reference) == (manifest, "en", None)
    with pytest.raises(OptionError, match=r"no file .*gone\.wav"):
        workload_from_files([manifest, manifest.parent / "gone.wav"], None)


def test_scores_are_pooled_by_unit():
    def recording(tag: str, reference: str | None) -> Recording:
        return Recording(path=Path("a"), tag=tag, reference=reference)

    recordings = [
        recording("en", "red green"),
        recording("zh", "你好"),
        recording("en", "blue white"),
        recording("", None),
    ]
    texts = ["red green", "你", "blue", "whatever"]
    words, characters = score(recordings, texts)
    assert (words.unit, words.errors, words.n_reference) == ("WER", 1, 4)
    assert (characters.unit, characters.errors, characters.n_reference) == ("CER", 1, 2)
