"""Captions on a terminal, as lines, and as JSON."""

import io
import json

import pytest
from rich.console import Console
from terminal_screen import Screen

from whisper_jax.cli.captions import JsonCaptions, LineCaptions, Status, TerminalCaptions
from whisper_jax.cli.wrapping import fitting_lines, last_break
from whisper_jax.errors import EngineError
from whisper_jax.formats.breaks import width
from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    SpeechStarted,
    SpeechStopped,
    StreamEnded,
    Tentative,
)
from whisper_jax.types import Segment, Word

STATUS = Status(heard_s=62.0, behind_s=1.23, level_db=-20.0, language="en", state="Ctrl-C ends")


def started(number: int = 0, start_s: float = 0.0) -> LiveEvent:
    return SpeechStarted(segment=number, start_s=start_s)


def committed(text: str, number: int = 0) -> LiveEvent:
    word = Word(start=0.0, end=1.0, word=text, probability=0.9)
    return Committed(segment=number, text=text, words=(word,), language="en", heard_s=1.0)


def tentative(text: str, number: int = 0) -> LiveEvent:
    return Tentative(segment=number, text=text, heard_s=1.0)


def done(text: str, number: int = 0, start_s: float = 0.0) -> LiveEvent:
    return SegmentDone(
        segment=Segment(
            id=number,
            seek=0,
            start=start_s,
            end=start_s + 2.0,
            text=text,
            tokens=(),
            temperature=0.0,
            avg_logprob=-0.1,
            compression_ratio=1.0,
            no_speech_prob=0.0,
            language="en",
            words=(),
        )
    )


class Terminal:
    """Captions, and the terminal that they are on."""

    def __init__(self, n_columns: int = 40, n_rows: int = 10, *, has_times: bool = False) -> None:
        self.screen = Screen(n_columns, n_rows)
        self.file = io.StringIO()
        console = Console(
            file=self.file,
            force_terminal=True,
            color_system="standard",
            width=n_columns,
            height=n_rows,
            highlight=False,
            legacy_windows=False,
            _environ={},
        )
        self.captions = TerminalCaptions(console, has_times=has_times)

    def tell(self, *events: LiveEvent) -> Screen:
        for event in events:
            self.captions.tell(event)
        self.captions.show(STATUS)
        return self.draw()

    def draw(self) -> Screen:
        self.screen.write(self.file.getvalue())
        self.file.seek(0)
        self.file.truncate()
        return self.screen


def test_committed_text_is_solid_and_tentative_text_is_not():
    terminal = Terminal()
    screen = terminal.tell(started(), committed(" And so my"), tentative(" fellow Amer"))
    assert screen.lines[0] == "And so my fellow Amer"
    assert screen.tentative() == " fellow Amer"
    assert "1:02 · 1.2 s behind" in screen.lines[1]
    screen = terminal.tell(tentative(" fellow Americans"))
    assert screen.lines[0] == "And so my fellow Americans"
    screen = terminal.tell(committed(" fellow Americans,"))
    assert screen.lines[0] == "And so my fellow Americans,"
    assert screen.tentative() == ""


def test_segments_that_are_done_stay_above_and_the_status_line_goes():
    terminal = Terminal(has_times=True)
    terminal.tell(started(), committed(" One."), done(" One."))
    terminal.tell(started(1, 65.0), committed(" Two", 1), tentative(" and", 1))
    terminal.captions.close()
    assert [line for line in terminal.draw().whole if line] == ["[0:00] One.", "[1:05] Two"]


def test_a_segment_without_text_leaves_nothing():
    terminal = Terminal()
    terminal.tell(started(), tentative(" Thank you."), done(""))
    terminal.captions.close()
    assert not any(terminal.draw().whole)


def test_a_segment_may_begin_before_the_one_before_it_is_done():
    terminal = Terminal()
    screen = terminal.tell(started(), committed(" One"), started(1, 3.0), tentative(" Two", 1))
    assert screen.lines[:2] == ["One", " Two".strip()]
    screen = terminal.tell(committed(" more."), done(" One more."), committed(" Two", 1))
    assert screen.lines[:2] == ["One more.", "Two"]


WORDS = " ".join(f"word{i}" for i in range(60))
CHINESE = "今天天气很好，我们一起去公园散步吧。" * 8
ARABIC = "السلام عليكم ورحمة الله وبركاته، كيف حالكم اليوم؟ " * 4
HINDI = "नमस्ते, आप कैसे हैं? यह एक परीक्षण है। " * 4
THAI = "สวัสดีครับวันนี้อากาศดีมากเราไปเดินเล่นกันเถอะ" * 4


