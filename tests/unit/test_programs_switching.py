"""``language="auto"``: the language of each stretch of speech."""

from collections.abc import Callable
from itertools import pairwise, product
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import at, first_second, said, words
from program_play import EN, ZH, mostly, of_kind, play

from whisper_jax.programs import Language
from whisper_jax.programs.switching import (
    MIN_PIECE_FRAMES,
    PIECE_PAD_FRAMES,
    SWITCH_COST,
    likeliest_path,
    piece_windows,
    pieces_of,
    stretches_of,
)
from whisper_jax.requests import (
    Clip,
    Decode,
    Decoded,
    DetectLanguage,
    Encode,
    Progress,
    Read,
)


def found(**probabilities: float) -> Language:
    return Language.likeliest({"en": 0.001, "zh": 0.001, "fr": 0.001, **probabilities})


def test_pieces_are_closed_over_the_shortest_silences() -> None:
    half = MIN_PIECE_FRAMES // 2
    lengths, silences = [half, half - 1, half, half - 5, 2 * half], [20, 60, 10, 120]
    spans: list[tuple[int, int]] = []
    for length, silence in zip(lengths, [0, *silences], strict=True):
        start = (spans[-1][1] if spans else 0) + silence
        spans.append((start, start + length))
    # Both pairs are closed, and are too short still: then they are one piece.
    assert pieces_of(spans) == [tuple(spans[:4]), (spans[4],)]
    longer = [(start * 2, stop * 2) for start, stop in spans]
    assert pieces_of(longer) == [tuple(longer[:2]), tuple(longer[2:4]), (longer[4],)]
    assert pieces_of([(5, 9)]) == [((5, 9),)]
    assert pieces_of([]) == []


spans_of_speech = st.lists(st.tuples(st.integers(1, 300), st.integers(1, 300)), max_size=12)


@given(spans_of_speech)
def test_pieces_hold_all_speech_and_enough_of_it(lengths: list[tuple[int, int]]) -> None:
    speech: list[tuple[int, int]] = []
    position = 0
    for silence, length in lengths:
        speech.append((position + silence, position + silence + length))
        position += silence + length
    pieces = pieces_of(speech)
    assert [span for piece in pieces for span in piece] == speech
    if len(pieces) > 1:
        assert all(sum(b - a for a, b in piece) >= MIN_PIECE_FRAMES for piece in pieces)
    if pieces:
        clip = Clip(start=0, stop=position + 100, speech=tuple(speech))
        windows = piece_windows(clip, pieces)
        assert all(0 < stop - start <= 3000 for start, stop in windows)
        assert all(a[1] <= b[0] for a, b in pairwise(windows))


def test_pieces_are_heard_with_a_little_around_them() -> None:
    clip = Clip(start=90, stop=1010, speech=())
    pieces = [((100, 300),), ((310, 600),), ((700, 1000),)]
    assert piece_windows(clip, pieces) == [(90, 305), (305, 620), (680, 1010)]
    assert PIECE_PAD_FRAMES == 20


def switched(n_costs: float) -> Language:
    """A piece in which zh is likelier than en by so many times what a change costs."""
    odds = exp(n_costs * SWITCH_COST)
    return found(en=0.9 / (1 + odds), zh=0.9 * odds / (1 + odds))


def test_a_clear_change_is_followed_and_a_doubtful_one_is_not() -> None:
    clear = found(en=0.99)
    assert likeliest_path([clear, switched(2.1), clear]) == ["en", "zh", "en"]
    assert likeliest_path([clear, switched(1.9), clear]) == ["en", "en", "en"]
    # At an edge a piece has one change to pay for, not two.
    assert likeliest_path([switched(1.1), clear]) == ["zh", "en"]
    assert likeliest_path([clear, switched(0.9)]) == ["en", "en"]
    assert likeliest_path([switched(0.1)]) == ["zh"]


def test_the_model_may_be_certain() -> None:
    certain = Language.likeliest({"en": 0.0, "zh": 1.0, "fr": 0.0})
    unsure = found(en=0.6, zh=0.3)
    assert likeliest_path([unsure, certain, unsure]) == ["zh"] * 3
    assert likeliest_path([found(en=0.9), certain, found(en=0.9)]) == ["en", "zh", "en"]


@given(
    st.lists(
        st.lists(st.floats(0.001, 1), min_size=3, max_size=3).map(
            lambda p: dict(zip("abc", (x / sum(p) for x in p), strict=True))
        ),
        min_size=1,
        max_size=5,
    )
)
def test_the_path_costs_least_of_all(rows: list[dict[str, float]]) -> None:
    def cost(path: tuple[str, ...]) -> float:
        switches = sum(a != b for a, b in pairwise(path))
        return SWITCH_COST * switches - sum(log(r[c]) for r, c in zip(rows, path, strict=True))

    path = likeliest_path([Language.likeliest(row) for row in rows])
    best = min(cost(other) for other in product("abc", repeat=len(rows)))
    assert cost(tuple(path)) == pytest.approx(best)


def test_stretches_adjoin_amid_the_silences() -> None:
    clip = Clip(start=50, stop=2000, speech=())
    pieces = [((100, 400),), ((500, 900), (910, 1000)), ((1200, 1900),)]
    found = stretches_of(clip, pieces, ["en", "en", "zh"])
    assert [(s.start, s.stop, s.language) for s in found] == [(50, 1100, "en"), (1100, 2000, "zh")]
    assert found[0].speech == ((100, 400), (500, 900), (910, 1000))
    (whole,) = stretches_of(clip, pieces, ["zh"] * 3)
    assert (whole.start, whole.stop, len(whole.speech or ())) == (50, 2000, 4)


