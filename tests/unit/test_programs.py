"""The long-form algorithm, window by window, with the answers written by hand."""

from typing import Any

import letters as fake
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import at, said, words
from program_play import EN, PREV, SOT, TRANSCRIBE, of_kind, play

from whisper_jax.audio.units import N_WINDOW_SAMPLES
from whisper_jax.errors import OptionError
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs import transcribe_clips
from whisper_jax.programs.windows import (
    Span,
    clip_ranges,
    fit_into,
    split_window,
    window_read,
    window_samples,
)
from whisper_jax.requests import (
    Decode,
    Decoded,
    DetectLanguage,
    Encode,
    Progress,
    Samples,
)


def test_the_next_window_begins_at_the_last_closed_segment() -> None:
    def hear(window: Encode, _: Decode) -> Decoded:
        if fake.first_second(window) == 0:
            return said([at(0), *words(" one"), at(4), at(4), *words(" two"), at(7.5), at(7.5), 97])
        return said([at(0.5), *words(" three"), at(2)])

    transcript, asked = play(35, hear, language="en")
    starts = [fake.first_second(window) for window in of_kind(Encode, asked)]
    assert starts == [0, 7.5]
    assert [(s.start, s.end, s.text) for s in transcript.segments] == [
        (0, 4, " one"),
        (4, 7.5, " two"),
        (7.5, 9.5, " three"),
    ]
    assert [segment.id for segment in transcript.segments] == [0, 1, 2]
    assert [segment.seek for segment in transcript.segments] == [0, 0, 750]
    assert transcript.text == " one two three"
    assert transcript.duration == 35


@pytest.mark.parametrize(
    ("options", "n_heard"),
    [
        ({"long_form": "sequential"}, [3000, 3000]),
        ({"long_form": "parallel"}, [3000, 1000]),
        ({"long_form": "sequential", "window_padding": 3}, [3000, 1000]),
        ({"long_form": "parallel", "window_padding": 5.5}, [3000, 1500]),
    ],
)
def test_less_than_30_s_are_heard_of_a_short_window(
    options: dict[str, Any], n_heard: list[int]
) -> None:
    def hear(window: Encode, _: Decode) -> Decoded:
        return said([at(0), *words(" a"), at(window.n_frames / 100)])

    _, asked = play(35, hear, language="en", **options)
    assert [window.n_frames for window in of_kind(Encode, asked)] == [3000, 500]
    assert [window.n_heard for window in of_kind(Encode, asked)] == n_heard
    silent = options["long_form"] == "parallel"
    assert [window.silence_after for window in of_kind(Encode, asked)] == [silent, silent]


def test_a_single_last_timestamp_ends_the_window() -> None:
    def hear(window: Encode, _: Decode) -> Decoded:
        return said([at(0), *words(" a"), at(3), at(3), *words(" b"), at(6)])

    _, asked = play(60, hear, language="en")
    assert [fake.first_second(window) for window in of_kind(Encode, asked)] == [0, 30]


def test_a_window_without_timestamps_is_one_segment() -> None:
    transcript, _ = play(12, lambda *_: said(words(" all")), language="en")
    assert [(s.start, s.end, s.text) for s in transcript.segments] == [(0, 12, " all")]


def test_windows_are_told_the_text_before_them() -> None:
    def hear(*_: object) -> Decoded:
        return said([at(0), *words(" x"), at(30)])

    _, asked = play(90, hear, language="en", initial_prompt="hint")
    decodes = of_kind(Decode, asked)
    sot = (SOT, EN, TRANSCRIBE)
    said_once = (at(0), *words(" x"), at(30))
    hint = tuple(words(" hint"))
    assert [decode.prompt for decode in decodes] == [
        (PREV, *hint, *sot),
        (PREV, *hint, *said_once, *sot),
        (PREV, *hint, *said_once, *said_once, *sot),
    ]
    assert all(decode.prompt[decode.sot_index] == SOT for decode in decodes)
    transcript, asked = play(90, hear, language="en", condition_on_previous_text=False)
    assert [decode.prompt for decode in of_kind(Decode, asked)] == [sot] * 3
    assert transcript.text == " x x x"


def test_what_a_program_asks_and_in_which_order() -> None:
    _, asked = play(40, lambda *_: said([at(0), 97, at(30)]), language="en")
    window = ["Read", "Encode", "Decode", "Progress"]
    kinds = [type(request).__name__ for request in asked]
    assert kinds == ["NextClip", *window, *window, "Read"], "the recording ends: no clip is left"


