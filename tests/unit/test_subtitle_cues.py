"""Cues: their limits, their times, where they are broken. In every language and script."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import SPACED, TEXTS, UNSPACED
from subtitle_samples import layouts, segment_of, spoken, talk, transcript_of, transcripts

from whisper_jax.errors import OptionError
from whisper_jax.formats import Cue, SubtitleOptions, make_bilingual_cues, make_cues
from whisper_jax.formats.breaks import ends_no_line, n_characters, starts_no_line, width
from whisper_jax.formats.cues import line_text
from whisper_jax.formats.layout import Line
from whisper_jax.formats.words import segment_words
from whisper_jax.types import Transcript, Word

NEAT = SubtitleOptions(max_line_width=42, max_line_count=2)


def lines_of(cues: Sequence[Cue]) -> list[list[str]]:
    return [[line_text(line) for line in cue.lines] for cue in cues]


def bare(text: str) -> str:
    """A text without white space and control characters."""
    kept = [c for c in text if unicodedata.category(c) not in ("Cc", "Zl", "Zp")]
    return "".join("".join(kept).split())


def hold_times(cues: Sequence[Cue], options: SubtitleOptions) -> None:
    for cue in cues:
        shown_ms = cue.end_ms - cue.start_ms
        assert cue.start_ms >= 0
        assert shown_ms > 0
        assert shown_ms >= 1000 * options.min_cue_duration - 1e-3 or (
            options.max_cue_duration is not None
            and shown_ms >= int(1000 * options.max_cue_duration)
        )
        assert options.max_cue_duration is None or shown_ms <= 1000 * options.max_cue_duration
    for before, after in pairwise(cues):
        assert after.start_ms - before.end_ms >= 1000 * options.min_cue_gap - 1e-3


def hold_lines(lines: Sequence[Line], options: SubtitleOptions) -> None:
    assert options.max_lines is None or len(lines) <= options.max_lines
    for line in lines:
        limit = options.max_line_width
        assert len(line) == 1 or limit is None or width(line_text(line)) <= limit
        words = options.max_words_per_line
        assert words is None or len(line) <= words


@settings(deadline=None, max_examples=200)
@given(transcripts(), layouts())
def test_no_limit_is_broken_and_nothing_is_lost(transcript: Transcript, options: SubtitleOptions):
    cues = make_cues(transcript, options)
    hold_times(cues, options)
    for cue in cues:
        hold_lines(cue.lines, options)
    texts = [line for lines in lines_of(cues) for line in lines]
    assert bare("".join(texts)) == bare(transcript.text)


@settings(deadline=None, max_examples=100)
@given(transcripts(overlapping=True, speakers=True), layouts())
def test_speech_of_two_at_once(transcript: Transcript, options: SubtitleOptions):
    cues = make_cues(transcript, options)
    hold_times(cues, options)
    for speaker in ("Speaker 1", "Speaker 2"):
        said = "".join(s.text for s in transcript.segments if s.speaker == speaker)
        shown = "".join(cue.text for cue in cues if cue.speaker == speaker)
        assert Counter(bare(shown)) == Counter(bare(said))


@settings(deadline=None, max_examples=100)
@given(transcripts(overlapping=True), transcripts(overlapping=True), layouts())
def test_two_languages_side_by_side(
    transcript: Transcript, translation: Transcript, options: SubtitleOptions
):
    translation = replace(translation, language="xx")
    cues = make_bilingual_cues(transcript, translation, options)
    hold_times(cues, options)
    for cue in cues:
        hold_lines(cue.lines, options)
        hold_lines(cue.translation, options)
        assert cue.lines or cue.translation
    assert Counter(bare("".join(cue.text for cue in cues))) == Counter(bare(transcript.text))
    below = "".join(line_text(line) for cue in cues for line in cue.translation)
    assert Counter(bare(below)) == Counter(bare(translation.text))


@settings(deadline=None)
@given(transcripts(), layouts())
def test_a_fast_cue_stays_until_the_next_one(transcript: Transcript, options: SubtitleOptions):
    cues = make_cues(transcript, options)
    if options.max_reading_speed is None:
        return
    for index, cue in enumerate(cues):
        n = sum(n_characters(line_text(line)) for line in cue.lines)
        shown_ms = cue.end_ms - cue.start_ms
        is_slow = 1000 * n / shown_ms <= options.max_reading_speed * 1.001
        is_longest = options.max_cue_duration is not None and shown_ms >= int(
            1000 * options.max_cue_duration
        )
        next_ms = cues[index + 1].start_ms if index + 1 < len(cues) else float("inf")
        assert is_slow or is_longest or next_ms - cue.end_ms < 1000 * options.min_cue_gap + 1


@pytest.mark.parametrize("language", sorted(SPACED))
@pytest.mark.parametrize("columns", [1, 10, 20, 42])
def test_never_inside_a_word(language: str, columns: int):
    options = SubtitleOptions(max_line_width=columns, max_line_count=2, max_cue_duration=3)
    cues = make_cues(spoken(SPACED[language], language=language), options)
    words = [word for lines in lines_of(cues) for line in lines for word in line.split()]
    assert words == SPACED[language].split()


@pytest.mark.parametrize("language", sorted(UNSPACED))
@pytest.mark.parametrize("columns", [2, 8, 16, 26, 32])
def test_lines_of_scripts_without_spaces(language: str, columns: int):
    options = SubtitleOptions(max_line_width=columns, max_line_count=2)
    cues = make_cues(talk((0, 20, UNSPACED[language])), options)
    lines = [line for lines in lines_of(cues) for line in lines]
    assert "".join(lines).replace(" ", "") == UNSPACED[language].replace(" ", "")
    assert max(map(len, lines)) < 60, "the whole is not one word"
    for line in lines:
        assert not starts_no_line(line[0]), line
        assert not ends_no_line(line[-1]), line


@pytest.mark.parametrize("language", sorted(UNSPACED))
def test_words_with_times_are_not_parted_though_no_space_shows_them(language: str):
    text = bare(UNSPACED[language])
    pairs = [text[i : i + 2] for i in range(0, len(text), 2)]
    words = tuple(
        Word(start=0.5 * i, end=0.5 * i + 0.5, word=pair, probability=1.0)
        for i, pair in enumerate(pairs)
    )
    segment = segment_of(0, len(pairs) / 2, text, language=language, words=words)
    cues = make_cues(transcript_of(segment), SubtitleOptions(max_line_width=8, max_line_count=1))
    position = 0
    for lines in lines_of(cues):
        assert position % 2 == 0
        position += len("".join(lines))
    assert position == len(text)


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), layouts())
def test_any_text_at_all(text: str, options: SubtitleOptions):
    cues = make_cues(talk((0, 5, text)), options)
    hold_times(cues, options)
    for cue in cues:
        hold_lines(cue.lines, options)
    shown = "".join(cue.text for cue in cues)
    assert bare(shown).replace("\u200b", "") == bare(text).replace("\u200b", "")


def test_a_word_that_is_a_whole_text_is_parted_all_the_same():
    cues = make_cues(spoken(bare(UNSPACED["zh"])), SubtitleOptions(max_line_width=20))
    assert all(width(line) <= 20 for lines in lines_of(cues) for line in lines)


@settings(deadline=None)
@given(st.sampled_from(sorted(TEXTS)), st.integers(1, 60))
def test_every_language_in_any_width(language: str, columns: int):
    options = SubtitleOptions(max_line_width=columns, max_line_count=2)
    text = TEXTS[language]
    cues = make_cues(talk((0, 30, text)), options)
    assert bare("".join(cue.text for cue in cues)) == bare(text)
    for cue in cues:
        hold_lines(cue.lines, options)


def test_width_counts_columns():
    assert width("abc") == 3
    assert width("日本語。") == 8
    assert width("한국") == 4
    assert width("é") == width("e\u0301") == 1
    assert width("ที่") == 1
    assert width("ＡＢ") == 4
    assert width("\u202babc\u202c") == 3


def test_without_options_a_cue_is_a_segment():
    cues = make_cues(talk((0.5, 2, " One two."), (2, 3.25, " Three."), (5, 5, "  ")))
    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in cues] == [
        (500, 2000, "One two."),
        (2000, 3250, "Three."),
    ]


def test_times_are_those_of_the_words():
    text = " I see. You do not."
    times = [(0.1, 0.3), (0.3, 0.9), (4.0, 4.2), (4.2, 4.4), (4.4, 5.0)]
    words = tuple(
        Word(start=start, end=end, word=word, probability=1.0)
        for (start, end), word in zip(times, [" I", " see.", " You", " do", " not."], strict=True)
    )
    transcript = transcript_of(segment_of(0, 6, text, words=words))
    cues = make_cues(transcript, SubtitleOptions(max_words_per_line=3))
    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in cues] == [
        (100, 900, "I see."),
        (4000, 5000, "You do not."),
    ]


def test_times_are_shared_out_over_characters_where_words_have_none():
    words = segment_words(segment_of(1.0, 2.0, " ab cde fghij"))
    assert [(word.start_ms, word.end_ms) for word in words] == [
        (1000, 1200),
        (1200, 1500),
        (1500, 2000),
    ]


def test_words_that_are_not_the_text_do_not_count():
    words = (Word(start=0.0, end=9.0, word=" something else", probability=1.0),)
    (word,) = segment_words(segment_of(1.0, 2.0, " text", words=words))
    assert (word.text, word.start_ms, word.end_ms) == ("text", 1000, 2000)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("We came, and we saw it all.", ["We came,", "and we saw it all."]),
        ("one two three four five six", ["one two three", "four five six"]),
        ("Yes. It is not the end of it.", ["Yes. It is not", "the end of it."]),
        ("Quoi ? Il a dit : « Non » !", ["Quoi ? Il a dit :", "« Non » !"]),
    ],
)
def test_lines_are_broken_at_clauses_and_of_like_length(text: str, broken: list[str]):
    cues = make_cues(talk((0, 9, text)), SubtitleOptions(max_line_width=20))
    assert lines_of(cues) == [broken]


def test_chinese_and_japanese_break_at_phrases():
    options = SubtitleOptions(max_line_width=26)
    assert lines_of(make_cues(talk((0, 9, "贝弗利大教堂是位于英国英格兰东约克郡")), options)) == [
        ["贝弗利大教堂是位于", "英国英格兰东约克郡"]
    ]
    assert lines_of(make_cues(talk((0, 9, "どこで生れたかとんと見当がつかぬ")), options)) == [
        ["どこで生れたかとんと", "見当がつかぬ"]
    ]


def test_a_pause_is_a_place_to_break():
    words = [" the", " old", " man", " and", " the", " wide", " sea"]
    starts = [0.0, 0.4, 0.8, 1.2, 1.6, 4.0, 4.4]
    timed = tuple(
        Word(start=start, end=start + 0.4, word=word, probability=1.0)
        for start, word in zip(starts, words, strict=True)
    )
    transcript = transcript_of(segment_of(0, 5, "".join(words), words=timed))
    cues = make_cues(transcript, SubtitleOptions(max_line_width=25, max_line_count=1))
    assert lines_of(cues) == [["the old man and the"], ["wide sea"]]


def test_cues_run_on_over_segments_but_not_over_a_pause():
    near = talk((0, 1, " Well,"), (1.4, 3, " I think so."))
    far = talk((0, 1, " Well,"), (3.5, 5, " I think so."))
    assert lines_of(make_cues(near, NEAT)) == [["Well, I think so."]]
    assert lines_of(make_cues(far, NEAT)) == [["Well,"], ["I think so."]]
    by_segment = SubtitleOptions(max_line_width=42)
    assert len(make_cues(near, by_segment)) == 2


def test_max_words_per_line_alone_makes_cues_of_a_line():
    cues = make_cues(spoken(" a b c d e"), SubtitleOptions(max_words_per_line=2))
    assert lines_of(cues) == [["a b"], ["c d"], ["e"]] or len(cues) == 3
    cues = make_cues(spoken(" a b c d e"), SubtitleOptions(max_words_per_line=2, max_line_count=2))
    assert max(len(cue.lines) for cue in cues) == 2


def test_a_speakers_name_has_room_on_the_first_line():
    segment = segment_of(0, 5, "one two three four five", speaker="Speaker 1")
    options = SubtitleOptions(max_line_width=18, max_line_count=2)
    cues = make_cues(transcript_of(segment), options, names_speakers=True)
    assert all(width("Speaker 1: " + cue.text.split("\n")[0]) <= 18 for cue in cues)


def test_a_cue_that_is_interrupted_is_shown_a_second():
    transcript = transcript_of(
        segment_of(0, 5, "I was about to say", speaker="Speaker 1"),
        segment_of(0.2, 3, "no", speaker="Speaker 2", index=1),
    )
    cues = make_cues(transcript)
    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(0, 1000), (1000, 3000)]


def test_a_short_cue_is_shown_longer_and_the_next_one_waits():
    options = SubtitleOptions(min_cue_duration=1.0, min_cue_gap=0.1)
    cues = make_cues(talk((0, 0.2, "a"), (0.5, 3, "b"), (3, 3.5, "c")), options)
    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(0, 1000), (1100, 2900), (3000, 4000)]


def test_a_translation_stands_with_what_it_translates():
    said = talk((0, 4, " Guten Tag, meine Damen."), (4, 6, " Es regnet."), (9, 10, " Ende."))
    meant = talk((0.2, 2, " Good day,"), (2, 4.3, " ladies."), (4.3, 6, " It rains."))
    meant = replace(meant, language="en", task="translate")
    said = replace(said, segments=tuple(replace(s, language="de") for s in said.segments))
    cues = make_bilingual_cues(said, meant)
    assert [(cue.text, [line_text(line) for line in cue.translation]) for cue in cues] == [
        ("Guten Tag, meine Damen.", ["Good day, ladies."]),
        ("Es regnet.", ["It rains."]),
        ("Ende.", []),
    ]
    assert cues[0].translation_language == "en"
    english = replace(said, segments=tuple(replace(s, language="en") for s in said.segments))
    assert not any(cue.translation for cue in make_bilingual_cues(english, meant))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_line_width": 0}, "max_line_width is 0; give a whole number from 1, or None"),
        ({"max_line_count": 2.0}, "max_line_count is 2.0; give a whole number"),
        ({"max_words_per_line": True}, "max_words_per_line is True; give a whole number"),
        ({"highlight_words": 1}, "highlight_words is 1; give True or False"),
        ({"min_cue_duration": -1}, "min_cue_duration is -1; give 0 to 3600"),
        ({"max_cue_duration": float("nan")}, "max_cue_duration is nan; give 0.1 to 3600 or None"),
        ({"max_reading_speed": "x"}, "max_reading_speed is 'x'; give 1 to 1000 or None"),
        ({"min_cue_duration": 3.0, "max_cue_duration": 2.0}, "min_cue_duration, 3.0, is more than"),
        ({"highlight_words": True, "karaoke": True}, "choose one"),
    ],
)
def test_wrong_options(wrong: dict[str, object], message: str):
    with pytest.raises(OptionError, match=message):
        SubtitleOptions(**wrong)  # pyright: ignore[reportArgumentType]