MIXED = Clip(start=0, stop=2000, speech=((20, 480), (520, 980), (1020, 1480), (1520, 1980)))


def speak_by(*changes: tuple[float, str]) -> Callable[[Encode], dict[str, float]]:
    """The language of the last change before a window's start."""

    def speak(window: Encode) -> dict[str, float]:
        second = first_second(window) + 0.5
        return mostly([code for start, code in changes if start <= second][-1], 0.98)

    return speak


def hear(window: Encode, decode: Decode) -> Decoded:
    code = {EN: "e", ZH: "z"}[decode.prompt[-2]]
    return said([at(0), *words(f" {code}{int(first_second(window))}"), at(window.n_frames / 100)])


def test_each_language_is_a_stretch_of_its_own() -> None:
    speak = speak_by((0, "en"), (10, "zh"))
    transcript, asked = play(20, hear, clips=[MIXED], speak=speak, language="auto")
    assert [(s.start, s.end, s.text, s.language) for s in transcript.segments] == [
        (0, 10, " e0", "en"),
        (10, 20, " z10", "zh"),
    ]
    windows = [(first_second(w), w.n_frames) for w in of_kind(Encode, asked)]
    assert windows[:4] == [(0, 500), (5, 500), (10, 500), (15, 500)], "each piece alone"
    assert windows[4:] == [(0, 1000), (10, 1000)]
    decodes = of_kind(Decode, asked)
    assert [decode.sot_index for decode in decodes] == [0, 0], "no text over a change of language"
    assert [p.language for p in of_kind(Progress, asked)] == ["en", "zh"]
    assert transcript.language_probability is None
    assert transcript.language_probabilities == ()


def test_reading_goes_back_only_where_it_may() -> None:
    _, asked = play(20, hear, clips=[MIXED], speak=speak_by((0, "en")), language="auto")
    reads = of_kind(Read, asked)
    assert [read.peek for read in reads] == [False, True, True, True, False]


def test_one_language_is_one_stretch_with_its_text_carried_on() -> None:
    again = Clip(start=2000, stop=4000, speech=((2020, 2980), (3020, 3980)), is_first=False)
    speak = speak_by((0, "en"))
    transcript, asked = play(40, hear, clips=[MIXED, again], speak=speak, language="auto")
    assert [s.text for s in transcript.segments] == [" e0", " e20"]
    assert of_kind(Decode, asked)[1].sot_index == 1 + len(transcript.segments[0].tokens)
    assert transcript.language == "en"


def test_a_clip_of_one_piece_is_encoded_once() -> None:
    clip = Clip(start=0, stop=500, speech=((20, 480),))
    _, asked = play(5, hear, clips=[clip], speak=speak_by((0, "zh")), language="auto")
    kinds = [type(r) for r in asked if isinstance(r, Encode | DetectLanguage | Decode)]
    assert kinds == [Encode, DetectLanguage, Decode]


def test_a_further_window_of_a_stretch_is_in_its_language() -> None:
    def half(window: Encode, decode: Decode) -> Decoded:
        return said([at(0), *words(" x"), at(2)])

    clip = Clip(start=0, stop=500, speech=((20, 480),))
    transcript, asked = play(5, half, clips=[clip], speak=speak_by((0, "zh")), language="auto")
    assert len(of_kind(DetectLanguage, asked)) == 1
    assert {s.language for s in transcript.segments} == {"zh"}


def test_where_nobody_looked_for_speech_each_window_is_asked() -> None:
    speak = speak_by((0, "en"), (30, "zh"))
    transcript, asked = play(60, hear, speak=speak, language="auto", initial_prompt="hi")
    assert [(s.text, s.language) for s in transcript.segments] == [(" e0", "en"), (" z30", "zh")]
    assert len(of_kind(Encode, asked)) == 2
    assert [decode.sot_index for decode in of_kind(Decode, asked)] == [4, 0]


def test_the_language_with_the_most_seconds_is_the_recordings() -> None:
    speak = speak_by((0, "en"), (5, "zh"))
    transcript, _ = play(20, hear, clips=[MIXED], speak=speak, language="auto")
    assert transcript.language == "zh"
    assert play(0, hear, clips=[MIXED], language="auto")[0].language == ""


def test_speech_is_never_asked_to_be_translated_unasked() -> None:
    speak = speak_by((0, "en"), (10, "zh"))
    _, asked = play(20, hear, clips=[MIXED], speak=speak, language="auto")
    assert {decode.prompt[-1] for decode in of_kind(Decode, asked)} == {50_359}

    def english(window: Encode, decode: Decode) -> Decoded:
        return said([at(0), *words(" x"), at(window.n_frames / 100)])

    options = {"language": "auto", "task": "translate"}
    _, asked = play(20, english, clips=[MIXED], speak=speak, **options)
    assert [decode.prompt[-2:] for decode in of_kind(Decode, asked)] == [
        (EN, 50_358),
        (ZH, 50_358),
    ]


def test_a_recording_that_ends_early_ends_the_program() -> None:
    transcript, asked = play(7, hear, clips=[MIXED], speak=speak_by((0, "en")), language="auto")
    assert [(s.start, s.end) for s in transcript.segments] == [(0, 7)]
    assert len(of_kind(DetectLanguage, asked)) == 2
