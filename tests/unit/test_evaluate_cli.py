import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

import whisper_jax.bench.peers.texts
import whisper_jax.checkpoints
from whisper_jax.cli.evaluate import evaluate_command
from whisper_jax.errors import AudioError, UnknownModelError
from whisper_jax.evaluate import OURS, EvaluationReport, score_clip
from whisper_jax.types import Transcript

APP = typer.Typer()
APP.command()(evaluate_command)


class FakeModel:
    is_open = True

    def __init__(self):
        self.options: list[dict] = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_open = False

    def transcribe_batch(self, audios, *, on_error, **options):
        assert self.is_open
        assert on_error == "return"
        self.options.append(options)
        return [
            Transcript(
                text="hello there",
                segments=(),
                language=options["language"],
                language_probability=None,
                duration=2.0,
                error=AudioError("no recording") if "broken" in audio.name else None,
            )
            for audio in audios
        ]


@pytest.fixture
def model():
    return FakeModel()


@pytest.fixture
def loaded(monkeypatch, model):
    """What load_model was asked for."""
    calls: list[tuple[str, dict]] = []

    def load_model(name, *, on_download, **options):
        calls.append((name, options))
        if name == "unknown":
            raise UnknownModelError("no model 'unknown'; there are: base")
        return model

    # In place of the module that loads JAX.
    module = SimpleNamespace(load_model=load_model)
    monkeypatch.setitem(sys.modules, "whisper_jax.loading", module)
    yield calls
    assert not calls or calls[-1][0] == "unknown" or not model.is_open


@pytest.fixture
def manifest(tmp_path):
    def row(name, set_name):
        return {"path": name, "set": set_name, "language": "en", "text": "Hello, there!"}

    rows = [row("a.wav", "good"), row("b.wav", "good"), row("broken.wav", "bad")]
    path = tmp_path / "m.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in rows))
    return path


def invoke(*arguments):
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_the_table_goes_to_stdout_and_the_log_to_stderr(manifest, loaded):
    result = invoke(manifest, "--sets", "good")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith("set")
    assert result.stdout.splitlines()[1].split()[:2] == ["good", "2"]
    assert result.stderr == "good (en): 2 clips\n"
    assert loaded == [("base", {"compute_type": "auto", "device": None, "batch_size": None})]


def test_options_reach_the_model(manifest, loaded):
    options = ("--model", "tiny.en", "--compute-type", "bfloat16", "--device", "cpu")
    result = invoke(manifest, *options, "--batch-size", "4", "--sets", "good", "--limit", "1")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split()[:2] == ["good", "1"]
    expected = {"compute_type": "bfloat16", "device": "cpu", "batch_size": 4}
    assert loaded == [("tiny.en", expected)]


def test_markdown_is_printed_if_asked_for(manifest, loaded):
    result = invoke(manifest, "--sets", "good", "--markdown")
    assert result.stdout.startswith("| set | clips |")


def test_a_failed_clip_is_named_and_sets_the_exit_code(manifest, loaded):
    result = invoke(manifest)
    assert result.exit_code == 1
    assert "failed: broken.wav: no recording" in result.stderr
    assert "bad" in result.stdout


