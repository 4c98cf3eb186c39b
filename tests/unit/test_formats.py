"""Transcripts as files: the content of each format, files whole or not at all, their names."""

import csv
import html
import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper_jax.errors import OptionError, WhisperJaxError
from whisper_jax.formats import FORMATS, make_cues, output_paths, render, write_transcript
from whisper_jax.types import Retry, Segment, Transcript, Word


def segment_of(start: float, end: float, text: str, index: int = 0) -> Segment:
    return Segment(
        id=index,
        seek=0,
        start=start,
        end=end,
        text=text,
        tokens=(50364, 400, 50564),
        temperature=0.0,
        avg_logprob=-0.25,
        compression_ratio=1.5,
        no_speech_prob=0.125,
    )


def transcript_of(*spans: tuple[float, float, str]) -> Transcript:
    segments = tuple(segment_of(*span, index) for index, span in enumerate(spans))
    return Transcript(
        text="".join(segment.text for segment in segments),
        segments=segments,
        language="de",
        language_probability=0.9,
        duration=segments[-1].end if segments else 0.0,
    )


TALK = transcript_of(
    (0.0, 2.5, " Grüße --> und\tKüsse."),
    (59.9996, 3661.0425, " «日本語» 42 %"),
    (3661.5, 3662, " Ende."),
)
EMPTY = transcript_of()

# What the command of openai-whisper 20250625 writes for the same segments, but for the arrow in
# WebVTT: it writes "->" there too, which is another text.
OPENAI_FILES = {
    "txt": "Grüße --> und\tKüsse.\n«日本語» 42 %\nEnde.\n",
    "srt": (
        "1\n00:00:00,000 --> 00:00:02,500\nGrüße -> und\tKüsse.\n\n"
        "2\n00:01:00,000 --> 01:01:01,042\n«日本語» 42 %\n\n"
        "3\n01:01:01,500 --> 01:01:02,000\nEnde.\n\n"
    ),
    "vtt": (
        "WEBVTT\n\n"
        "00:00.000 --> 00:02.500\nGrüße --&gt; und\tKüsse.\n\n"
        "01:00.000 --> 01:01:01.042\n«日本語» 42 %\n\n"
        "01:01:01.500 --> 01:01:02.000\nEnde.\n\n"
    ),
    "tsv": (
        "start\tend\ttext\n"
        "0\t2500\tGrüße --> und Küsse.\n"
        "60000\t3661042\t«日本語» 42 %\n"
        "3661500\t3662000\tEnde.\n"
    ),
}

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.text("-> \n\r\tab|1:,"),
    st.sampled_from(["a ---> b", "a\n \n2\n00:00 --> 00:01\nb"]),
)
times = st.floats(-1.0, 400_000.0)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    spans = st.tuples(times, times, texts).map(lambda span: (*sorted(span[:2]), span[2]))
    return transcript_of(*draw(st.lists(spans, max_size=5)))


