"""The recording's language: on which windows it is detected, and what decides."""

from collections.abc import Callable

import pytest
from letters import at, first_second, letter_tokenizer, said
from program_play import ZH, mostly, of_kind, play

from whisper_jax.programs import Language
from whisper_jax.programs.language import elect
from whisper_jax.requests import (
    Clip,
    Decode,
    Decoded,
    DetectLanguage,
    Encode,
    Progress,
    Read,
)


def hear(*_: object) -> Decoded:
    return said([at(0), 97, at(30)])


def by_second(codes: dict[int, tuple[str, float]]) -> Callable[[Encode], dict[str, float]]:
    """Which language a window is in, by the second that it begins at."""
    return lambda window: mostly(*codes[int(first_second(window))])


def windows(*starts_s: int) -> tuple[tuple[int, int], ...]:
    return tuple((100 * start, 100 * start + 3000) for start in starts_s)


def test_the_language_is_detected_once_on_the_first_window() -> None:
    transcript, asked = play(65, hear)
    kinds = [type(request) for request in asked]
    assert kinds.count(DetectLanguage) == 1
    assert kinds.index(DetectLanguage) == kinds.index(Encode) + 1
    assert len(of_kind(Encode, asked)) == 3, "the window is not encoded again for its text"
    assert (transcript.language, transcript.language_probability) == ("zh", 0.7)
    assert all(decode.prompt[-2] == ZH for decode in of_kind(Decode, asked))
    assert [segment.language for segment in transcript.segments] == ["zh"] * 3


def test_it_is_told_before_anything_is_decoded() -> None:
    transcript, asked = play(30, hear)
    told = of_kind(Progress, asked)[0]
    assert asked.index(told) < asked.index(of_kind(Decode, asked)[0])
    assert (told.position, told.segments) == (0, ())
    assert (told.language, told.language_probability) == ("zh", 0.7)
    assert told.language_probabilities == transcript.language_probabilities
    probabilities = [probability for _, probability in transcript.language_probabilities]
    assert transcript.language_probabilities[0] == ("zh", 0.7)
    assert probabilities == sorted(probabilities, reverse=True)
    assert dict(transcript.language_probabilities).keys() == set(letter_tokenizer().languages)
    assert sum(probabilities) == pytest.approx(1)


def test_the_first_window_that_is_sure_decides() -> None:
    speak = by_second({0: ("en", 0.4), 30: ("de", 0.5), 60: ("fr", 0.9)})
    clip = Clip(start=0, stop=None, detection=windows(0, 30, 60))
    transcript, asked = play(90, hear, clips=[clip], speak=speak)
    assert (transcript.language, transcript.language_probability) == ("de", 0.5)
    starts = [first_second(window) for window in of_kind(Encode, asked)]
    assert starts == [0, 30, 0, 30, 60]
    assert [(read.peek, read.start // 16_000) for read in of_kind(Read, asked)][:3] == [
        (False, -1),
        (True, 29),
        (False, -1),
    ]


def test_if_none_is_sure_the_most_frequent_answer_decides() -> None:
    speak = by_second({0: ("en", 0.49), 30: ("de", 0.3), 60: ("de", 0.4)})
    clip = Clip(start=0, stop=None, detection=windows(0, 30, 60))
    transcript, _ = play(90, hear, clips=[clip], speak=speak)
    assert (transcript.language, transcript.language_probability) == ("de", 0.4)


def test_all_are_asked_where_there_is_no_threshold() -> None:
    speak = by_second({0: ("en", 0.99), 30: ("de", 0.5), 60: ("de", 0.6)})
    clip = Clip(start=0, stop=None, detection=windows(0, 30, 60))
    options = {"language_detection_threshold": None}
    transcript, asked = play(90, hear, clips=[clip], speak=speak, **options)
    assert transcript.language == "de"
    assert len(of_kind(DetectLanguage, asked)) == 3


def test_windows_beyond_the_end_are_not_asked() -> None:
    speak = by_second({0: ("en", 0.4), 30: ("de", 0.3)})
    clip = Clip(start=0, stop=None, detection=windows(0, 30, 60))
    transcript, asked = play(40, hear, clips=[clip], speak=speak)
    assert transcript.language == "en", "one vote each: the higher sum decides"
    assert len(of_kind(DetectLanguage, asked)) == 2


def found(**probabilities: float) -> Language:
    return Language.likeliest(probabilities)


def test_a_tie_goes_to_the_higher_sum() -> None:
    votes = [found(en=0.45, de=0.4, fr=0.15), found(en=0.1, de=0.48, fr=0.42)]
    assert elect(votes).code == "de"
    assert elect(votes).probability == 0.48
    assert elect([*votes, found(en=0.34, de=0.33, fr=0.33)]).code == "en"


def test_looking_ahead_does_not_change_the_levels_of_windows() -> None:
    speak = by_second({0: ("en", 0.4), 30: ("de", 0.5)})
    _, plain = play(60, hear, language="en")
    clip = Clip(start=0, stop=None, detection=windows(0, 30))
    _, asked = play(60, hear, clips=[clip], speak=speak)
    levels = [window.peak for window in of_kind(Encode, plain)]
    first, ahead, *rest = (window.peak for window in of_kind(Encode, asked))
    assert [first, ahead] == [levels[0], levels[1]]
    assert rest == [levels[1], levels[1] + 1], "the first again; in truth its own level comes back"


def test_a_known_language_is_not_asked_for() -> None:
    known = Language(code="de", probability=0.8, probabilities=(("de", 0.8), ("en", 0.2)))
    transcript, asked = play(30, hear, known=known)
    assert not of_kind(DetectLanguage, asked)
    assert (transcript.language, transcript.language_probability) == ("de", 0.8)
    assert transcript.language_probabilities == known.probabilities
    assert len(of_kind(Progress, asked)) == 1


def test_a_given_language_has_no_probability() -> None:
    transcript, asked = play(30, hear, language="German")
    assert not of_kind(DetectLanguage, asked)
    assert (transcript.language, transcript.language_probability) == ("de", None)
    assert transcript.language_probabilities == ()


def test_without_audio_there_is_no_language() -> None:
    transcript, asked = play(0, hear)
    assert (transcript.language, transcript.language_probability) == ("", None)
    assert not of_kind(Encode, asked)


def test_translations_are_asked_for_in_the_language_spoken() -> None:
    transcript, asked = play(30, hear, task="translate")
    assert of_kind(Decode, asked)[0].prompt == (50_258, ZH, 50_358)
    assert (transcript.task, transcript.language) == ("translate", "zh")
