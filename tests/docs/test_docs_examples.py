"""Each example runs, and does what its first lines say."""

import json
import runpy
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT

EXAMPLES = ROOT / "examples"
DATA = ROOT / "tests" / "golden" / "data"

pytestmark = pytest.mark.usefixtures("base_folder")


def run(name: str, *arguments: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_a_folder_is_transcribed_and_failures_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    recordings, subtitles = tmp_path / "recordings", tmp_path / "subtitles"
    recordings.mkdir()
    shutil.copy(DATA / "lj.flac", recordings)
    shutil.copy(DATA / "de.mp3", recordings)
    (recordings / "notes.txt").write_text("no recording")
    with pytest.raises(SystemExit) as end:
        run("transcribe_folder.py", recordings, subtitles, monkeypatch=monkeypatch)
    assert end.value.code == 1
    assert sorted(path.name for path in subtitles.iterdir()) == ["de.srt", "lj.srt"]
    assert "00:00:00,000 -->" in (subtitles / "lj.srt").read_text()
    printed = capsys.readouterr().out
    assert "de.mp3 (de) ->" in printed
    assert "failed: notes.txt: " in printed


def test_a_video_has_its_subtitles_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copy(DATA / "jfk.flac", tmp_path / "film.mkv")
    run("subtitle_video.py", tmp_path / "film.mkv", "--language", "en", monkeypatch=monkeypatch)
    assert "ask what you can do" in (tmp_path / "film.srt").read_text()
    assert (tmp_path / "film.vtt").read_text().startswith("WEBVTT\n\n00:00.000 --> ")


def test_segments_come_with_how_far_the_work_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run("stream_segments.py", DATA / "jfk.flac", monkeypatch=monkeypatch)
    assert capsys.readouterr().out.splitlines() == [
        "100%     0.00 s  And so my fellow Americans, ask not what your country can do for you,",
        "100%     8.00 s  ask what you can do for your country.",
        "2 segments in en",
    ]


def test_two_processes_share_the_files_and_the_first_writes_all(tmp_path: Path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    names = ["jfk.flac", "lj.flac", "none.flac"]
    files = [str(DATA / name) for name in names]
    script, texts = EXAMPLES / "transcribe_processes.py", tmp_path / "texts.jsonl"
    # The exit code of each is that of a process of its own.
    running = [
        subprocess.Popen(
            [sys.executable, script, address, "2", str(process), texts, *files],
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in range(2)
    ]
    said = [process.communicate(timeout=300)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    rows = [json.loads(line) for line in texts.read_text().splitlines()]
    assert [row["file"] for row in rows] == files
    assert "ask what you can do for your country" in rows[0]["text"]
    assert "first importance" in rows[1]["text"]
    assert "no such file" in rows[2]["text"].lower()


def test_the_fake_engine_hears_three_windows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run("fake_engine.py", monkeypatch=monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    window = ["-> Read", "-> Encode", "-> Decode", "-> Decode", "-> Progress"]
    assert lines[:-3] == ["-> NextClip", *window * 3, "-> Read"]
    assert lines[-3:] == [
        "  0.0 to  30.0 s: A window of 30 seconds.",
        " 30.0 to  60.0 s: A window of 30 seconds.",
        " 60.0 to  70.0 s: A window of 10 seconds.",
    ]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_are_short_and_tested(path: Path):
    assert len(path.read_text().splitlines()) <= 60
    assert f'"{path.name}"' in Path(__file__).read_text()
