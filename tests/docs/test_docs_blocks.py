"""Every code block of the documentation does what the page says."""

import contextlib
import io
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import PAGES, ROOT, Block, blocks, comments

from whisper_jax.cli.__main__ import main

DATA = ROOT / "tests" / "golden" / "data"
# The short recordings of the tests, under the names that the pages use; what a file holds is seen
# by its content, not by its ending.
RECORDINGS = {
    "talk.mp3": "jfk.flac",
    "meeting1.wav": "lj.flac",
    "lecture2.mp3": "lj.flac",
    "interview3.wav": "lj.flac",
    "interview_de.mp3": "de.mp3",
    "long_audio.wav": "zh.mp3",
    "recordings/first.mp3": "lj.flac",
    "recordings/second.mp3": "de.mp3",
}
KINDS = {"python", "sh", "text", "json", ""}
NOTES = re.compile(r"not run: .+|exit code \d+|prints|file: .+|file content: .+")
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the recordings of the pages, which is the current one."""
    for name, clip in RECORDINGS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(DATA / clip, tmp_path / name)
    write_stereo(tmp_path / "call.wav")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_stereo(path: Path) -> None:
    """A second of silence on two channels."""
    import wave

    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.zeros((16_000, 2), np.int16).tobytes())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_are_of_known_kinds(page: Path):
    for block in blocks(page):
        assert block.kind in KINDS, f"{page.name}:{block.line}: ```{block.kind}"
    notes = {block.note for block in blocks(page)}
    for comment in comments(page):
        assert NOTES.fullmatch(comment), f"{page.name}: <!-- {comment} --> means nothing"
        assert comment in notes, f"{page.name}: <!-- {comment} --> is not right before a block"


RUN_PAGES = [
    page
    for page in PAGES
    # README.zh-CN.md has README.md's blocks, to the byte.
    if page.name != "README.zh-CN.md" and any(b.kind in ("python", "sh") for b in blocks(page))
]


@pytest.mark.parametrize("page", RUN_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.usefixtures("base_folder", "recordings")
def test_page_does_what_it_says(page: Path, monkeypatch: pytest.MonkeyPatch):
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if not block.is_run:
            continue
        if (name := block.after("file: ")) is not None:
            Path(name).write_text(block.body)
        elif (name := block.after("file content: ")) is not None:
            assert Path(name).read_text() == block.body, where
        elif block.note == "prints":
            assert printed == block.body, f"{where}: printed is\n{printed}"
        elif block.kind == "python":
            printed = run_python(block, page, names)
        elif block.kind == "sh":
            printed = run_shell(block, where, monkeypatch)
    if "model" in names:
        names["model"].close()


@pytest.mark.usefixtures("base_folder", "recordings")
def test_the_readmes_example_runs_with_a_smaller_model(
    capsys: pytest.CaptureFixture[str],
):
    [block] = [block for block in blocks(ROOT / "README.md") if '"large-v2"' in block.body]
    names: dict[str, Any] = {}
    exec(block.body.replace('"large-v2"', '"base"'), names)
    with names["model"]:
        assert names["result"]["language"] == "zh"
        assert [line[:3] for line in capsys.readouterr().out.splitlines()] == ["en "] * 3


def run_python(block: Block, page: Path, names: dict[str, Any]) -> str:
    """Run a block in the page's names; what it prints."""
    # As many line ends as stand before the block make errors name the page's own lines.
    code = compile("\n" * block.line + block.body, str(page), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, names)
    return out.getvalue()


def run_shell(block: Block, where: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the lines of a block, which are commands of ours; what they print."""
    printed = ""
    lines = block.body.replace("\\\n", " ").splitlines()
    expected = [0] * (len(lines) - 1) + [int(block.after("exit code ") or 0)]
    for line, code in zip(lines, expected, strict=True):
        words = shlex.split(line, comments=True)
        settings = [word for word in words if re.match(r"[A-Z_]+=", word)]
        words = words[len(settings) :]
        if words[0] == "make":
            assert words[1] in TARGETS, f"{where}: the Makefile has no {words[1]}"
            continue
        assert words[0] == "whisper-jax", f"{where}: {line!r} is not run; say so and why"
        with monkeypatch.context() as patch:
            for name, _, value in (setting.partition("=") for setting in settings):
                patch.setenv(name, value)
            actual, output = run_command(words[1:])
        assert actual == code, f"{where}: {line!r} ended with {actual}: {output}"
        printed += output
    return printed


def run_command(words: list[str]) -> tuple[object, str]:
    """Exit code and stdout of a command line."""
    # A real text stream: the program sets how it treats what it cannot encode.
    raw = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(raw, encoding="utf-8")) as out:
        with pytest.raises(SystemExit) as end:
            main(words)
        out.flush()
    return end.value.code or 0, raw.getvalue().decode().replace(os.linesep, "\n")
