"""The command line, with a model that does as it is told in place of a real one."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from whisper_jax.cli.__main__ import main
from whisper_jax.errors import AudioError, EngineError
from whisper_jax.formats import FORMATS
from whisper_jax.types import Segment, Transcript


def transcript(*texts: str, error: AudioError | None = None) -> Transcript:
    segments = tuple(
        Segment(
            id=i,
            seek=0,
            start=2.0 * i,
            end=2.0 * i + 2.0,
            text=f" {text}",
            tokens=(),
            temperature=0.0,
            avg_logprob=-0.1,
            compression_ratio=1.0,
            no_speech_prob=0.0,
        )
        for i, text in enumerate(texts)
    )
    return Transcript(
        text=" ".join(texts),
        segments=segments,
        language="en",
        language_probability=None,
        duration=2.0 * len(texts),
        error=error,
    )


class FakeModel:
    """Answers file names with the transcripts it was given, in the order it was given them."""

    def __init__(self, answers: dict[str, Transcript | BaseException]) -> None:
        self.answers = answers
        self.load: dict[str, Any] = {}
        self.options: dict[str, Any] = {}
        self.cancelled = False
        self.on_segment: Callable[[], None] = lambda: None

    def load_model(self, **load: Any) -> "FakeModel":
        self.load = load
        return self

    def __enter__(self) -> "FakeModel":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def as_completed(
        self, audios: list[str], *, on_progress: Any, cancel: Any, **options: Any
    ) -> Iterator[tuple[int, Transcript]]:
        self.options = options
        for name, answer in self.answers.items():
            index = audios.index(name)
            if isinstance(answer, BaseException):
                if isinstance(answer, KeyboardInterrupt):
                    # What Ctrl-C does to whoever waits for the next result.
                    self.was_cancelled = cancel.is_set
                raise answer
            for segment in answer.segments:
                on_progress(
                    SimpleNamespace(
                        index=index,
                        position_s=segment.end,
                        duration_s=answer.duration,
                        segments=(segment,),
                        language="en",
                        done=False,
                    )
                )
                self.on_segment()
            yield index, answer


type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeModel:
    model = FakeModel({})
    module = ModuleType("whisper_jax.loading")
    vars(module)["load_model"] = model.load_model
    monkeypatch.setitem(sys.modules, "whisper_jax.loading", module)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return model


@pytest.fixture
def run(fake: FakeModel, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line: its exit code, stdout and stderr. Files that the model knows exist."""

    def run(*words: str) -> tuple[int, str, str]:
        for name in fake.answers:
            if "://" not in name:
                Path(name).touch()
        with pytest.raises(SystemExit) as exit_info:
            main(words)
        out, err = capsys.readouterr()
        assert isinstance(exit_info.value.code, int)
        return exit_info.value.code, out, err

    return run


HELLO = "[00:00.000 --> 00:02.000]  hello\n"


@pytest.mark.parametrize("words", [("transcribe", "a.wav"), ("a.wav",), ("--model", "x", "a.wav")])
def test_one_file_is_printed_with_times(fake: FakeModel, run: Run, words: tuple[str, ...]):
    fake.answers = {"a.wav": transcript("hello", "there")}
    assert run(*words) == (0, HELLO + "[00:02.000 --> 00:04.000]  there\n", "")


def test_segments_of_one_file_are_printed_as_they_come(
    fake: FakeModel, run: Run, capsys: pytest.CaptureFixture[str]
):
    fake.answers = {"a.wav": transcript("hello", "there")}
    seen: list[str] = []
    fake.on_segment = lambda: seen.append(capsys.readouterr().out)
    assert run("a.wav") == (0, "", "")
    assert seen == [HELLO, "[00:02.000 --> 00:04.000]  there\n"]


def test_several_files_are_printed_in_their_order_under_their_names(fake: FakeModel, run: Run):
    fake.answers = {"b.wav": transcript("second"), "a.wav": transcript("hello")}
    second = HELLO.replace("hello", "second")
    assert run("a.wav", "b.wav") == (0, f"a.wav\n{HELLO}\nb.wav\n{second}\n", "")


def test_times_beyond_an_hour_have_hours(fake: FakeModel, run: Run):
    late = transcript(*["x"] * 1801)
    fake.answers = {"a.wav": late}
    assert run("a.wav")[1].splitlines()[-1] == "[01:00:00.000 --> 01:00:02.000]  x"


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (["-o", "out"], sorted(f"out/a.{name}" for name in FORMATS)),
        (["-f", "srt"], ["a.srt"]),
        (
            ["-f", "srt, vtt", "--format", "txt", "-o", "x/y"],
            ["x/y/a.srt", "x/y/a.txt", "x/y/a.vtt"],
        ),
        (["--output_format", "txt", "--output_dir=out"], ["out/a.txt"]),
    ],
)
def test_files_are_written_where_asked_and_nothing_printed(
    fake: FakeModel, run: Run, words: list[str], files: list[str]
):
    fake.answers = {"a.wav": transcript("hello")}
    assert run("a.wav", *words) == (0, "", "")
    written = sorted(str(path) for path in Path().rglob("a.*") if path.suffix != ".wav")
    assert written == files
    assert all("hello" in Path(name).read_text() for name in files)


