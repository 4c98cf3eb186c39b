import json
from pathlib import Path

import pytest
import typer
from bench_samples import LIMITS, measurement
from test_bench_headline import write_wav
from typer.testing import CliRunner

import whisper_jax.bench.run
import whisper_jax.checkpoints
from whisper_jax.bench.plan import Plan
from whisper_jax.bench.run import BenchReport
from whisper_jax.cli.bench import bench_command
from whisper_jax.errors import OptionError, UnknownModelError

APP = typer.Typer()
APP.command()(bench_command)


class Bench:
    """What would have been measured, and what comes of it."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.problems: tuple[str, ...] = ()
        self.failed: tuple[str, ...] = ()

    def run(self, plan: Plan, processes: object, *, progress: object) -> BenchReport:
        self.plans.append(plan)
        if plan.model == "english" and plan.recordings[0].language == "zh":
            raise OptionError("english knows no zh")
        runs = (
            measurement("whisper-jax", "float32", 2.0, failed=self.failed),
            measurement("faster-whisper", "int8", 3.0),
        )
        return BenchReport(
            plan=plan,
            measurements=runs if plan.recordings else (),
            limits=LIMITS,
            problems=self.problems,
        )


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    def resolve_model(name: str, **_: object) -> Path:
        if name == "unknown":
            raise UnknownModelError("no model 'unknown'; there are: base")
        return Path("models") / name

    made = Bench()
    monkeypatch.setattr(whisper_jax.bench.run, "run_benchmark", made.run)
    monkeypatch.setattr(whisper_jax.checkpoints, "resolve_model", resolve_model)
    return made


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    path.touch()
    return path


def invoke(*arguments: object):
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_options_reach_the_plan(bench: Bench, clip: Path):
    result = invoke(
        *(clip, "--language", "de", "--model", "tiny.en", "--batch-size", 4, "--threads", 1),
        *("--compute-type", "float32, bfloat16", "--runs", 3, "--device", "cpu", "--cold"),
        *("--against", "faster-whisper,openai-whisper", "--peer-compute-types", "int8"),
        *("--beam-size", 5, "--long-form", "sequential", "--batch-sizes", "1, 8", "--neighbour"),
    )
    assert result.exit_code == 0, result.stderr
    (plan,) = bench.plans
    (recording,) = plan.recordings
    assert (recording.path, recording.language) == (clip, "de")
    assert (plan.model, plan.batch_size, plan.threads, plan.runs) == ("tiny.en", 4, 1, 3)
    assert (plan.device, plan.cold) == ("cpu", True)
    assert (plan.beam_size, plan.long_form, plan.own_defaults) == (5, "sequential", False)
    assert (plan.batch_sizes, plan.neighbour) == ((1, 8), True)
    assert plan.compute_types == ("float32", "bfloat16")
    assert plan.peers == ("faster-whisper", "openai-whisper")
    assert plan.peer_compute_types == ("int8",)


def test_by_default_ours_runs_as_a_user_has_it(bench: Bench, clip: Path):
    assert invoke(clip, "--defaults").exit_code == 0
    (plan,) = bench.plans
    assert (plan.compute_types, plan.batch_size, plan.long_form) == (("auto",), None, "parallel")
    assert plan.options == {"long_form": "parallel"}
    assert plan.peer_compute_types is None


def test_the_tables_and_the_ratio_go_to_stdout(bench: Bench, clip: Path):
    result = invoke(clip)
    assert result.exit_code == 0
    assert "Limits of this machine" in result.stdout
    ratio = "whisper-jax float32 is 1.50 times faster-whisper int8"
    assert ratio in result.stdout.splitlines()
    assert f"- {ratio}" in invoke(clip, "--markdown").stdout.splitlines()


def test_a_manifest_gives_recordings_and_references(bench: Bench, clip: Path, tmp_path: Path):
    row = {"path": clip.name, "set": "s", "language": "en", "text": "Hello.", "duration_s": 2}
    manifest = tmp_path / "m.jsonl"
    manifest.write_text(json.dumps(row))
    options = ("--manifest", manifest, "--sets", "s", "--workload", "short")
    result = invoke(*options, "--json", tmp_path / "out.jsonl")
    assert result.exit_code == 0, result.stderr
    assert bench.plans[0].recordings[0].reference == "Hello."
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["limits", "measurement", "measurement"]
    assert {line["workload"] for line in lines} == {"short"}
    assert {line["manifest"] for line in lines} == {str(manifest)}


def test_the_limits_alone_need_no_recordings(bench: Bench):
    result = invoke("--limits-only")
    assert result.exit_code == 0
    assert bench.plans[0].recordings == ()
    assert "minutes of audio" not in result.stdout


@pytest.mark.parametrize("what", ["problems", "failed"])
def test_what_failed_is_named_after_the_tables(bench: Bench, clip: Path, what: str):
    setattr(bench, what, ("faster-whisper: no network",))
    result = invoke(clip)
    assert result.exit_code == 1
    assert "times real time" in result.stdout
    assert "faster-whisper: no network\n" in result.stderr
    assert result.stderr.startswith("failed: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "one of the two"),
        (("a.wav", "--manifest", "m.jsonl"), "one of the two"),
        (("a.wav", "--sets", "x"), "give --manifest"),
        (("a.wav", "--workload", "short"), "give --manifest"),
        (("--manifest", "m.jsonl", "--language", "en"), "--language is for files"),
        (("gone.wav",), "no file gone.wav"),
        (("a.wav", "--compute-type", "int4"), "no compute type int4"),
        (("a.wav", "--against", "nobody"), "no peer 'nobody'"),
        (("a.wav", "--threads", "100000"), "this process may use"),
        (("a.wav", "--runs", "0"), "runs"),
        (("a.wav", "--beam-size", "33"), "beam_size is 33"),
        (("a.wav", "--beam-size", "5", "--defaults"), "give one of the two"),
        (("a.wav", "--batch-sizes", "1,x"), "batch_sizes is '1,x'"),
        (("a.wav", "--batch-sizes", "0,1"), "batch_sizes is 0"),
        (("a.wav", "--repeat", "0"), "repeat"),
        (("a.wav", "--minutes", "2"), "--headline"),
        (("a.wav", "--headline"), "give --manifest and no files"),
        (("--limits-only", "--headline"), "give one of them"),
        (("a.wav", "--plot", "a.jpg"), "give a .png file"),
        (("a.wav", "--plot", "/nowhere/at/all.png"), "give a .png file"),
        (("a.wav", "--compare", "none.jsonl"), "no file of earlier runs"),
        (
            ("a.wav", "--against", "faster-whisper", "--peer-compute-types", "f32"),
            "float32 or int8",
        ),
        (("a.wav", "--long-form", "both"), "long_form is 'both'"),
        (("a.wav", "--json", "/nowhere/at/all.jsonl"), "no folder /nowhere/at"),
        (("a.wav", "--model", "english", "--language", "zh"), "english knows no zh"),
    ],
)
def test_a_mistake_in_the_call_is_exit_code_2(
    bench: Bench,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
):
    monkeypatch.chdir(clip.parent)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_model_that_cannot_be_had_is_exit_code_1(bench: Bench, clip: Path):
    result = invoke(clip, "--model", "unknown")
    assert result.exit_code == 1
    assert result.stderr.startswith("whisper-jax bench: no model 'unknown'")
    assert result.stdout == ""


def test_the_headline_is_three_runs_against_openai_whisper(bench: Bench, tmp_path: Path):
    write_wav(tmp_path / "a.wav", 1, 100)
    row = {"path": "a.wav", "language": "en", "text": "Hello.", "duration_s": 1}
    manifest = tmp_path / "m.jsonl"
    manifest.write_text(json.dumps(row))
    out = tmp_path / "out.jsonl"
    options = ("--headline", "--manifest", manifest, "--minutes", 0.1, "--json", out)
    result = invoke(*options)
    assert result.exit_code == 0, result.stderr
    assert [plan.peers for plan in bench.plans] == [("openai-whisper",)] * 3
    assert [plan.recordings[0].language for plan in bench.plans] == ["en", "en", None]
    assert not any(plan.with_limits for plan in bench.plans)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    names = dict.fromkeys(line["headline"] for line in lines)
    assert list(names) == ["hour", "batch", "languages"]
    again = invoke(*options, "--compare", out)
    assert again.stdout.count("Beside the run of ") == 3


def test_recordings_are_repeated_in_one_call(bench: Bench, clip: Path):
    assert invoke(clip, "--repeat", 3).exit_code == 0
    assert [one.path for one in bench.plans[0].recordings] == [clip] * 3
