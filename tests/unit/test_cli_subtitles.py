"""Subtitles on the command line: their layout, and translations beside what is said."""

import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from subtitle_samples import segment_of, talk, transcript_of

from whisper_jax.cli.__main__ import main
from whisper_jax.cli.options import SUBTITLES
from whisper_jax.driver.events import FileProgress
from whisper_jax.errors import AudioError
from whisper_jax.formats import SubtitleOptions
from whisper_jax.types import Transcript

SAID = transcript_of(
    segment_of(0, 4, " Guten Tag, meine Damen und Herren.", language="de"),
    segment_of(4, 6, " Ja.", index=1, language="de"),
)
MEANT = replace(talk((0, 4, " Good day, ladies and gentlemen."), (4, 6, " Yes.")), task="translate")


class BothTasks:
    """A model that says one thing or the other; what it was asked for."""

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.errors: dict[str, AudioError] = {}

    def load_model(self, **_: Any) -> "BothTasks":
        self.tasks.append("load")
        return self

    def __enter__(self) -> "BothTasks":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def as_completed(
        self, audios: list[str], *, on_progress: Any, cancel: Any, task: str, **_: Any
    ) -> Iterator[tuple[int, Transcript]]:
        self.tasks.append(task)
        done = SAID if task == "transcribe" else MEANT
        order = range(len(audios)) if task == "transcribe" else reversed(range(len(audios)))
        for index in order:
            progress = FileProgress(
                index=index,
                position_s=6.0,
                duration_s=6.0,
                segments=done.segments,
                language="de",
                done=False,
            )
            on_progress(progress)
            yield index, replace(done, error=self.errors.get(task))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> BothTasks:
    model = BothTasks()
    module = ModuleType("whisper_jax.loading")
    vars(module)["load_model"] = model.load_model
    monkeypatch.setitem(sys.modules, "whisper_jax.loading", module)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    for name in ("a.wav", "b.wav"):
        Path(name).touch()
    return model


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert isinstance(end.value.code, int)
    return end.value.code


def test_every_option_of_subtitles_can_be_given():
    assert list(SUBTITLES) == [field.name for field in fields(SubtitleOptions)]


@pytest.mark.usefixtures("model")
def test_the_layout_reaches_the_file():
    assert run("a.wav", "--format", "srt", "--min-cue-gap", "0.5", "--max_cue_duration", "3") == 0
    times = [line for line in Path("a.srt").read_text().splitlines() if "-->" in line]
    assert times[0].startswith("00:00:00,000 --> ")
    assert len(times) == 3, "four seconds are divided"
    assert times[-1] == "00:00:04,000 --> 00:00:06,000"


@pytest.mark.usefixtures("model")
def test_openai_whispers_layout_with_the_times_of_words():
    words = "--word_timestamps True --max_line_width 20 --max_line_count 2 --output_format srt"
    assert run("a.wav", *words.split()) == 0
    first = Path("a.srt").read_text().split("\n\n")[0].split("\n")
    assert first[2:] == ["Guten Tag, meine", "Damen und Herren."]
    assert run("a.wav", "-f", "vtt", "--word_timestamps", "True", "--highlight_words", "True") == 0
    assert "<u>Guten</u> Tag" in Path("a.vtt").read_text()


@pytest.mark.usefixtures("model")
def test_formats_share_a_layout():
    assert run("a.wav", "-f", "all", "--max-cue-duration", "3") == 0
    assert Path("a.ass").read_text().count("Dialogue:") == 3
    assert Path("a.lrc").read_text().count("[00:") == 4
    assert Path("a.vtt").read_text().count("-->") == 3
    assert len(Path("a.txt").read_text().splitlines()) == 2


def test_two_languages_with_one_model(model: BothTasks):
    assert run("a.wav", "b.wav", "-f", "srt,txt", "--subtitle_translation", "True") == 0
    assert model.tasks == ["load", "transcribe", "translate"]
    for name in ("a", "b"):
        assert (
            "\nGuten Tag, meine Damen und Herren.\nGood day, ladies and gentlemen.\n\n"
            in Path(f"{name}.srt").read_text()
        )
        assert "Good" not in Path(f"{name}.txt").read_text()


def test_what_is_said_is_printed_once(model: BothTasks, capsys: pytest.CaptureFixture[str]):
    assert run("a.wav", "-f", "srt", "--verbose", "--subtitle-translation") == 0
    assert capsys.readouterr().out.splitlines() == [
        "[00:00.000 --> 00:04.000]  Guten Tag, meine Damen und Herren.",
        "[00:04.000 --> 00:06.000]  Ja.",
    ]
    assert model.tasks.count("load") == 1


def test_a_translation_that_fails_fails_the_file(
    model: BothTasks, capsys: pytest.CaptureFixture[str]
):
    model.errors["translate"] = AudioError("it broke off")
    assert run("a.wav", "-f", "srt", "--subtitle-translation") == 1
    assert "a.wav: it broke off" in capsys.readouterr().err
    assert not Path("a.srt").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("-f srt --max_line_width 40", "--max-line-width needs the times of words; add --word-ti"),
        ("-f all --max_line_count 2", "--max-line-count needs the times of words"),
        ("-f all --max_words_per_line 2", "--max-words-per-line needs the times of words"),
        ("-f srt --highlight_words True", "--highlight-words needs the times of words"),
        ("-f lrc --karaoke", "--karaoke needs the times of words"),
        ("-f srt --karaoke", "--karaoke is for vtt, ass, lrc; add --format vtt"),
        ("-f lrc --highlight-words", "--highlight-words is for srt, vtt, ass; add --format srt"),
        ("-f txt --min-cue-gap 1", "--min-cue-gap is for srt, vtt, ass, lrc; add --format srt"),
        ("--max-cue-duration 1", "--max-cue-duration is for srt, vtt, ass, lrc"),
        ("-f json --subtitle-translation", "--subtitle-translation is for srt, vtt, ass, lrc"),
        ("-f srt --task translate --subtitle-translation", "leave out --task"),
        ("-f srt --max_line_width wide", "max_line_width is 'wide'; give a whole number from 1"),
    ],
)
@pytest.mark.usefixtures("model")
def test_what_cannot_be_had_is_refused(words: str, reason: str, capsys: pytest.CaptureFixture[str]):
    assert run("a.wav", *words.split()) == 2
    assert reason in " ".join(capsys.readouterr().err.split())


def test_openai_whispers_nothing_is_nothing(model: BothTasks):
    assert run("a.wav", "--highlight_words", "False", "--max_line_width", "None") == 0
    assert model.tasks == ["load", "transcribe"]
