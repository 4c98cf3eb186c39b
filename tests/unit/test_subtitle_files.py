"""SubRip, WebVTT, ASS and LRC, read back by programs that others wrote."""

import html
import re
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import av
import pysubs2
import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import TEXTS
from subtitle_samples import layouts, segment_of, spoken, talk, transcript_of, transcripts

from whisper_jax.formats import SubtitleOptions, make_cues, render
from whisper_jax.formats.cues import line_text
from whisper_jax.formats.marks import runs_right_to_left
from whisper_jax.types import Transcript

type Entry = tuple[int, int, str]

CLEAN = re.compile(r"[<>{}\\&\[\]]|--")
EMBEDDED = "\u202b{}\u202c"


def plain(text: str) -> str:
    """A text without white space, marks of direction and word joiners."""
    text = re.sub(r"[\u202b\u202c\u2060]", "", text)
    return "".join("".join(c for c in text if unicodedata.category(c) != "Cc").split())


def entries(transcript: Transcript, options: SubtitleOptions, tick_ms: int) -> list[Entry]:
    cues = make_cues(transcript, options, tick_ms=tick_ms)
    return [(cue.start_ms, cue.end_ms, plain(cue.text)) for cue in cues]


def by_pysubs2(content: str, name: str) -> list[Entry]:
    events = pysubs2.SSAFile.from_string(content, format_=name)
    return [(event.start, event.end, plain(event.plaintext)) for event in events]


def by_webvtt(content: str) -> list[Entry]:
    def ms(clock: str) -> int:
        hours, minutes, seconds = clock.split(":")
        return round(1000 * (3600 * int(hours) + 60 * int(minutes) + float(seconds)))

    return [
        (ms(caption.start), ms(caption.end), plain(html.unescape(caption.text)))
        for caption in webvtt.from_string(content).captions
    ]


def by_ffmpeg(content: str, name: str) -> list[Entry]:
    found: list[Entry] = []
    with av.open(BytesIO(content.encode()), format=name) as container:
        stream = container.streams.subtitles[0]
        for packet in container.demux(stream):
            if packet.pts is None or packet.time_base is None:
                continue
            start = round(1000 * packet.pts * packet.time_base)
            end = start + round(1000 * (packet.duration or 0) * packet.time_base)
            for subtitle in stream.decode2(packet) or ():
                text = subtitle.dialogue.decode() if subtitle.type == b"ass" else ""
                # FFmpeg's own tags for what other formats say in theirs.
                text = re.sub(r"\{[^}]*\}", "", text).replace("\\N", " ").replace("\\h", " ")
                if plain(text):
                    found.append((start, end, plain(text)))
    return found


READERS: dict[str, list[Callable[[str], list[Entry]]]] = {
    "srt": [lambda text: by_pysubs2(text, "srt"), lambda text: by_ffmpeg(text, "srt")],
    "vtt": [
        by_webvtt,
        lambda text: by_pysubs2(html.unescape(text), "vtt"),
        lambda text: by_ffmpeg(text, "webvtt"),
    ],
    "ass": [lambda text: by_pysubs2(text, "ass"), lambda text: by_ffmpeg(text, "ass")],
    "lrc": [lambda text: by_ffmpeg(text, "lrc")],
}
TICKS = {"srt": 1, "vtt": 1, "ass": 10, "lrc": 10}


def without_marks(transcript: Transcript) -> Transcript:
    """Without what these formats and their readers take for marks, which speech has not."""
    segments = tuple(
        replace(s, text=CLEAN.sub("", s.text), words=None, language="") for s in transcript.segments
    )
    return replace(transcript, segments=segments)


def read_back_equal(transcript: Transcript, options: SubtitleOptions, file_format: str) -> None:
    content = render(transcript, file_format, options)
    written = entries(transcript, options, TICKS[file_format])
    for reader in READERS[file_format]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # empty texts look odd to pysubs2
            read = reader(content)
        if file_format == "lrc":
            # It has no ends: a line stays until the next.
            assert [(start, text) for start, _, text in read] == [(s, t) for s, _, t in written]
        else:
            assert read == written


@pytest.mark.parametrize("file_format", sorted(READERS))
@settings(deadline=None, max_examples=40)
@given(transcripts().map(without_marks), layouts())
def test_others_read_what_was_written(
    file_format: str, transcript: Transcript, options: SubtitleOptions
):
    read_back_equal(transcript, options, file_format)


