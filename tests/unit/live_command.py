"""What runs ``whisper-jax live`` without a model."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from fake_live import FakeLive, FakeLiveStream, speech

from whisper_jax.audio.decode import open_audio
from whisper_jax.cli.__main__ import main
from whisper_jax.types import Transcript


class FakeModel:
    """Is loaded as it is told, and transcribes recordings to a given text."""

    def __init__(self) -> None:
        self.load: dict[str, Any] = {}
        self.recording: Any = None
        self.options: dict[str, Any] = {}
        self.text = " word0.0 word0.1 word1.0"
        self.failure: Exception | None = None

    def load_model(self, **load: Any) -> "FakeModel":
        self.load = load
        if self.failure is not None:
            raise self.failure
        return self

    def __enter__(self) -> "FakeModel":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def transcribe(self, recording: Path, *, on_progress: Any, cancel: Any, **options: Any) -> Any:
        with open_audio(recording) as stream:
            self.recording = np.concatenate(list(stream.blocks()))
        self.options = options
        words = self.text.split()
        return Transcript(
            text=self.text,
            segments=tuple(
                replace(SEGMENT, id=i, text=f" {word}", start=float(i), end=i + 1.0)
                for i, word in enumerate(words)
            ),
            language="en",
            language_probability=None,
            duration=3.0,
        )


def _segment() -> Any:
    found: list[Any] = []
    stream = FakeLiveStream(found.append)
    stream.send(speech(1.0))
    return next(event.segment for event in found if type(event).__name__ == "SegmentDone")


SEGMENT = _segment()


@pytest.fixture
def fake_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeModel:
    fake = FakeModel()
    module = ModuleType("whisper_jax.loading")
    vars(module)["load_model"] = fake.load_model
    monkeypatch.setitem(sys.modules, "whisper_jax.loading", module)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return fake


@pytest.fixture
def fake_live(monkeypatch: pytest.MonkeyPatch) -> FakeLive:
    fake = FakeLive()
    module = ModuleType("whisper_jax.stream.live")
    vars(module)["Live"] = fake
    monkeypatch.setitem(sys.modules, "whisper_jax.stream.live", module)
    return fake


type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_live(fake_model: FakeModel, fake_live: FakeLive, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``whisper-jax live``: its exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_info:
            main(["live", *words])
        out, err = capsys.readouterr()
        code = exit_info.value.code
        assert code is None or isinstance(code, int)
        return code or 0, out, err

    return run