@pytest.mark.parametrize("text", [WORDS, CHINESE, ARABIC, HINDI, THAI, "a" * 200, "😀👍🏽" * 40])
@pytest.mark.parametrize("n_columns", [20, 33])
def test_long_segments_scroll_up_and_lose_nothing(text: str, n_columns: int):
    terminal = Terminal(n_columns, 8)
    terminal.tell(started())
    words = [text[i : i + 7] for i in range(0, len(text), 7)]
    for word, following in zip(words, [*words[1:], ""], strict=True):
        screen = terminal.tell(committed(word), tentative(following))
        assert len(screen.rows) <= 8
    terminal.tell(done(text))
    terminal.captions.close()
    shown = [line for line in terminal.draw().whole if line]
    assert "".join("".join(shown).split()) == "".join(text.split())
    assert all(width(line) <= n_columns for line in shown)
    if " " in text:
        assert " ".join(shown).split() == text.split(), "a word was torn apart"


def test_lines_before_the_last_word_stay_as_they_are():
    for text in (WORDS, CHINESE, ARABIC, THAI):
        for n in range(1, len(text), 5):
            stands = last_break(text[:n])
            lines = [span for span in fitting_lines(text[:n], 20) if span[1] <= stands]
            assert fitting_lines(text, 20)[: len(lines)] == lines


def test_chinese_is_broken_by_its_rules():
    lines = [CHINESE[a:b] for a, b in fitting_lines(CHINESE, 20)]
    assert not any(line[0] in "，。" for line in lines)
    assert max(map(width, lines)) <= 20


def test_marks_stay_with_their_letter_in_a_word_longer_than_a_line():
    text = "e\u0301" * 30
    assert all(text[a] == "e" for a, _ in fitting_lines(text, 7))


def test_nothing_is_drawn_again_if_nothing_has_changed():
    terminal = Terminal()
    terminal.tell(started(), committed(" One"))
    for _ in range(12):
        terminal.captions.show(STATUS)
    terminal.draw()
    terminal.captions.show(STATUS)
    assert terminal.file.getvalue() == ""


def test_a_frame_is_one_write():
    terminal = Terminal()
    terminal.tell(started(), committed(" One"))
    writes: list[str] = []
    terminal.file.write = writes.append  # pyright: ignore
    terminal.captions.tell(tentative(" two"))
    terminal.captions.show(STATUS)
    assert len(writes) == 1


def test_notices_stand_above_the_captions(monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal()
    terminal.tell(started(), committed(" One"))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    terminal.captions.notice("the stream stopped")
    screen = terminal.tell(committed(" more"))
    assert screen.lines[:2] == ["the stream stopped", "One more"]


@pytest.mark.parametrize(("level_db", "last"), [(-90.0, "▁"), (-60.0, "▁"), (0.0, "█")])
def test_the_meter_shows_the_level(level_db: float, last: str):
    terminal = Terminal()
    terminal.captions.show(Status(heard_s=0, behind_s=0, level_db=level_db, language="", state=""))
    assert terminal.draw().lines[0].startswith("▁" * 11 + last + " · 0:00")


def test_lines_are_segments_that_are_done(capsys: pytest.CaptureFixture[str]):
    captions = LineCaptions(has_times=True)
    for event in (started(), committed(" One"), tentative(" two"), done(" One\n two.", 0, 62.0)):
        captions.tell(event)
    for event in (started(1), done("", 1), StreamEnded()):
        captions.tell(event)
    captions.notice("hello")
    captions.show(STATUS)
    captions.close()
    assert capsys.readouterr() == ("[1:02] One two.\n", "hello\n")


def test_json_has_every_event(capsys: pytest.CaptureFixture[str]):
    captions = JsonCaptions()
    stopped = SpeechStopped(segment=0, end_s=1.23456)
    ended = StreamEnded(error=EngineError("it broke"))
    for event in (started(), tentative(" 你"), committed(" One"), stopped, done(" One"), ended):
        captions.tell(event)
    out = capsys.readouterr().out
    assert "你" in out
    found = [json.loads(line) for line in out.splitlines()]
    word = {"word": " One", "start": 0.0, "end": 1.0, "probability": 0.9}
    segment = {"id": 0, "start": 0.0, "end": 2.0, "text": " One", "language": "en", "words": []}
    assert found == [
        {"type": "speech_started", "segment": 0, "start_s": 0.0},
        {"type": "tentative", "segment": 0, "heard_s": 1.0, "text": " 你"},
        {
            "type": "committed",
            "segment": 0,
            "heard_s": 1.0,
            "text": " One",
            "language": "en",
            "words": [word],
        },
        {"type": "speech_stopped", "segment": 0, "end_s": 1.235},
        {"type": "segment_done", "segment": segment},
        {"type": "stream_ended", "error": {"message": "it broke"}},
    ]
