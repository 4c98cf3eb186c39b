"""Odd words in silence: which are dropped, and where the next window begins."""

from collections.abc import Callable, Sequence

import letters as fake
import pytest
from letters import at, said, words
from program_play import of_kind, play

from whisper_jax.engine.fake import spread
from whisper_jax.errors import OptionError
from whisper_jax.options import TranscribeOptions
from whisper_jax.requests import Align, Aligned, Clip, Decode, Decoded, Encode
from whisper_jax.types import Transcript

type Times = Sequence[tuple[float, float, float]]
"""Start and end in seconds, and probability, of the words of a window."""


def aligned(times: dict[str, Times]) -> Callable[[Align], Aligned]:
    """Two words of a letter each, and a full stop that holds the pause, a segment."""

    def align(request: Align) -> Aligned:
        text = bytes(request.tokens).decode()
        if text not in times:
            return spread(request)
        starts: list[int] = []
        probabilities: list[float] = []
        for place, (start, end, probability) in enumerate(times[text]):
            n_tokens = 2 + place % 2
            starts += [round(start / 0.02), round(start / 0.02), round(end / 0.02)][:n_tokens]
            probabilities += [probability] * n_tokens
        return Aligned(starts=(*starts, starts[-1]), probabilities=tuple(probabilities))

    return align


def run(
    duration_s: float,
    texts: dict[float, Sequence[int]],
    times: dict[str, Times],
    *,
    threshold: float | None = 2.0,
    clip: Clip | None = None,
) -> tuple[Transcript, list[float]]:
    """The transcript, and where windows began; what a window says goes by its first second."""

    def hear(window: Encode, _: Decode) -> Decoded:
        return said(texts.get(fake.first_second(window), ()))

    transcript, asked = play(
        duration_s,
        hear,
        clips=None if clip is None else [clip],
        align=aligned(times),
        language="en",
        long_form="sequential",
        temperature=0,
        word_timestamps=True,
        hallucination_silence_threshold=threshold,
    )
    return transcript, [fake.first_second(window) for window in of_kind(Encode, asked)]


def texts_of(transcript: Transcript) -> list[str]:
    return [segment.text for segment in transcript.segments]


# A segment said as it should be, one that is odd, and one more.
THREE = [
    at(0),
    *words(" a b."),
    at(4),
    at(4),
    *words(" x y."),
    at(20),
    at(20),
    *words(" c d."),
    at(30),
]
GOOD: Times = [(0.4, 0.8, 0.9), (0.8, 1.2, 0.9)]
ODD: Times = [(12.0, 12.4, 0.05), (12.4, 12.8, 0.05)]
LAST: Times = [(26.0, 26.4, 0.9), (26.4, 26.8, 0.9)]
NAME = " a b. x y. c d."


def test_odd_words_in_silence_are_dropped_and_what_follows_is_heard_again() -> None:
    transcript, heard = run(
        40, {0: THREE, 12: [at(14), *words(" c d."), at(15)]}, {NAME: [*GOOD, *ODD, *LAST]}
    )
    assert heard[:2] == [0, 12]
    assert texts_of(transcript) == [" a b.", " c d."]
    assert transcript.text == " a b. c d."
    assert [segment.id for segment in transcript.segments] == [0, 1]


def test_without_the_option_all_is_kept() -> None:
    transcript, heard = run(30, {0: THREE}, {NAME: [*GOOD, *ODD, *LAST]}, threshold=None)
    assert texts_of(transcript) == [" a b.", " x y.", " c d."]
    assert heard == [0]


@pytest.mark.parametrize(
    "middle",
    [
        [(12.0, 12.4, 0.9), (12.4, 12.8, 0.9)],  # nothing odd
        [(3.0, 3.4, 0.05), (3.4, 3.8, 0.05)],  # no silence before it
        [(12.0, 12.4, 0.05), (12.4, 12.8, 0.9)],  # one odd word of two
    ],
)
def test_what_is_not_odd_or_not_alone_stays(middle: Times) -> None:
    transcript, _ = run(30, {0: THREE}, {NAME: [*GOOD, *middle, *LAST]})
    assert texts_of(transcript) == [" a b.", " x y.", " c d."]