@pytest.mark.parametrize("file_format", sorted(READERS))
@pytest.mark.parametrize("language", sorted(TEXTS))
def test_every_script(file_format: str, language: str):
    transcript = without_marks(spoken(TEXTS[language], language=language))
    read_back_equal(transcript, SubtitleOptions(max_line_width=32, max_line_count=2), file_format)


@settings(deadline=None, max_examples=50)
@given(transcripts(), st.sampled_from(["srt", "vtt", "ass"]))
def test_highlights_follow_each_other_and_fill_the_cue(transcript: Transcript, file_format: str):
    transcript = without_marks(transcript)
    if file_format == "ass":
        # There, words of these are not marked.
        kept = [s for s in transcript.segments if s.language not in ("ar", "he", "fa")]
        transcript = replace(transcript, segments=tuple(kept))
    options = SubtitleOptions(highlight_words=True)
    read = READERS[file_format][0](render(transcript, file_format, options))
    plain_cues = entries(transcript, options, TICKS[file_format])
    position = 0
    for start, end, text in plain_cues:
        time = start
        while time < end:
            assert (read[position][0], read[position][2]) == (time, text)
            assert read[position][1] > time
            time = read[position][1]
            position += 1
        assert time == end
    assert position == len(read)


HELLO = spoken(" Hello big world", 1.0, 4.0)


def test_highlight_words_underlines_as_openai_whisper_does():
    # What openai-whisper 20250625 writes for these words.
    assert render(HELLO, "srt", SubtitleOptions(highlight_words=True)) == (
        "1\n00:00:01,000 --> 00:00:01,800\n<u>Hello</u> big world\n\n"
        "2\n00:00:01,800 --> 00:00:02,000\nHello big world\n\n"
        "3\n00:00:02,000 --> 00:00:02,800\nHello <u>big</u> world\n\n"
        "4\n00:00:02,800 --> 00:00:03,000\nHello big world\n\n"
        "5\n00:00:03,000 --> 00:00:03,800\nHello big <u>world</u>\n\n"
    )
    assert "00:01.800 --> 00:02.000\nHello big world\n" in render(
        HELLO, "vtt", SubtitleOptions(highlight_words=True)
    )
    assert r"{\u1}Hello{\u0} big world" in render(
        HELLO, "ass", SubtitleOptions(highlight_words=True)
    )


def test_karaoke():
    sung = SubtitleOptions(karaoke=True)
    assert render(HELLO, "vtt", sung) == (
        "WEBVTT\n\n00:01.000 --> 00:03.800\nHello <00:00:02.000>big <00:00:03.000>world\n\n"
    )
    assert render(HELLO, "ass", sung).endswith(
        "Dialogue: 0,0:00:01.00,0:00:03.80,Default,,0,0,0,,{\\k100}Hello {\\k100}big {\\k80}world\n"
    )
    assert render(HELLO, "lrc", sung) == (
        "[00:01.00]<00:01.00>Hello <00:02.00>big <00:03.00>world<00:03.80>\n[00:03.80]\n"
    )
    assert render(HELLO, "lrc") == "[00:01.00]Hello big world\n[00:03.80]\n"


def test_ass_has_no_tags_between_words_that_run_from_right_to_left():
    arabic = spoken(TEXTS["ar"], language="ar")
    for options in (SubtitleOptions(karaoke=True), SubtitleOptions(highlight_words=True)):
        assert render(arabic, "ass", options) == render(arabic, "ass")
        assert "<" in render(arabic, "vtt", options)


@settings(deadline=None, max_examples=50)
@given(transcripts(overlapping=True), layouts())
def test_karaoke_times_rise_and_add_up(transcript: Transcript, options: SubtitleOptions):
    sung = replace(options, karaoke=True)
    cues = make_cues(transcript, sung, tick_ms=10)
    events = pysubs2.SSAFile.from_string(render(transcript, "ass", sung))
    for event, cue in zip(events, cues, strict=True):
        lengths = [int(n) for n in re.findall(r"\{\\k(\d+)\}", event.text)]
        if lengths or not runs_right_to_left(cue.lines):
            assert 10 * sum(lengths) == cue.end_ms - cue.start_ms
    for block in render(transcript, "vtt", sung).split("\n\n")[1:]:
        clocks = re.findall(r"\d\d:\d\d\.\d\d\d", block)
        inside = [clocks[0], *clocks[2:], clocks[1]] if clocks else []
        assert inside == sorted(set(inside))


