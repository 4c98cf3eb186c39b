"""What is kept on disk between starts: compiled programs, converted weights, vocabularies."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny
from fake_whisper import CutEvery
from letters import letter_tokenizer

from whisper_jax.checkpoints.load import Checkpoint
from whisper_jax.driver.steps import StepsRun
from whisper_jax.engine import weights
from whisper_jax.engine.ahead import AheadReader
from whisper_jax.engine.compute import NumberTypes, cast_params, number_types
from whisper_jax.engine.lanes import start_lanes
from whisper_jax.engine.lift import DevicePrograms, NotKeptError
from whisper_jax.engine.policy import CPU
from whisper_jax.engine.sharding import device_mesh
from whisper_jax.options import TranscribeOptions
from whisper_jax.requests import Origin
from whisper_jax.stored import arrays, files, programs
from whisper_jax.stream.updates import Heard, Listener, Update
from whisper_jax.transcribe import Whisper

INT8 = number_types("auto", CPU, "cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHISPER_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(programs.LIMIT_VARIABLE, "1")
    return tmp_path / "cache"


def tiny_programs() -> DevicePrograms:
    mesh = device_mesh(jax.devices()[:1])
    return DevicePrograms(cast_params(tiny.params(), tiny.FLOAT32), tiny.CONFIG, mesh)


def test_the_least_recently_used_files_go_first(tmp_path: Path):
    for age, name in enumerate(["new", "old", "oldest"]):
        (tmp_path / name).write_bytes(bytes(10))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    files.mark_used(tmp_path / "oldest")
    files.trim(tmp_path, 25)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "oldest"]


def test_a_file_that_could_not_be_written_leaves_nothing(tmp_path: Path):
    def parts():
        yield b"half"
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.write_whole(tmp_path / "file", parts())
    assert list(tmp_path.iterdir()) == []


def test_arrays_come_back_aligned_and_as_they_were(tmp_path: Path):
    path = tmp_path / "x.arrays"
    given = {
        "a": np.arange(7, dtype=np.int8),
        "b": np.asarray(jax.numpy.arange(6, dtype="bfloat16").reshape(2, 3)),
        "c": np.float32([[1.5], [2.5]]),
    }
    arrays.write_arrays(path, given, {"n": 1})
    read = arrays.read_arrays(path)
    assert read is not None
    assert read[1] == {"n": 1}
    for name, array in given.items():
        assert read[0][name].dtype == array.dtype
        np.testing.assert_array_equal(read[0][name], array)
        assert read[0][name].__array_interface__["data"][0] % 64 == 0
        assert not read[0][name].flags.writeable


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: b"x" + c[1:], lambda _: b""])
def test_damaged_arrays_are_not_read(tmp_path: Path, damage):
    path = tmp_path / "x.arrays"
    arrays.write_arrays(path, {"a": np.zeros(100, np.float32)}, {})
    path.write_bytes(damage(path.read_bytes()))
    assert arrays.read_arrays(path) is None


def test_a_program_from_disk_gives_what_the_compiled_one_gives(cache: Path):
    compiled, kept = tiny_programs(), tiny_programs()
    first = compiled.empty(2, 1, 256)
    (path,) = (cache / "programs").iterdir()
    written_ns = path.stat().st_ino
    second = kept.empty(2, 1, 256)
    assert (compiled.n_kept, kept.n_kept) == (1, 0)
    assert path.stat().st_ino == written_ns
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_a_damaged_program_is_compiled_and_written_anew(cache: Path):
    tiny_programs().empty(2, 1, 256)
    (path,) = (cache / "programs").iterdir()
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    again = tiny_programs()
    again.empty(2, 1, 256)
    assert again.n_kept == 1
    last = tiny_programs()
    last.empty(2, 1, 256)
    assert last.n_kept == 0


def test_a_program_is_not_used_where_something_else_is_compiled(monkeypatch: pytest.MonkeyPatch):
    def path() -> Path:
        store = programs.program_store(jax.devices()[:1])
        assert store is not None
        return store.path("run", ("about", 1))

    here = path()
    assert path() == here
    with monkeypatch.context() as patch:
        patch.setattr(programs, "processor_flags", lambda: frozenset({"other"}))
        assert path() != here
    with monkeypatch.context() as patch:
        patch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=AVX2")
        assert path() != here
    with monkeypatch.context() as patch:
        patch.setattr(programs, "source_digest", lambda _: "other source")
        assert path() != here


def test_programs_are_not_kept_if_that_is_switched_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(programs.LIMIT_VARIABLE, "0")
    assert programs.program_store(jax.devices()[:1]) is None


def test_fetching_gives_shapes_and_compiles_only_if_asked():
    fetched = tiny_programs()
    with pytest.raises(NotKeptError):
        fetched.fetching().empty(2, 1, 256)
    assert fetched.n_compiled == 0
    state = fetched.fetching(compiles=True).empty(2, 1, 256)
    assert state.rows.done.shape == (2, 1)
    assert fetched.n_compiled == 1
    assert isinstance(fetched.empty(2, 1, 256).rows.done, jax.Array)


def test_what_was_warmed_up_is_read_ahead_and_nothing_is_left_to_compile():
    policy = replace(CPU, audio_buckets=(1000,), prompt_buckets=(8,))
    AheadReader(warm := tiny_programs(), policy, 2).compile_usual(2, [1])
    assert warm.n_kept == warm.n_compiled > 5
    later = tiny_programs()
    reader = AheadReader(later, policy, 2)
    reader.expect(1, detects_language=True)
    reader.wait()
    assert later.n_kept == 0
    assert {key[0] for key in later._compiled} == {
        *("empty", "take", "put", "prefill", "language", "begin", "insert", "run")
    }


@pytest.mark.parametrize("reads_late", [False, True])
def test_a_warmup_has_prompts_and_rows_of_all_sizes_while_texts_are_short(reads_late: bool):
    policy = replace(
        CPU, audio_buckets=(1000,), prompt_buckets=(8, 64), min_numbers=1, reads_late=reads_late
    )
    AheadReader(warm := tiny_programs(), policy, 2).compile_usual(2, [1, 2])
    inserted: set[tuple[int, ...]] = set()
    for name, _, _, shapes in warm._compiled:
        keys = [shape for shape, _ in shapes if len(shape) == 5 and shape[3] == tiny.DIMS.head_dim]
        if name == "insert":
            pool, prompt = keys[0], keys[-1]
            inserted.add((pool[1], pool[4], prompt[4]))
    assert inserted >= {(rows, 128, n_prompt) for rows in (1, 2) for n_prompt in (8, 64)}


def test_words_compile_nothing_after_a_warmup():
    # Two windows share calls, as on accelerators; one alone has its own programs, as on CPUs.
    policy = replace(
        CPU,
        audio_buckets=(1000,),
        prompt_buckets=(8, 232),
        n_lanes=1,
        encode_limit=2,
        prefill_limit=2,
        align_limit=2,
    )
    warm = tiny_programs()
    AheadReader(warm, policy, 2).compile_usual(2, [1])
    ready = set(warm._compiled)
    engine, counts = start_lanes("tiny", [warm], policy, 2)
    with Whisper("tiny", tiny.DIMS, letter_tokenizer(), engine, counts, 2, CutEvery) as model:
        model.transcribe(
            tiny.noise(0, 1200),
            word_timestamps=True,
            beam_size=1,
            temperature=0,
            chunk_length=3,
            max_new_tokens=20,
            language="en",
        )
    assert model.counts.seconds["align"] > 0
    assert set(warm._compiled) == ready


def test_a_live_stream_compiles_nothing_after_its_warmup():
    policy = replace(CPU, audio_buckets=(500,), prompt_buckets=(64,), n_lanes=1)
    warm = tiny_programs()
    AheadReader(warm, policy, 2).compile_for_stream(n_rows=1)
    ready = set(warm._compiled)
    engine, _ = start_lanes("tiny", [warm], policy, 2)
    letters = letter_tokenizer()
    listener = Listener(
        letters, TranscribeOptions(beam_size=1, temperature=(0.0,), without_timestamps=True)
    )
    found: list[Heard | Exception] = []
    for n_frames, n_committed in ((20, 0), (200, 9)):
        update = Update(
            samples=tiny.noise(0, n_frames),
            first=0,
            n_frames=n_frames,
            peak=0.0,
            told=(),
            committed=tuple(letters.encode("abc" * (n_committed // 3))),
            since=n_frames,
            language=None,
            is_last=False,
        )
        done = threading.Event()
        origin = Origin(program=n_frames, model="tiny", owner="")
        take = _noting(found, done)
        StepsRun(engine, origin, listener.listen(update), take).start()
        assert done.wait(60)
    engine.close()
    assert [type(one) for one in found] == [Heard, Heard]
    assert set(warm._compiled) == ready


def _noting(found: list[Heard | Exception], done: threading.Event):
    def take(answer: Heard | Exception) -> None:
        found.append(answer)
        done.set()

    return take


def test_reading_ahead_ends_where_nothing_is_kept():
    nothing = tiny_programs()
    reader = AheadReader(nothing, CPU, 2)
    reader.expect(1, detects_language=False)
    reader.wait()
    assert nothing.n_compiled == 0
    assert not [t for t in threading.enumerate() if t.name == "whisper-jax-ahead"]


@pytest.mark.parametrize("types", [tiny.FLOAT32, tiny.BFLOAT16, INT8])
def test_weights_from_disk_are_those_that_were_converted(
    types: NumberTypes, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "model.bin").write_bytes(b"weights")
    params = jax.tree.map(np.asarray, tiny.params())
    reads: list[Path] = []

    def load(path: Path) -> Checkpoint:
        reads.append(path)
        return Checkpoint(
            file=checkpoint / "model.bin",
            dims=tiny.DIMS,
            params=params,
            folder=checkpoint,
            has_settings=True,
            alignment_heads=None,
        )

    monkeypatch.setattr("whisper_jax.checkpoints.load.load_checkpoint", load)
    plain = cast_params(params, types)
    first = weights.prepare_weights(checkpoint, types)
    second = weights.prepare_weights(checkpoint, types)
    assert (first.was_kept, second.was_kept, len(reads)) == (False, True, 1)
    assert (second.dims, second.folder) == (tiny.DIMS, checkpoint)
    assert jax.tree.structure(second.params) == jax.tree.structure(plain)
    jax.tree.map(np.testing.assert_array_equal, second.params, plain)

    (kept,) = (cache / "weights").iterdir()
    kept.write_bytes(kept.read_bytes()[:-64])
    assert not weights.prepare_weights(checkpoint, types).was_kept
    (checkpoint / "model.bin").write_bytes(b"others")
    assert not weights.prepare_weights(checkpoint, types).was_kept
    monkeypatch.setenv(weights.LIMIT_VARIABLE, "0")
    assert not weights.prepare_weights(checkpoint, types).was_kept


def test_two_processes_may_fill_one_cache(cache: Path):
    code = (
        "import test_stored, numpy as np; p = test_stored.tiny_programs();"
        "print(float(p.empty(2, 1, 256).rows.no_speech_prob.sum()), p.n_compiled)"
    )
    here = str(Path(__file__).parent)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": here},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert [process.communicate()[0] for process in both] == ["0.0 1\n", "0.0 1\n"]
    assert len(list((cache / "programs").iterdir())) == 1