@pytest.mark.parametrize(
    ("first", "is_odd"),
    [
        ([(0.1, 0.12, 0.9), (0.12, 0.14, 0.9)], True),  # too short
        ([(0.1, 0.2, 0.9), (0.2, 4.4, 0.9)], True),  # too long
        ([(0.1, 0.5, 0.9), (0.5, 3.0, 0.9)], False),
        ([(0.1, 0.3, 0.15), (0.3, 0.5, 0.15)], False),
    ],
)
def test_words_are_odd_by_their_length_too(first: Times, is_odd: bool) -> None:
    middle: Times = [(12.0, 12.4, 0.9), (12.4, 12.8, 0.9)]
    transcript, _ = run(30, {0: THREE}, {NAME: [*first, *middle, *LAST]})
    assert (" a b." not in texts_of(transcript)) == is_odd


def test_silence_before_an_odd_beginning_is_skipped() -> None:
    late = [at(8), *words(" x y."), at(10)]
    transcript, heard = run(
        30,
        {0: late, 8: [at(0), *words(" a b."), at(2)]},
        {" x y.": [(8.0, 8.4, 0.1), (8.4, 9, 0.1)]},
    )
    assert heard[:2] == [0, 8]
    assert texts_of(transcript) == [" a b."]


def test_near_the_end_of_a_recording_nothing_is_heard_again() -> None:
    odd: Times = [(8.0, 8.3, 0.05), (8.3, 8.6, 0.05), (9.0, 9.2, 0.05), (9.2, 9.4, 0.05)]
    transcript, heard = run(10, {0: THREE}, {NAME: [*GOOD, *odd]})
    assert texts_of(transcript) == [" a b."]
    assert heard == [0]


def test_a_window_whose_text_is_always_odd_ends() -> None:
    class Always(dict[float, Sequence[int]]):
        def get(self, key: float, default: object = None) -> Sequence[int]:
            return [at(0), *words(" x y."), at(1)]

    odd: Times = [(0.0, 0.4, 0.05), (0.4, 0.8, 0.05)]
    transcript, heard = run(20, Always(), {" x y.": odd})
    assert heard == [float(second) for second in range(19)], "a second further each time"
    # Of the last one nobody can tell whether silence follows it.
    assert [segment.seek for segment in transcript.segments] == [1800]


def test_in_a_region_voice_activity_says_where_to_listen_again() -> None:
    times: dict[str, Times] = {NAME: [*GOOD, *ODD, *LAST]}
    speech = ((30, 130), (2590, 2690))
    clip = Clip(start=0, stop=3000, speech=speech)
    transcript, heard = run(30, {0: THREE, 25.5: [at(0), *words(" c d."), at(1)]}, times, clip=clip)
    assert heard == [0, 25.5], "shortly before the speech that is left"
    assert texts_of(transcript) == [" a b.", " c d."]
    clip = Clip(start=0, stop=3000, speech=speech[:1])
    transcript, heard = run(30, {0: THREE}, times, clip=clip)
    assert heard == [0], "nobody speaks there"
    assert texts_of(transcript) == [" a b."]


def test_what_was_dropped_is_not_told_to_the_next_window() -> None:
    def hear(window: Encode, _: Decode) -> Decoded:
        return said(THREE if fake.first_second(window) == 0 else ())

    _, asked = play(
        40,
        hear,
        align=aligned({NAME: [*GOOD, *ODD, *LAST]}),
        language="en",
        long_form="sequential",
        word_timestamps=True,
        hallucination_silence_threshold=2,
    )
    told = of_kind(Decode, asked)[-1].prompt
    assert ord("a") in told
    assert ord("x") not in told


def test_it_needs_words() -> None:
    with pytest.raises(OptionError, match="give word_timestamps too"):
        TranscribeOptions(hallucination_silence_threshold=2)
    with pytest.raises(OptionError, match="give 0 or more"):
        TranscribeOptions(hallucination_silence_threshold=-1, word_timestamps=True)