def test_marks_of_the_formats_in_the_text():
    odd = talk((0, 2, "a --> <b>c</b> & {d} \\Ne"), (2, 3, "[1] x <3"))
    srt, vtt, ass, lrc = (render(odd, name) for name in ("srt", "vtt", "ass", "lrc"))
    assert "a -> <\u2060b>c<\u2060/b> & {d}" in srt
    assert "a --&gt; &lt;b&gt;c&lt;/b&gt; &amp; {d} \\Ne" in vtt
    assert "a --> <b>c</b> & \\{d\\} \\\u2060Ne" in ass
    assert "[00:02.00]\u2060[1] x \u2060<3" in lrc
    assert [text for _, _, text in by_webvtt(vtt)] == ["a--><b>c</b>&{d}\\Ne", "[1]x<3"]
    assert by_ffmpeg(srt, "srt")[0][2].startswith("a-><b>c</b>&")
    assert by_ffmpeg(lrc, "lrc")[1][2] == "[1]x<3"


@pytest.mark.parametrize(
    ("text", "is_embedded"),
    [
        ("مرحبا بكم", False),
        ("مرحبا بكم.", True),
        ("«مرحبا»", True),
        ("نظام Windows جديد", True),
        ("العدد 7 هنا", True),
        ("שלום", False),
        ("Hello (مرحبا).", False),
        ("Hello.", False),
        ("...", False),
    ],
)
def test_lines_right_to_left_keep_their_order_in_every_player(text: str, is_embedded: bool):
    expected = EMBEDDED.format(text) if is_embedded else text
    for name in ("srt", "vtt", "ass", "lrc"):
        content = render(talk((0, 1, text)), name)
        assert expected in content
        assert ("\u202b" in content) == is_embedded


def test_each_line_right_to_left_is_embedded_by_itself():
    text = "مرحبا بكم في البرنامج. نتحدث عن Windows 11 اليوم؟"
    options = SubtitleOptions(max_line_width=28, max_line_count=2)
    content = render(talk((0, 9, text)), "srt", options)
    for line in content.splitlines()[2:4]:
        assert line.startswith("\u202b")
        assert line.endswith("\u202c")


def test_speakers():
    pair = transcript_of(
        segment_of(0, 2, " Hello?", speaker="Speaker 1"),
        segment_of(2, 3, " Yes & no.", speaker="A<B", index=1),
    )
    assert "\nSpeaker 1: Hello?\n" in render(pair, "srt")
    vtt = render(pair, "vtt")
    assert "\n<v Speaker 1>Hello?\n" in vtt
    assert "<v A&lt;B>Yes &amp; no." in vtt
    assert webvtt.from_string(vtt).captions[0].voice == "Speaker 1"
    assert "Default,Speaker 1,0,0,0,,Speaker 1: Hello?\n" in render(pair, "ass")
    assert "[00:00.00]Speaker 1: Hello?\n" in render(pair, "lrc")


def test_two_languages():
    said = transcript_of(segment_of(0, 2, " Guten Tag.", language="de"))
    meant = replace(talk((0, 2, " Good day.")), task="translate")
    assert "\nGuten Tag.\nGood day.\n\n" in render(said, "srt", translation=meant)
    assert "<lang de>Guten Tag.</lang>\n<lang en>Good day.</lang>\n" in render(
        said, "vtt", translation=meant
    )
    assert r"Guten Tag.\N{\rTranslation}Good day." in render(said, "ass", translation=meant)
    assert "[00:00.00]Guten Tag.\n[00:00.00]Good day.\n" in render(said, "lrc", translation=meant)
    for name in ("txt", "tsv", "json"):
        assert "Good" not in render(said, name, translation=meant)


def test_lines_of_a_player_that_wraps_by_itself_are_not_wrapped_twice():
    long = talk((0, 5, "one two three four five six seven"))
    assert "WrapStyle: 0\n" in render(long, "ass")
    broken = render(long, "ass", SubtitleOptions(max_line_width=16))
    assert "WrapStyle: 2\n" in broken
    (cue,) = make_cues(long, SubtitleOptions(max_line_width=16))
    assert r"\N".join(line_text(line) for line in cue.lines) in broken