def test_no_more_than_half_the_context_is_told() -> None:
    long_text = [at(0), *words("y" * 150), at(30)]
    _, asked = play(90, lambda *_: said(long_text), language="en", temperature=0)
    longest = of_kind(Decode, asked)[2].prompt
    assert len(longest) == 1 + 223 + 3
    assert longest[1:-3] == tuple((long_text * 2)[-223:])


@pytest.mark.parametrize(
    ("no_speech_prob", "logprob", "is_kept"),
    [(0.7, -1.5, False), (0.7, -0.5, True), (0.5, -1.5, True)],
)
def test_silent_windows_are_skipped_unless_their_text_is_likely(
    no_speech_prob: float, logprob: float, is_kept: bool
) -> None:
    text = [at(0), *words(" um"), at(2)]
    transcript, asked = play(10, lambda *_: said(text, logprob, no_speech_prob), language="en")
    assert transcript.text == (" um" if is_kept else "")
    (progress,) = of_kind(Progress, asked)
    assert progress.position == 160_000, "a skipped window is done too"


def test_thresholds_can_be_switched_off() -> None:
    silent = said([at(0), *words(" um"), at(2)], -0.5, 0.9)
    assert play(5, lambda *_: silent, language="en", no_speech_threshold=None)[0].text == " um"
    assert play(5, lambda *_: silent, language="en", logprob_threshold=None)[0].text == ""


def test_an_english_only_model_asks_nothing_and_takes_no_language() -> None:
    transcript, asked = play(5, lambda *_: said([50_363, 97, 50_400]), n_vocab=51_864)
    assert transcript.language == "en"
    assert not of_kind(DetectLanguage, asked)
    assert of_kind(Decode, asked)[0].prompt == (50_257,)


def test_a_model_without_the_language_says_so_before_anything_is_read() -> None:
    program = transcribe_clips(fake.letter_tokenizer(51_864), TranscribeOptions(language="de"))
    with pytest.raises(OptionError, match="English only"):
        next(program)


def test_rules_follow_the_options() -> None:
    _, asked = play(5, lambda *_: said([97]), language="en")
    rules = of_kind(Decode, asked)[0].rules
    assert {50_257 + n for n in (1, 101, 102, 103, 104, 105)} <= set(rules.suppress)
    assert rules.timestamps
    assert rules.max_initial_timestamp_index == 50
    assert rules.suppress_first == (32, 50_257)
    _, asked = play(
        5,
        lambda *_: said([97]),
        language="en",
        suppress_tokens=(5,),
        suppress_blank=False,
        without_timestamps=True,
        max_initial_timestamp=None,
    )
    decode = of_kind(Decode, asked)[0]
    assert decode.prompt[-1] == 50_363, "<|notimestamps|>"
    assert {token for token in decode.rules.suppress if token < 50_257} == {5}
    assert decode.rules.suppress_first == ()
    assert not decode.rules.timestamps
    assert decode.rules.max_initial_timestamp_index is None


def test_clips_and_chunk_length_bound_the_windows() -> None:
    def hear(*_: object) -> Decoded:
        return said([at(0), 97, at(1)])

    transcript, asked = play(100, hear, language="en", clip_timestamps=(5, 12.5, 40, 80))
    windows = of_kind(Encode, asked)
    sizes = [(fake.first_second(window), window.n_frames) for window in windows]
    assert sizes == [(5, 750), (40, 3000), (70, 1000)]
    assert [segment.start for segment in transcript.segments] == [5, 40, 70]
    _, asked = play(25, hear, language="en", chunk_length=10)
    assert [window.n_frames for window in of_kind(Encode, asked)] == [1000, 1000, 500]


def test_a_clip_beyond_the_end_adds_nothing_to_the_duration() -> None:
    hear = said([at(0), 97, at(1)])
    transcript, _ = play(3, lambda *_: hear, language="en", clip_timestamps=(0, 2, 40))
    assert (transcript.text, transcript.duration) == ("a", 2)


@pytest.mark.parametrize("language", ["en", "auto", None])
def test_a_clip_without_a_frame_does_not_end_the_recording(language: str | None) -> None:
    hear = said([at(0), 97, at(1)])
    clips = (1.001, 1.002, 2, 3)
    transcript, _ = play(10, lambda *_: hear, language=language, clip_timestamps=clips)
    assert [segment.start for segment in transcript.segments] == [2]