def test_verbose_prints_though_files_are_written(fake: FakeModel, run: Run):
    fake.answers = {"a.wav": transcript("hello")}
    assert run("a.wav", "-f", "txt", "--verbose", "True") == (0, HELLO, "")
    assert run("a.wav", "-f", "txt", "--verbose", "False") == (0, "", "")


def test_a_file_that_fails_is_named_and_the_others_are_done(fake: FakeModel, run: Run):
    fake.answers = {
        "bad.wav": transcript(error=AudioError("no sound")),
        "a.wav": transcript("hello"),
    }
    words = ["a.wav", "missing.wav", "bad.wav"]
    code, out, err = run(*words)
    assert (code, out) == (1, f"a.wav\n{HELLO}\n")
    assert err == "missing.wav: there is no such file\nbad.wav: no sound\n"


def test_no_model_is_loaded_if_no_file_is_there(fake: FakeModel, run: Run):
    assert run("missing.wav") == (1, "", "missing.wav: there is no such file\n")
    assert fake.load == {}


def test_urls_are_left_to_the_model(fake: FakeModel, run: Run):
    fake.answers = {"https://example.org/a.wav": transcript("hello")}
    assert run("https://example.org/a.wav") == (0, HELLO, "")


def test_a_failing_engine_keeps_what_was_done(fake: FakeModel, run: Run):
    fake.answers = {"b.wav": transcript("hello"), "a.wav": EngineError("out of memory")}
    assert run("a.wav", "b.wav") == (1, f"b.wav\n{HELLO}\n", "whisper-jax: out of memory\n")


def test_ctrl_c_keeps_what_was_done(fake: FakeModel, run: Run):
    fake.answers = {"b.wav": transcript("hello"), "a.wav": KeyboardInterrupt()}
    code, out, err = run("a.wav", "b.wav", "-f", "txt", "--verbose")
    assert (code, out) == (130, f"b.wav\n{HELLO}\n")
    assert err == "Stopped: 1 of 2 files are done.\n"
    assert fake.was_cancelled()
    assert Path("b.txt").read_text() == "hello\n"


def test_every_option_of_the_model_reaches_it(fake: FakeModel, run: Run):
    fake.answers = {"a.wav": transcript("hello")}
    code, _, err = run(
        *("a.wav", "--model", "tiny", "--device", "cpu", "--compute-type", "bfloat16"),
        *("--batch-size", "4", "--offline", "--n-devices", "4", "--model-parallel", "2"),
    )
    assert (code, err) == (0, "")
    del fake.load["on_download"]
    assert fake.load == {
        "name": "tiny",
        "device": "cpu",
        "compute_type": "bfloat16",
        "batch_size": 4,
        "n_devices": 4,
        "model_parallel": 2,
        "offline": True,
    }


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--highlight_words True a.wav", "--highlight-words"),
        ("--threads 2 a.wav", "--threads"),
        ("--beam_size 0 a.wav", "beam_size is 0; give 1 to 32"),
        ("--beam_size 2.5 a.wav", "beam_size is 2.5; give int"),
        ("--temperature -1 a.wav", "temperature is (-1.0,); give numbers from 0 to 10"),
        ("--temperature hot a.wav", "temperature is 'hot'"),
        ("--temperature_increment_on_fallback 0 a.wav", "give a number above 0"),
        ("--temperature 0,1 --temperature_increment_on_fallback 0.2 a.wav", "one --temperature"),
        ("--long-form fast a.wav", "long_form is 'fast'; use 'parallel' or 'sequential'"),
        ("--chinese_script new a.wav", "chinese_script is 'new'"),
        ("--vad_filter=maybe a.wav", "--vad-filter is 'maybe'"),
        ("--vad-neg-threshold 0.9 a.wav", "give at most vad_threshold, 0.5"),
        ("--multilingual True a.wav", "--language auto"),
        ("--batched True a.wav", "--long-form parallel"),
        ("--verbose=maybe a.wav", "--verbose is 'maybe'"),
        ("--suppress_blank=maybe a.wav", "--suppress-blank is 'maybe'"),
        ("--suppress_tokens x a.wav", "suppress_tokens is 'x'; give a list of numbers"),
        ("--no_speech_threshold x a.wav", "no_speech_threshold is 'x'; give int or float or None"),
        ("--language klingon a.wav", "no language 'klingon'"),
        ("--task sing a.wav", "task is 'sing'"),
        ("--format doc a.wav", "no format 'doc'"),
        ("--output-dir a.wav/x a.wav", "cannot use a.wav/x"),
        ("--nonsense a.wav", "--nonsense"),
        ("--batch-size 0 a.wav", "batch-size"),
        ("--model tiny", "FILES"),
        ("a.wav .", ". is a folder"),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(
    fake: FakeModel, run: Run, words: str, reason: str
):
    fake.answers = {"a.wav": transcript("hello")}
    code, out, err = run(*words.split())
    assert (code, out) == (2, "")
    assert reason in err
    assert fake.load == {}


def test_help_is_instant_and_version_is_printed(tmp_path: Path):
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def output(*words: str) -> str:
        command = [sys.executable, "-m", "whisper_jax.cli", *words]
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout

    assert output("--version").strip()
    text = output("--help")
    assert all(name in text for name in ("transcribe", "models", "evaluate", "--version"))
    assert "--beam-size" in output("transcribe", "--help")
    # These first runs compiled the bytecode. CPU seconds: others may be busy on this machine.
    for words in (["--help"], ["transcribe", "--help"]):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        output(*words)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 0.3
