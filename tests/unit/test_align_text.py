"""A given text and a recording put together, on an engine that says what it is told to."""

from itertools import pairwise

import pytest
from fake_whisper import first_second, seconds, whisper
from hypothesis import given, settings
from hypothesis import strategies as st
from letters import at, said, words

from whisper_jax import AlignmentError, OptionError, Transcript
from whisper_jax.programs.passages import Anchor, GivenUnit, HeardUnit, find_anchors, find_passages
from whisper_jax.text.units import split_units, text_lines, unit_key

SPOKEN = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
GIVEN = [*SPOKEN, "well-known", "—", "(so", "it's;"]


def aligned(text: str, spoken: list[str], duration_s: float = 20) -> Transcript:
    """Align a text with a recording whose first window says something else, or the same."""
    tokens = [at(0), *words(" " + " ".join(spoken)), at(20), at(20)] if spoken else []
    with whisper(lambda window, _: said(tokens if first_second(window) == 0 else ())) as model:
        return model.align(seconds(duration_s), text, language="en")


def spelled(transcript: Transcript) -> list[str]:
    return [word.word for segment in transcript.segments for word in segment.words or ()]


def test_each_line_is_a_segment_with_its_words() -> None:
    found = aligned("One two  three,\n\nfour five six\nseven.", SPOKEN[:7])
    assert [segment.text for segment in found.segments] == [
        " One two three,",
        " four five six",
        " seven.",
    ]
    assert spelled(found) == [" One", " two", " three,", " four", " five", " six", " seven."]
    assert [segment.id for segment in found.segments] == [0, 1, 2]
    assert all(word.probability == 1 for segment in found.segments for word in segment.words or ())
    for segment in found.segments:
        assert segment.words
        assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)


def test_a_single_line_has_a_segment_for_each_sentence() -> None:
    assert text_lines('He said "no." Why?  Yes... 3.5 of it') == [
        'He said "no."',
        "Why?",
        "Yes...",
        "3.5 of it",
    ]
    assert text_lines("你好。「是的。」走吧！") == ["你好。", "「是的。」", "走吧！"]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.sampled_from([*SPOKEN, "well-known", "—", "(so", "it's;"]), min_size=4, max_size=40
    ),
    st.lists(st.tuples(st.integers(0, 39), st.sampled_from([*SPOKEN, ""])), max_size=8),
    st.lists(st.integers(0, 39), max_size=4),
)
def test_all_words_come_out_in_order_and_within_the_recording(
    text: list[str], changes: list[tuple[int, str]], breaks: list[int]
) -> None:
    spoken = list(text)
    for place, word in changes:
        if place < len(spoken):
            spoken[place] = word
    written = [f"\n{word}" if place in breaks else word for place, word in enumerate(text)]
    try:
        found = aligned(" ".join(written), [word for word in spoken if word])
    except (AlignmentError, OptionError):
        return
    assert "".join(spelled(found)).split() == text
    assert found.text == "".join(segment.text for segment in found.segments)
    timed = [word for segment in found.segments for word in segment.words or ()]
    assert all(word.start <= word.end for word in timed)
    assert all(left.end <= right.start for left, right in pairwise(timed))
    assert timed[0].start >= 0
    assert timed[-1].end <= found.duration


def test_text_that_is_not_spoken_has_no_probability() -> None:
    absent = ["nothing"] * 30
    found = aligned(" ".join([*SPOKEN[:6], *absent, *SPOKEN[6:]]), SPOKEN)
    timed = [word for segment in found.segments for word in segment.words or ()]
    assert [word.probability for word in timed] == [1.0] * 6 + [0.0] * 30 + [1.0] * 4


@pytest.mark.parametrize(
    ("text", "spoken", "message"),
    [
        ("alpha beta gamma delta epsilon", SPOKEN, "0 of the text's 5 words"),
        (" ".join([*SPOKEN, *["other"] * 90]), SPOKEN, "10 of the text's 100 words"),
        ("one two three", [], "no speech"),
    ],
)
def test_a_text_that_is_not_what_is_said_is_refused(
    text: str, spoken: list[str], message: str
) -> None:
    with pytest.raises(AlignmentError, match=message):
        aligned(text, spoken)


@pytest.mark.parametrize("text", ["", " \n ", "… —"])
def test_a_text_without_words_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="no words"):
        aligned(text, SPOKEN)


def test_a_text_in_changing_languages_is_refused() -> None:
    with (
        whisper(lambda *_: said(())) as model,
        pytest.raises(OptionError, match="one language"),
    ):
        model.align(seconds(5), "one", language="auto")


def test_units_are_the_whole_line() -> None:
    line = "Whisper JAX: 你好 3.5。"
    units = ["Whisper", " JAX", ":", " 你", "好", " 3", ".", "5", "。"]
    assert split_units(line, "zh") == units
    assert split_units("well, so", "en") == [" well,", " so"]
    assert unit_key("de")(" „Straße,“") == "strasse"


def units_of(text: list[str]) -> list[GivenUnit]:
    return [GivenUnit(text=f" {word}", key=word, line=0, n_tokens=1) for word in text]


def heard_of(text: list[str], frames: int) -> list[HeardUnit]:
    return [
        HeardUnit(key=word, start=index * frames, end=index * frames + frames // 2)
        for index, word in enumerate(text)
    ]


def test_single_words_that_agree_by_chance_are_no_anchors() -> None:
    text = ["x"] * 20 + SPOKEN
    heard = ["x", *["y"] * 20, *SPOKEN]
    anchors = find_anchors(units_of(text), heard_of(heard, 50))
    assert [anchor.unit for anchor in anchors] == list(range(20, 30))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.integers(0, 3000), st.integers(1, 200)),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 40),
    st.integers(1, 120),
)
def test_passages_are_all_of_the_text_and_fit_into_windows(
    steps: list[tuple[int, int, int]], n_after: int, n_tokens: int
) -> None:
    anchors: list[Anchor] = []
    unit, frame = -1, 0
    for index, (n_units, pause, length) in enumerate(steps):
        unit, start = unit + n_units, frame + pause
        frame = start + length
        anchors.append(Anchor(unit=unit, heard=index, start=start, end=frame))
    given_units = [
        GivenUnit(text=" ab", key="ab", line=0, n_tokens=n_tokens)
        for _ in range(unit + 1 + n_after)
    ]
    passages = find_passages(given_units, anchors, frame + 100)
    assert passages[0].first_unit == 0
    assert passages[-1].stop_unit == len(given_units)
    assert all(left.stop_unit == right.first_unit for left, right in pairwise(passages))
    assert all(left.stop <= right.start for left, right in pairwise(passages) if right.is_spoken)
    assert all(0 <= passage.start <= passage.stop <= frame + 100 for passage in passages)
    for passage in passages:
        if passage.is_spoken:
            assert passage.stop - passage.start <= 3000
            assert (passage.stop_unit - passage.first_unit) * n_tokens <= 440