def test_segments_without_text_or_length_are_left_out_and_prompt_nothing() -> None:
    def hear(window: Encode, _: Decode) -> Decoded:
        if fake.first_second(window) == 0:
            return said([at(0), *words("  "), at(2), at(2), *words(" x"), at(4)])
        return said([at(0), 97, at(1)])

    transcript, asked = play(40, hear, language="en")
    assert [(s.id, s.text) for s in transcript.segments] == [(0, " x"), (1, "a")]
    assert of_kind(Decode, asked)[1].prompt[1:-3] == (at(2), *words(" x"), at(4))


def test_the_loudest_level_is_carried_from_window_to_window() -> None:
    _, asked = play(65, lambda *_: said([at(0), 97, at(30)]), language="en")
    assert [window.peak for window in of_kind(Encode, asked)] == [-np.inf, 1.0, 2.0]


@pytest.mark.parametrize("duration_s", [0, 0.005])
def test_a_recording_shorter_than_a_frame_is_an_empty_transcript(duration_s: float) -> None:
    transcript, asked = play(duration_s, lambda *_: said([97]))
    assert (transcript.text, transcript.segments, transcript.language) == ("", (), "")
    assert not of_kind(Encode, asked)


@given(st.integers(0, 5000), st.integers(0, 4000), st.integers(1, 3000))
def test_windows_hold_their_frames_and_margins(seek: int, n_total: int, want: int) -> None:
    audio = np.arange(1, n_total * 160 + 80, dtype=np.float32)
    read = window_read(seek, want)
    start = max(0, read.start)
    found = Samples(start=start, samples=audio[start : read.stop], ended=True)
    cut, n_frames = window_samples(found, seek, want)
    assert n_frames == min(want, max(0, n_total - seek))
    assert len(cut) <= min(N_WINDOW_SAMPLES, n_frames * 160 + 240)
    if n_frames:
        body = cut[200 : 200 + n_frames * 160]
        np.testing.assert_array_equal(body, audio[seek * 160 : (seek + n_frames) * 160])
        before = audio[seek * 160 - 200 : seek * 160] if seek >= 2 else None
        if before is not None:
            np.testing.assert_array_equal(cut[:200], before)
        if seek == 0 and n_total > 2:
            np.testing.assert_array_equal(cut[:200], audio[200:0:-1])


@given(st.lists(st.integers(0, 30) | st.integers(100, 110), max_size=20), st.integers(50, 3000))
def test_splitting_a_window_loses_no_token_before_where_it_moves_on(
    tokens: list[int], n_frames: int
) -> None:
    text = split_window(tokens, 100, n_frames)
    kept = [span.tokens for span in text.spans]
    for span in text.spans:
        assert 0 <= span.start < span.end
        assert span.tokens in [tuple(tokens[i:j]) for i in range(21) for j in range(i, 21)]
    joined = [token for piece in kept for token in piece]
    assert len(joined) <= len(tokens)
    assert 0 < text.n_done <= n_frames
    ends_with_time = len(tokens) > 1 and tokens[-1] >= 100
    assert (text.last_time is None) == (not ends_with_time)
    if ends_with_time:
        assert text.last_time == (tokens[-1] - 100) * 2


def test_a_text_that_breaks_off_is_heard_again_from_its_last_pair() -> None:
    text = split_window([100, 1, 104, 104, 2, 3], 100, 3000)
    assert [(span.start, span.end, span.tokens) for span in text.spans] == [(0, 8, (100, 1, 104))]
    assert (text.n_done, text.last_time) == (8, None)
    text = split_window([100, 1, 104, 104], 100, 3000)
    assert (text.n_done, text.last_time) == (8, 8)
    text = split_window([100, 1, 104], 100, 3000)
    assert (text.n_done, text.last_time) == (3000, 8)
    assert split_window([1, 2], 100, 3000).last_time is None


def test_a_window_without_a_first_timestamp_begins_where_it_begins() -> None:
    text = split_window([1, 104, 104, 2, 110], 100, 3000)
    assert [(span.start, span.end) for span in text.spans] == [(0, 8), (8, 20)]


@pytest.mark.parametrize(
    ("start", "end", "fitted"),
    [(0, 50, (0, 50)), (90, 140, (90, 100)), (120, 160, (98, 100)), (99, 100, (98, 100))],
)
def test_times_in_the_padding_are_brought_into_the_window(
    start: int, end: int, fitted: tuple[int, int]
) -> None:
    (span,) = fit_into([Span(start=start, end=end, tokens=(1,))], 100)
    assert (span.start, span.end) == fitted


def test_clip_ranges() -> None:
    assert clip_ranges(()) == [(0, None)]
    assert clip_ranges((1.5,)) == [(150, None)]
    assert clip_ranges((0, 2, 3, 4.25)) == [(0, 200), (300, 425)]