def milliseconds(clock: str) -> int:
    """Of ``[HH:]MM:SS.mmm``, with a comma or a point."""
    match = re.fullmatch(r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)[.,](\d{3})", clock)
    assert match is not None, clock
    hours, minutes, seconds, ms = (int(group or 0) for group in match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms


def read_cues(content: str) -> list[tuple[int, int, str]]:
    """Start, end (ms) and text of subtitles as players read them: a blank line ends a cue."""
    lines = iter(re.split(r"\r\n|\r|\n", content))
    cues: list[tuple[int, int, str]] = []
    for line in lines:
        if "-->" not in line:
            continue
        start, end = line.split(" --> ")
        text: list[str] = []
        for text_line in lines:
            if not text_line:
                break
            assert "-->" not in text_line
            text.append(text_line)
        cues.append((milliseconds(start), milliseconds(end), "\n".join(text)))
    return cues


def without_marks(text: str) -> str:
    """Only what a subtitle may not change: neither white space, arrows nor invisible marks."""
    return re.sub(r"[\s\u2060\u202b\u202c]|-+>", "", text)


def expected_ms(transcript: Transcript) -> list[tuple[int, int]]:
    return [
        (max(0, round(1000 * segment.start)), max(0, round(1000 * segment.end)))
        for segment in transcript.segments
    ]


@pytest.mark.parametrize("file_format", sorted(OPENAI_FILES))
def test_openai_whispers_bytes(file_format: str) -> None:
    assert render(TALK, file_format) == OPENAI_FILES[file_format]


def test_openai_whispers_json() -> None:
    content = render(transcript_of((0.0, 2.5, " Grüße")), "json")
    assert content == (
        '{"text": " Gr\\u00fc\\u00dfe", "segments": [{"id": 0, "seek": 0, "start": 0.0, '
        '"end": 2.5, "text": " Gr\\u00fc\\u00dfe", "tokens": [50364, 400, 50564], '
        '"temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.5, '
        '"no_speech_prob": 0.125, "language": "", "retries": []}], "language": "de", '
        '"language_probabilities": {}}'
    ), "openai-whisper's keys first and in its order"


def test_a_transcript_without_segments() -> None:
    assert render(EMPTY, "txt") == ""
    assert render(EMPTY, "srt") == ""
    assert render(EMPTY, "vtt") == "WEBVTT\n\n"
    assert render(EMPTY, "tsv") == "start\tend\ttext\n"
    assert json.loads(render(EMPTY, "json")) == {
        "text": "",
        "segments": [],
        "language": "de",
        "language_probabilities": {},
    }


@pytest.mark.parametrize("file_format", ["srt", "vtt"])
@settings(deadline=None)
@given(transcripts())
def test_no_text_breaks_out_of_its_cue(file_format: str, transcript: Transcript) -> None:
    read = read_cues(render(transcript, file_format))
    cues = make_cues(transcript)
    assert [(start, end) for start, end, _ in read] == [(c.start_ms, c.end_ms) for c in cues]
    for (_, _, text), cue in zip(read, cues, strict=True):
        text = html.unescape(text) if file_format == "vtt" else text
        assert without_marks(text) == without_marks(cue.text)


@settings(deadline=None)
@given(transcripts())
def test_tsv_reads_back(transcript: Transcript) -> None:
    lines = render(transcript, "tsv").split("\n")
    assert lines.pop() == ""
    rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert rows[0] == ["start", "end", "text"]
    assert [(int(start), int(end)) for start, end, _ in rows[1:]] == expected_ms(transcript)
    for (_, _, text), segment in zip(rows[1:], transcript.segments, strict=True):
        assert text == re.sub(r"\r\n|[\r\n\t]", " ", segment.text.strip())


@settings(deadline=None)
@given(transcripts())
def test_json_reads_back(transcript: Transcript) -> None:
    content = json.loads(render(transcript, "json"))
    assert list(content) == ["text", "segments", "language", "language_probabilities"]
    assert content["text"] == transcript.text
    for read, segment in zip(content["segments"], transcript.segments, strict=True):
        assert (read["start"], read["end"]) == (max(0, segment.start), max(0, segment.end))
        for name in set(segment.keys()) - {"start", "end", "tokens", "retries", "words", "speaker"}:
            assert read[name] == segment[name]
        assert read["tokens"] == list(segment.tokens)


def test_json_has_words_and_speakers_as_openai_whisper_would() -> None:
    word = Word(start=0.0, end=0.5, word=" x", probability=0.5)
    segment = replace(segment_of(0, 1, " x"), words=(word,), speaker="Speaker 1")
    read = json.loads(render(replace(EMPTY, segments=(segment,)), "json"))["segments"][0]
    assert list(read)[-2:] == ["words", "speaker"]
    assert read["words"] == [{"word": " x", "start": 0.0, "end": 0.5, "probability": 0.5}]
    assert list(read["words"][0]) == ["word", "start", "end", "probability"]
    assert read["speaker"] == "Speaker 1"
    without = replace(segment, words=(), speaker=None)
    read = json.loads(render(replace(EMPTY, segments=(without,)), "json"))["segments"][0]
    assert read["words"] == [], "asked for, and there are none"
    assert "speaker" not in read


def test_txt_and_tsv_name_speakers() -> None:
    segments = tuple(replace(s, speaker=f"Speaker {s.id % 2 + 1}") for s in TALK.segments)
    talk = replace(TALK, segments=segments)
    assert render(talk, "txt").splitlines()[1:] == ["Speaker 2: «日本語» 42 %", "Speaker 1: Ende."]
    rows = [line.split("\t") for line in render(talk, "tsv").splitlines()]
    assert [row[3] for row in rows] == ["speaker", "Speaker 1", "Speaker 2", "Speaker 1"]


def test_json_has_no_nan() -> None:
    retry = Retry(temperature=0.0, reason="logprob", value=-math.inf)
    segment = replace(
        segment_of(0, 1, "x"),
        avg_logprob=math.nan,
        compression_ratio=math.inf,
        retries=(retry,),
    )
    read = json.loads(render(replace(EMPTY, segments=(segment,)), "json"))["segments"][0]
    assert (read["avg_logprob"], read["compression_ratio"]) == (None, None)
    assert read["retries"] == [{"temperature": 0.0, "reason": "logprob", "value": None}]


def test_json_has_languages_and_retries() -> None:
    retry = Retry(temperature=0.2, reason="compression_ratio", value=3.5)
    segment = replace(segment_of(0, 1, "x"), language="sv", retries=(retry,))
    probabilities = (("sv", 0.75), ("de", 0.25))
    transcript = replace(EMPTY, segments=(segment,), language_probabilities=probabilities)
    content = json.loads(render(transcript, "json"))
    assert content["segments"][0]["language"] == "sv"
    assert content["segments"][0]["retries"] == [
        {"temperature": 0.2, "reason": "compression_ratio", "value": 3.5}
    ]
    assert list(content["language_probabilities"].items()) == list(probabilities)


MIXED = replace(
    EMPTY,
    segments=(
        replace(segment_of(0, 1, " a < b & c"), language="en"),
        replace(segment_of(1, 2, " 日本 -->", 1), language="ja"),
        replace(segment_of(2, 3, " ?", 2), language=""),
    ),
)


def test_vtt_says_the_language_of_each_text_where_there_are_several() -> None:
    texts = [cue[2] for cue in read_cues(render(MIXED, "vtt"))]
    assert texts == [
        "<lang en>a &lt; b &amp; c</lang>",
        "<lang ja>日本 --&gt;</lang>",
        "?",
    ]
    for file_format in ("srt", "txt", "tsv"):
        assert "<lang" not in render(MIXED, file_format)


def test_vtt_says_no_language_where_all_texts_are_in_one() -> None:
    first = replace(MIXED, segments=MIXED.segments[:1])
    assert read_cues(render(first, "vtt"))[0][2] == "a &lt; b &amp; c"
    translated = replace(MIXED, task="translate")
    assert "<lang" not in render(translated, "vtt"), "a translation is in English throughout"


@pytest.mark.parametrize("file_format", FORMATS)
def test_files_hold_what_is_rendered(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / "new" / "folder" / f"talk.{file_format}"
    for transcript in (EMPTY, TALK):
        write_transcript(transcript, path, file_format)
        assert path.read_bytes() == render(transcript, file_format).encode()
    assert os.listdir(path.parent) == [path.name]
    # As readable as any new file, not private as temporary ones are.
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_lone_surrogate_does_not_cost_the_transcript(tmp_path: Path) -> None:
    write_transcript(transcript_of((0, 1, " a\ud800b")), tmp_path / "x.txt", "txt")
    assert (tmp_path / "x.txt").read_text() == "a?b\n"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "talk.txt"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(WhisperJaxError, match=r"cannot write '.*talk.txt': No space left .*; choo"):
        write_transcript(TALK, path, "txt")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["talk.txt"]


def test_an_interruption_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_transcript(TALK, tmp_path / "talk.txt", "txt")
    assert os.listdir(tmp_path) == []


def test_the_file_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "talk.txt"
    fsync = os.fsync
    seen: list[tuple[bool, int]] = []

    def note(descriptor: int) -> None:
        seen.append((path.exists(), os.fstat(descriptor).st_size))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    write_transcript(TALK, path, "txt")
    assert seen == [(False, len(render(TALK, "txt").encode()))]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.txt").mkdir()
    for path in (tmp_path / "file" / "talk.txt", tmp_path / "folder.txt"):
        with pytest.raises(WhisperJaxError, match=r"cannot write .*; choose another output folder"):
            write_transcript(TALK, path, "txt")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.txt"]


def test_unknown_formats(tmp_path: Path) -> None:
    message = "no format 'doc'; there are: txt, srt, vtt, tsv, json, ass, lrc"
    with pytest.raises(OptionError, match=message):
        render(TALK, "doc")
    with pytest.raises(OptionError, match=message):
        write_transcript(TALK, tmp_path / "x.doc", "doc")
    with pytest.raises(OptionError, match=message):
        output_paths(["x.mp3"], tmp_path, "doc")


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["a/talk.mp3", "b/lecture.part1.wav"], ["talk.srt", "lecture.part1.srt"]),
        (["talk.mp3", "talk.wav", "x.mp3"], ["talk.mp3.srt", "talk.wav.srt", "x.srt"]),
        (["a/talk.mp3", "b/talk.mp3"], ["talk.mp3.srt", "talk.mp3-2.srt"]),
        (["talk.mp3", "TALK.mp3"], ["talk.mp3.srt", "TALK.mp3-2.srt"]),
        (
            ["talk.mp3", "talk.wav", "talk.mp3.ogg"],
            ["talk.mp3.srt", "talk.wav.srt", "talk.mp3-2.srt"],
        ),
        (["https://host/a/my%20talk.mp3?key=1"], ["my talk.srt"]),
        (["http://host/..%2f..%2fetc", "http://host/"], ["etc.srt", "audio.srt"]),
        (["audio", "audio"], ["audio.srt", "audio-2.srt"]),
        ([], []),
    ],
)
def test_names_of_files(names: list[str], files: list[str]) -> None:
    assert output_paths(names, "out", "srt") == [Path("out") / file for file in files]


@settings(deadline=None)
@given(st.lists(st.text("aA./-2%?:", max_size=8) | st.sampled_from(["a.mp3", "a.wav", "a-2.mp3"])))
def test_no_two_recordings_share_a_file(names: list[str]) -> None:
    paths = output_paths(names, "out", "txt")
    assert len(paths) == len(names)
    assert len({str(path).casefold() for path in paths}) == len(names)
    assert all(path.parent == Path("out") and path.name.endswith(".txt") for path in paths)
