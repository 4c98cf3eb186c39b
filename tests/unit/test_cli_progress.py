"""The progress line, on a terminal that remembers what it was shown."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from types import SimpleNamespace
from typing import Any

import pytest

from whisper_jax.cli.progress import Display, clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Stands for stderr in a `Display` made with `drawn`."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


@contextmanager
def drawn(terminal: Terminal, n_files: int, *, quiet: bool = False) -> Iterator[Display]:
    with redirect_stderr(terminal), Display(n_files, quiet=quiet) as display:
        yield display


def progress(position_s: float, duration_s: float | None) -> Any:
    return SimpleNamespace(position_s=position_s, duration_s=duration_s)


def test_audio_done_speed_and_time_left_are_shown(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
):
    now_s = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    with drawn(terminal, 3) as display:
        display.start_clock("Transcribing")
        now_s[0] += 4
        display.file_failed(2)
        display.transcribed(0, progress(20, 60))
        display.file_done(1, 80)
    # Both files are known: 140 s, of which 100 s took 4 s.
    assert "1:40 of 2:20 · 25.0x · 0:02 left · 2 of 3 files" in terminal.shown


def test_files_not_opened_yet_are_taken_as_average(terminal: Terminal):
    with drawn(terminal, 10) as display:
        display.start_clock("Transcribing")
        display.transcribed(0, progress(20, 60))
        display.transcribed(1, progress(10, 120))
    assert "0:30 of 15:00" in terminal.shown


def test_a_recording_of_unknown_length_shows_what_is_done(terminal: Terminal):
    with drawn(terminal, 1) as display:
        display.start_clock("Transcribing")
        display.transcribed(0, progress(20, None))
    assert re.search(r"Transcribing .* 0:20 · [0-9.]+x *\n?", terminal.shown)
    assert "left" not in terminal.shown


def test_downloads_are_shown_in_megabytes_and_then_the_stage_goes_on(terminal: Terminal):
    def download(done_bytes: int, total_bytes: int | None) -> Any:
        return SimpleNamespace(what="Fetching", done_bytes=done_bytes, total_bytes=total_bytes)

    with drawn(terminal, 1) as display:
        display.stage("Loading base")
        display.downloaded(download(12_300_000, 145_000_000))
    assert "12.3 of 145.0 MB" in terminal.shown
    with drawn(terminal, 1) as display:
        display.stage("Loading tiny")
        display.downloaded(download(145_000_000, 145_000_000))
    assert "Loading tiny" in terminal.shown


def test_the_summary_is_for_people_only(terminal: Terminal, capsys: pytest.CaptureFixture[str]):
    for quiet in (False, True):
        with drawn(terminal, 2, quiet=quiet) as display:
            display.start_clock("Transcribing")
            display.file_done(0, 30)
            display.file_done(1, 30)
            display.summary()
    assert (
        len(re.findall(r"2 files · 1:00 of audio in 0:00 · .* times real time", terminal.shown))
        == 1
    )
    assert capsys.readouterr().out == ""


def test_off_a_terminal_only_problems_are_said(capsys: pytest.CaptureFixture[str]):
    with Display(2) as display:
        display.start_clock("Transcribing")
        display.transcribed(0, progress(20, 60))
        display.note("a note")
        display.problem("a [bold]problem[/bold]")
        display.line("a line")
        display.summary()
    assert capsys.readouterr() == ("a line\n", "a [bold]problem[/bold]\n")


def test_lines_go_to_stdout_even_if_only_stderr_is_a_terminal(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
):
    with drawn(terminal, 1) as display:
        display.line("a line")
    assert capsys.readouterr().out == "a line\n"
    assert "a line" not in terminal.shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")]
)
def test_clock(seconds: float, text: str):
    assert clock(seconds) == text
