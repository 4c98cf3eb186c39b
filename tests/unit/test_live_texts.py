"""What a live stream has told as a transcript, and what a second look changed."""

from typing import Any

import pytest
from fake_live import FakeLiveStream, speech
from hypothesis import given
from hypothesis import strategies as st

from whisper_jax.cli.live_finish import report
from whisper_jax.stream.collected import Collected
from whisper_jax.stream.difference import difference
from whisper_jax.stream.events import Committed, LiveEvent, SegmentDone, SpeechStarted, Tentative
from whisper_jax.text.units import split_units, unit_key


def told(*seconds: float) -> list[LiveEvent]:
    events: list[LiveEvent] = []
    stream = FakeLiveStream(events.append)
    stream.send(speech(*seconds))
    stream.finish()
    return events


def test_the_transcript_is_what_was_committed_at_any_time():
    collected = Collected("translate")
    text, heard_s = "", 0.0
    for event in told(2.0, 3.0):
        collected.add(event)
        if isinstance(event, Committed):
            text, heard_s = text + event.text, event.heard_s
        assert collected.transcript().text == text
    transcript = collected.transcript()
    assert [(s.id, s.start, s.end) for s in transcript.segments] == [(0, 0, 2.1), (1, 3, 6.1)]
    assert (transcript.language, transcript.task) == ("en", "translate")
    assert transcript.duration >= heard_s


def test_a_segment_under_way_has_its_words_and_no_tentative_text():
    events = told(3.0)
    done = next(i for i, event in enumerate(events) if isinstance(event, SegmentDone))
    assert any(isinstance(event, Tentative) for event in events)
    collected = Collected()
    for event in events[: done - 1]:
        collected.add(event)
    (segment,) = collected.transcript().segments
    assert segment.text == " word0.0 word0.1 word0.2"
    assert (segment.start, segment.end) == (0.0, 3.0)
    assert len(segment.words or ()) == 3
    assert collected.segments == []


def test_segments_without_text_have_no_number():
    empty, spoken = told(1.0), told(1.0)
    collected = Collected()
    for event in empty:
        match event:
            case Committed():
                pass
            case SegmentDone(segment=segment):
                blank: dict[str, Any] = {name: segment[name] for name in segment.keys()}  # noqa: SIM118
                collected.add(SegmentDone(segment=type(segment)(**blank | {"text": " "})))
            case _:
                collected.add(event)
    for event in spoken:
        collected.add(event)
    assert [segment.id for segment in collected.segments] == [0]


def test_segments_may_overlap():
    collected = Collected()
    first, second = told(1.0), told(1.0)
    commit = next(event for event in first if isinstance(event, Committed))
    done = next(event for event in first if isinstance(event, SegmentDone))
    assert len(second) == len(first)
    collected.add(SpeechStarted(segment=0, start_s=0.0))
    collected.add(SpeechStarted(segment=1, start_s=1.0))
    collected.add(commit)
    assert collected.add(done) == done.segment
    assert collected.transcript().text == commit.text


@pytest.mark.parametrize(
    ("before", "after", "language", "changes"),
    [
        (" ask not", " Ask, not!", "en", []),
        (" a b c", " a x c", "en", [(" b", " x")]),
        (" a b", " a b c d", "en", [("", " c d")]),
        ("", " a", "en", [("", " a")]),
        (" a", "", "en", [(" a", "")]),
        ("", "", "en", []),
        ("...", "", "en", []),
        ("你好，世界", "你好世间！", "zh", [("界", "间！")]),
        ("體育", "体育", "zh", []),
        ("مرحبا بكم", "مرحبا بك", "ar", [(" بكم", " بك")]),
    ],
)
def test_what_changed(before: str, after: str, language: str, changes: list[tuple[str, str]]):
    found = difference(before, after, language)
    assert [(part.before, part.after) for part in found.changes] == changes


def test_changes_are_counted_as_words_replaced_left_out_and_added():
    found = difference(" a b c d e", " a x y c e f", "en")
    assert (found.n_changed, found.n_words) == (4, 6)
    assert difference("今天好", "今日好", "zh").n_changed == 1


@given(st.text("abc ,.你好", max_size=30), st.text("abc ,.你好", max_size=30))
def test_parts_are_all_of_both_texts(before: str, after: str):
    for language in ("en", "zh"):
        found = difference(before, after, language)
        key = unit_key(language)
        for text, name in ((before, "before"), (after, "after")):
            joined = "".join(getattr(part, name) for part in found.parts)
            spoken = [key(unit) for unit in split_units(" ".join(text.split()), language)]
            if any(spoken):
                assert "".join(joined.split()) == "".join(text.split())
        for part in found.parts:
            if part.is_same:
                old, new = (
                    [key(unit) for unit in split_units(text.strip(), language) if key(unit)]
                    for text in (part.before, part.after)
                )
                assert old == new


def test_a_person_is_shown_each_change_with_what_stands_around_it():
    found = difference(
        " one two three four five six seven", " one two three four FIVE 6 seven", "en"
    )
    lines = [line.plain for line in report(found)]
    assert lines == [
        "The second pass changed 1 of 7 words.",
        "  two three four FIVE [-six-]{+6+} seven",
    ]
    styles = {span.style for span in report(found)[1].spans}
    assert {"red strike", "green", "dim"} <= styles
