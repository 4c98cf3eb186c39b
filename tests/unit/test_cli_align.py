"""``whisper-jax align``, with a model that does as it is told in place of a real one."""

import io
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from subtitle_samples import segment_of, timed_words, transcript_of

from whisper_jax.cli.__main__ import main
from whisper_jax.driver.events import FileProgress
from whisper_jax.errors import AlignmentError, AudioError, EngineError
from whisper_jax.types import Transcript

TEXT = "Good day,\nall of you."


class FakeModel:
    """Gives each word of each line half a second; what it was asked for."""

    def __init__(self) -> None:
        self.loaded: dict[str, Any] = {}
        self.given: tuple[str, str] | None = None
        self.language: str | None = None
        self.cancel = threading.Event()
        self.error: BaseException | None = None

    def load_model(self, **loaded: Any) -> "FakeModel":
        self.loaded = loaded
        return self

    def __enter__(self) -> "FakeModel":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def align(
        self,
        audio: str,
        text: str,
        *,
        language: str | None,
        on_progress: Callable[[FileProgress], None],
        cancel: threading.Event,
    ) -> Transcript:
        self.given, self.language, self.cancel = (audio, text), language, cancel
        if self.error is not None:
            raise self.error
        lines = text.splitlines()
        segments = [
            segment_of(
                2.0 * i,
                2.0 * i + 2,
                f" {line}",
                index=i,
                words=timed_words(f" {line}", 2.0 * i, 2.0 * i + 2, by_character=False),
            )
            for i, line in enumerate(lines)
        ]
        done = transcript_of(*segments)
        for position_s, told in ((1.0, ()), (done.duration, done.segments)):
            progress = FileProgress(
                index=0,
                position_s=position_s,
                duration_s=done.duration,
                segments=told,
                language="en",
                done=bool(told),
            )
            on_progress(progress)
        return done


type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeModel:
    model = FakeModel()
    module = ModuleType("whisper_jax.loading")
    vars(module)["load_model"] = model.load_model
    monkeypatch.setitem(sys.modules, "whisper_jax.loading", module)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    Path("a.wav").touch()
    Path("a.txt").write_text(TEXT)
    return model


@pytest.fixture
def run(fake: FakeModel, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``whisper-jax align``: its exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_info:
            main(["align", *words])
        out, err = capsys.readouterr()
        assert isinstance(exit_info.value.code, int)
        return exit_info.value.code, out, err

    return run


PRINTED = "[00:00.000 --> 00:02.000]  Good day,\n[00:02.000 --> 00:04.000]  all of you.\n"


def test_lines_are_printed_with_their_times(fake: FakeModel, run: Run):
    assert run("a.wav", "a.txt") == (0, PRINTED, "")
    assert fake.given == ("a.wav", TEXT)


@pytest.mark.parametrize(
    "content",
    [TEXT.encode(), TEXT.encode("utf-8-sig"), TEXT.replace("\n", "\r\n").encode("utf-8-sig")],
    ids=["plain", "byte order mark", "carriage returns"],
)
@pytest.mark.parametrize("name", ["a.txt", "-"])
def test_texts_of_files_and_of_standard_input(
    content: bytes, name: str, run: Run, monkeypatch: pytest.MonkeyPatch
):
    Path("a.txt").write_bytes(content if name == "a.txt" else b"another")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))
    assert run("a.wav", name) == (0, PRINTED, "")


def test_options_of_the_model_and_the_language_reach_it(fake: FakeModel, run: Run):
    words = "--model tiny --device cpu --compute-type bfloat16 --batch-size 4 --offline"
    several = "--n-devices 4 --model-parallel 2 --language German"
    assert run("a.wav", "a.txt", *words.split(), *several.split())[0] == 0
    del fake.loaded["on_download"]
    assert fake.loaded == {
        "name": "tiny",
        "device": "cpu",
        "compute_type": "bfloat16",
        "batch_size": 4,
        "n_devices": 4,
        "model_parallel": 2,
        "offline": True,
    }
    assert fake.language == "German"


def test_files_have_words_and_the_layout_asked_for(run: Run):
    words = "-f srt,json -o out --highlight-words --max-words-per-line 2 --verbose"
    assert run("a.wav", "a.txt", *words.split()) == (0, PRINTED, "")
    assert "<u>Good</u> day,\n" in Path("out/a.srt").read_text()
    assert "\n<u>of</u> you.\n" in Path("out/a.srt").read_text()
    found = json.loads(Path("out/a.json").read_text())
    spelled = [word["word"] for segment in found["segments"] for word in segment["words"]]
    assert spelled == [" Good", " day,", " all", " of", " you."]


@pytest.mark.parametrize("error", [AlignmentError("it says something else"), AudioError("cut off")])
def test_what_cannot_be_aligned_is_named_with_the_reason(
    error: Exception, fake: FakeModel, run: Run
):
    fake.error = error
    assert run("a.wav", "a.txt", "-f", "srt") == (1, "", f"a.wav: {error}\n")
    assert not Path("a.srt").exists()


def test_a_failing_engine_is_told(fake: FakeModel, run: Run):
    fake.error = EngineError("the device failed")
    assert run("a.wav", "a.txt") == (1, "", "whisper-jax: the device failed\n")


def test_no_model_is_loaded_for_a_recording_that_is_not_there(fake: FakeModel, run: Run):
    assert run("b.wav", "a.txt") == (1, "", "b.wav: there is no such file\n")
    assert fake.loaded == {}


def test_ctrl_c_stops_the_work(fake: FakeModel, run: Run):
    fake.error = KeyboardInterrupt()
    assert run("a.wav", "a.txt") == (130, "", "Stopped: 0 of 1 files are done.\n")
    assert fake.cancel.is_set()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("a.wav", "TEXTFILE"),
        ("a.wav none.txt", "cannot read the text none.txt"),
        ("a.wav .", "cannot read the text ."),
        ("a.wav utf-16.txt", "utf-16.txt is not text in UTF-8 (byte 0)"),
        ("a.wav blank.txt", "the text to be aligned has no words"),
        ("a.wav /dev/zero", "/dev/zero has more than 16 MB"),
        ("a.wav a.txt --language klingon", "no language 'klingon'"),
        ("a.wav a.txt --language auto", "aligned in one language"),
        ("a.wav a.txt --karaoke", "--karaoke is for vtt, ass, lrc"),
        ("a.wav a.txt --format doc", "no format 'doc'"),
        ("a.wav a.txt --beam-size 5", "--beam-size"),
        (". a.txt", ". is a folder"),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(
    words: str, reason: str, fake: FakeModel, run: Run
):
    Path("utf-16.txt").write_bytes(TEXT.encode("utf-16"))
    Path("blank.txt").write_text(" \r\n\r\n")
    code, out, err = run(*words.split())
    assert (code, out) == (2, "")
    assert reason in err
    assert fake.loaded == {}