def test_json_is_written_whole_even_if_a_clip_failed(manifest, loaded, tmp_path):
    result = invoke(manifest, "--json", tmp_path / "out.json", "--compute-type", "float32")
    assert result.exit_code == 1
    document = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    settings = {"model": "base", "device": None, "compute_type": "float32", "batch_size": None}
    assert document["about"] == {"manifest": str(manifest), **settings}
    (system,) = document["systems"]
    assert system["settings"] == {**settings, "options": {}}
    assert len(system["clips"]) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.jsonl", "out.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sets", "nice"), "no set nice; there are: good, bad"),
        (("--json", "/nowhere/at/all.json"), "no folder /nowhere/at"),
        (("--limit", "0"), "limit"),
        (("--run", "a: beams=5"), "no option beams"),
        (("--run", "a", "--run", "a"), "two systems are called 'a'"),
        (("--run", "a", "--peers-only", "--against", "faster-whisper"), "--peers-only leaves out"),
        (("--peers-only",), "no system"),
        (("--against", "nobody"), "no peer 'nobody'; there are: faster-whisper"),
        (
            ("--against", "openai-whisper", "--against-compute-type", "int8"),
            "computes in 'float32' here",
        ),
        (("--pool", "good"), "'good' is no pool"),
        (("--pool", "all=cv_*"), "the pool 'all' holds no clip"),
        (("--with", "/nowhere/at/all.json"), "is no report"),
    ],
)
def test_a_mistake_in_the_call_is_exit_code_2(manifest, loaded, arguments, message):
    result = invoke(manifest, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert loaded == []


def test_a_missing_manifest_is_exit_code_2(tmp_path, loaded):
    result = invoke(tmp_path / "none.jsonl")
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_a_model_that_cannot_be_had_is_exit_code_1(manifest, loaded):
    result = invoke(manifest, "--model", "unknown")
    assert result.exit_code == 1
    assert "whisper-jax evaluate: no model 'unknown'" in result.stderr
    assert result.stdout == ""


def test_each_run_is_a_column(manifest, loaded, model):
    runs = ("--run", "greedy: beam_size=1, temperature=0", "--run", "usual")
    result = invoke(manifest, "--sets", "good", *runs)
    assert result.exit_code == 0, result.stderr
    header, row = result.stdout.splitlines()[:2]
    assert header.split()[-2:] == ["greedy", "usual"]
    assert row.split()[-2:] == ["0.00", "0.00"]
    assert len(loaded) == 1
    assert model.options == [
        {"beam_size": 1, "temperature": 0, "language": "en"},
        {"language": "en"},
    ]
    assert result.stderr == "greedy\ngood (en): 2 clips\nusual\ngood (en): 2 clips\n"


class FakeTexts:
    """Stands for what a peer writes."""

    def __init__(self, settings, folder):
        assert folder == Path("models/base")
        self.settings = settings
        self.path = Path("texts.jsonl")

    def evaluate(self, clips, *, threads, progress):
        assert threads == 1
        for n_done in range(1, len(clips) + 1):
            progress(n_done, len(clips))
        results = [score_clip(clip, "hello", audio_s=2, seconds=1) for clip in clips]
        return EvaluationReport(name=self.settings.label, clips=tuple(results), is_peer=True)


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.setattr(whisper_jax.bench.peers.texts, "PeerTexts", FakeTexts)
    monkeypatch.setattr(
        whisper_jax.checkpoints, "resolve_model", lambda name, **_: Path("models") / name
    )


@pytest.mark.usefixtures("peers")
def test_peers_stand_beside_ours(manifest, loaded):
    result = invoke(
        *(manifest, "--sets", "good", "--against", "faster-whisper,openai-whisper"),
        *("--against-greedy", "--threads", "1", "--pool", "everything=go*"),
    )
    assert result.exit_code == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[1] == ["everything", "2", "0.07", "4", "WER", "0.00", "50.00", "50.00"]
    assert lines[0][-5:] == [OURS, "faster-whisper", "greedy", "openai-whisper", "greedy"]
    assert ["everything", "WER", OURS, "faster-whisper", "greedy", "-50.00"] in lines
    assert "openai-whisper greedy: looking into texts.jsonl\n" in result.stderr
    assert "openai-whisper greedy: 2 of 2 clips\n" in result.stderr


@pytest.mark.usefixtures("peers")
def test_an_earlier_report_is_put_beside(manifest, loaded, tmp_path):
    report = tmp_path / "peers.json"
    peers = ("--peers-only", "--against", "faster-whisper", "--threads", "1")
    assert invoke(manifest, *peers, "--json", report).exit_code == 0
    assert loaded == []
    result = invoke(manifest, "--sets", "good", "--with", report)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0].split()[-2:] == [OURS, "faster-whisper"]


@pytest.mark.usefixtures("peers", "loaded")
def test_failed_clips_are_named_with_their_system(manifest):
    result = invoke(manifest, "--against", "faster-whisper", "--threads", "1")
    assert result.exit_code == 1
    assert f"failed: {OURS}: broken.wav: no recording" in result.stderr
