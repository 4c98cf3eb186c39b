"""Temperature fallback: which attempts are made at a window, and which text is taken."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import at, said, words
from program_play import of_kind, play

from whisper_jax.programs.rules import attempt_seed
from whisper_jax.requests import Decode, Decoded, Encode, Progress
from whisper_jax.types import Segment

LOOP = " la" * 60


def at_temperature(
    texts: dict[float, tuple[str, float]], no_speech_prob: float = 0.0
) -> Callable[[Encode, Decode], Decoded]:
    """What is heard at each temperature, and its log probability."""

    def hear(_: Encode, decode: Decode) -> Decoded:
        text, logprob = texts[decode.temperature]
        return said([at(0), *words(text), at(2)], logprob, no_speech_prob)

    return hear


def only(segments: tuple[Segment, ...]) -> Segment:
    assert len(segments) == 1
    return segments[0]


def test_a_plausible_text_is_not_tried_again() -> None:
    transcript, asked = play(5, at_temperature({0.0: (" yes", -0.9)}), language="en")
    assert len(of_kind(Decode, asked)) == 1
    segment = only(transcript.segments)
    assert (segment.temperature, segment.retries) == (0.0, ())


def test_temperatures_are_tried_in_order_until_a_text_passes() -> None:
    hear = at_temperature({0.0: (LOOP, -0.1), 0.2: (" um", -1.5), 0.4: (" yes", -0.5)})
    transcript, asked = play(5, hear, language="en")
    assert [decode.temperature for decode in of_kind(Decode, asked)] == [0.0, 0.2, 0.4]
    assert len(of_kind(Encode, asked)) == 1, "a retry asks the same slot"
    segment = only(transcript.segments)
    assert (segment.text, segment.temperature) == (" yes", 0.4)
    assert segment.avg_logprob == pytest.approx(-0.5)
    assert [(retry.temperature, retry.reason) for retry in segment.retries] == [
        (0.0, "compression_ratio"),
        (0.2, "logprob"),
    ]
    assert segment.retries[0].value > 2.4
    assert segment.retries[1].value == pytest.approx(-1.5)


def test_if_all_fail_the_likeliest_that_does_not_loop_is_taken() -> None:
    hear = at_temperature({0.0: (LOOP, -0.1), 0.5: (" two", -1.2), 1.0: (" three", -1.9)})
    transcript, _ = play(5, hear, language="en", temperature=(0.0, 0.5, 1.0))
    segment = only(transcript.segments)
    assert (segment.text, segment.temperature) == (" two", 0.5)
    assert [retry.temperature for retry in segment.retries] == [0.0, 1.0]


def test_if_all_loop_the_likeliest_is_taken() -> None:
    hear = at_temperature({0.0: (LOOP, -0.3), 0.5: (LOOP, -0.2), 1.0: (LOOP, -0.4)})
    transcript, _ = play(5, hear, language="en", temperature=(0.0, 0.5, 1.0))
    assert only(transcript.segments).temperature == 0.5


def test_a_single_temperature_is_tried_once() -> None:
    transcript, asked = play(5, at_temperature({0.0: (LOOP, -3.0)}), language="en", temperature=0)
    assert len(of_kind(Decode, asked)) == 1
    assert LOOP.startswith(only(transcript.segments).text), "as much as can be said in 2 s"


@pytest.mark.parametrize(
    ("options", "n_attempts"),
    [
        ({}, 6),
        ({"logprob_threshold": None}, 6),
        ({"compression_ratio_threshold": None}, 6),
        ({"compression_ratio_threshold": None, "logprob_threshold": None}, 1),
        ({"compression_ratio_threshold": 100.0, "logprob_threshold": -2.0}, 1),
    ],
)
def test_thresholds_can_be_moved_and_switched_off(options: dict, n_attempts: int) -> None:
    def hear(*_: object) -> Decoded:
        return said([at(0), *words(LOOP), at(2)], -1.5)

    _, asked = play(5, hear, language="en", **options)
    assert len(of_kind(Decode, asked)) == n_attempts


def test_silence_is_not_tried_again() -> None:
    hear = at_temperature({0.0: (" um", -1.5)}, no_speech_prob=0.7)
    transcript, asked = play(5, hear, language="en")
    assert len(of_kind(Decode, asked)) == 1
    assert transcript.segments == ()
    # A likely text is kept, however sure the model is of silence; a loop in it is tried again.
    hear = at_temperature({0.0: (LOOP, -0.5), 0.2: (" yes", -0.5)}, no_speech_prob=0.7)
    transcript, _ = play(5, hear, language="en")
    assert only(transcript.segments).text == " yes"
    # Without a threshold of likelihood nothing tells silence from a loop.
    _, asked = play(
        5, lambda *_: said(words(LOOP), -1.5, 0.7), language="en", logprob_threshold=None
    )
    assert len(of_kind(Decode, asked)) == 6
    # Without the threshold there is no silence, and an unlikely text is tried again.
    hear = at_temperature({0.0: (" um", -1.5), 0.2: (" yes", -0.5)}, no_speech_prob=0.7)
    transcript, _ = play(5, hear, language="en", no_speech_threshold=None)
    assert only(transcript.segments).text == " yes"


def test_beams_search_at_temperature_0_and_samples_are_drawn_above_it() -> None:
    hear = at_temperature({0.0: (LOOP, -0.1), 0.2: (" yes", -0.1)})
    options = {"beam_size": 4, "best_of": 3, "patience": 2, "length_penalty": 0.6}
    _, asked = play(5, hear, language="en", **options)
    first, second = of_kind(Decode, asked)
    assert (first.beam_size, first.patience, first.best_of, first.n_rows) == (4, 2.0, 1, 4)
    assert (second.beam_size, second.patience, second.best_of, second.n_rows) == (1, 1.0, 3, 3)
    assert first.length_penalty == second.length_penalty == 0.6
    assert (first.prompt, first.rules) == (second.prompt, second.rules)


def test_seeds_depend_on_seed_window_and_attempt_alone() -> None:
    def hear(window: Encode, decode: Decode) -> Decoded:
        return said([at(0), *words(" no" if decode.temperature < 1 else " yes"), at(30)], -2)

    def seeds(**options: object) -> list[list[int]]:
        _, asked = play(65, hear, language="en", **options)
        decodes = [decode.seed for decode in of_kind(Decode, asked)]
        return [decodes[i : i + 6] for i in (0, 6, 12)]

    found = seeds()
    assert found == seeds(), "nothing else comes in"
    drawn = [seed for window in found for seed in window[1:]]
    assert len(set(drawn)) == 15, "each attempt at each window draws anew"
    assert seeds(seed=1)[0][1] != found[0][1]
    # The second window alone, as another program would have it, draws the same.
    assert seeds(clip_timestamps=(30,))[0] == found[1]


@given(st.integers(0, 2**32 - 1), st.integers(0, 10**9), st.integers(0, 10))
def test_seeds_are_what_an_engine_takes(seed: int, frame: int, attempt: int) -> None:
    assert 0 <= attempt_seed(seed, frame, attempt) < 2**32


def test_seeds_stay_what_they_were() -> None:
    assert attempt_seed(0, 0, 1) == 244_602_362, "the same seed gives the same text for years"


@pytest.mark.parametrize(("threshold", "is_told"), [(0.5, False), (0.6, True), (1.0, True)])
def test_text_of_high_temperatures_is_not_told_to_the_next_window(
    threshold: float, is_told: bool
) -> None:
    def hear(_: Encode, decode: Decode) -> Decoded:
        likely = decode.temperature == 0.6
        return said([at(0), *words(" x"), at(30)], -0.1 if likely else -2)

    _, asked = play(60, hear, language="en", prompt_reset_on_temperature=threshold)
    second = [decode for decode in of_kind(Decode, asked) if decode.temperature == 0][1]
    assert (len(second.prompt) > 3) == is_told


def test_the_last_temperature_tried_decides_what_is_told() -> None:
    hear = at_temperature({0.0: (" x", -1.1), 1.0: (" y", -2.0)})
    transcript, asked = play(31, hear, language="en", temperature=(0.0, 1.0))
    assert transcript.segments[0].temperature == 0.0, "the likeliest was taken"
    third = of_kind(Decode, asked)[2]
    assert len(third.prompt) == 3, "but a window that no temperature could read is not trusted"
    assert len(of_kind(Progress, asked)) == 2
