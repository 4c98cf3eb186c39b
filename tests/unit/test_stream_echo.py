"""What a model writes again though it was said once is taken away, and nothing else."""

from dataclasses import replace

import pytest

from whisper_jax.programs import Language
from whisper_jax.programs.fallback import Attempt
from whisper_jax.requests import Decoded
from whisper_jax.stream.agreement import HeardWord
from whisper_jax.stream.echo import without_echo
from whisper_jax.stream.updates import Heard
from whisper_jax.types import Retry

NEVER = 10**6


def said(text: str, start: int, end: int) -> list[HeardWord]:
    """Words of a text that take the same time each; wide characters are words."""
    pieces = list(text) if ord(text[0]) > 0x3000 else [f" {word}" for word in text.split()]
    step = (end - start) / len(pieces)
    return [
        HeardWord(
            text=piece,
            start=start + round(step * k),
            end=start + round(step * (k + 1)),
            tokens=(k,),
            probability=0.9,
        )
        for k, piece in enumerate(pieces)
    ]


def heard(words: list[HeardWord], failure: Retry | None = None) -> Heard:
    decoded = Decoded(tokens=(), token_logprobs=(), sum_logprob=0.0, no_speech_prob=0.0)
    attempt = Attempt(decoded=decoded, temperature=0.0, compression_ratio=1.0, failure=failure)
    return Heard(words=tuple(words), language=Language(code="en"), attempt=attempt, peak=0.0)


def kept(
    words: list[HeardWord], before: list[HeardWord] | None = None, speech_end: int = NEVER
) -> str:
    found = without_echo(heard(words), before or [], speech_end).words
    return "".join(word.text for word in found).strip()


def test_a_text_that_is_written_anew_in_no_time():
    song = said("想听歌曲红豆", 0, 150)
    assert kept([*song, *said("想听歌曲红豆", 184, 184)]) == "想听歌曲红豆"
    assert kept([*song[2:], *said("想听歌曲红豆", 184, 184)], song[:2]) == "歌曲红豆"
    once = said("the leader has left the conference", 661, 863)
    again = said("The leader has left the conference.", 879, 890)
    assert kept(again, once) == ""


def test_what_lies_behind_the_speech_has_no_time():
    song = said("想听歌曲红豆", 0, 150)
    again = said("想听歌曲红豆", 160, 240)
    assert kept([*song, *again]) == "想听歌曲红豆想听歌曲红豆"
    assert kept([*song, *again], speech_end=170) == "想听歌曲红豆"


@pytest.mark.parametrize("rest", ["", "press", "press 1 to"])
def test_a_loop(rest: str):
    words = [*said("press 1 to switch", 0, 120), *said("press 1 to switch " * 4 + rest, 120, 124)]
    assert kept(words) == "press 1 to switch"


def test_a_loop_of_what_nobody_said_stays_to_be_judged():
    loop = "press 1 to switch " * 4
    assert kept(said(loop, 120, 160)) == loop.strip()


def test_a_loop_within_a_loop():
    phrase, end = "press start to pause press pound to end", "press pound to end"
    words = [*said(phrase, 0, 300), *said(phrase, 300, 302), *said(end, 302, 302)]
    assert kept(words) == phrase


def test_the_end_of_the_phrase_itself_is_kept():
    before = said("press left to conference", 0, 150)
    words = [
        *said("press 3 to turn off the conference.", 150, 450),
        *said("press 3 to turn off the conference. Press", 450, 452),
    ]
    # What repeats begins with the first "conference." already, but that has its time.
    assert kept(words, before) == "press 3 to turn off the conference."


@pytest.mark.parametrize(
    ("text", "again", "frames"),
    [
        ("no", "no", 4),  # short words may be short
        ("side tap", "side tap", 78),  # it has its time
        ("la la la la", "la la la la", 60),
        ("thank you all so much", "thank you very much", 0),  # something else
        ("बड़े नगर की दीवार", "बड़े नगर कि दीवार", 0),  # of other vowels
    ],
)
def test_what_people_say_twice(text: str, again: str, frames: int):
    words = [*said(text, 0, 100), *said(again, 100, 100 + frames)]
    assert kept(words) == f"{text} {again}"


def test_marks_of_the_word_before_do_not_matter():
    sign = replace(said(".", 150, 150)[0], text=".", n_sign_characters=1, n_sign_tokens=1)
    words = [sign, *said("The leader has left.", 150, 152)]
    assert kept(words, said("the leader has left", 0, 150)) == "."


@pytest.mark.parametrize(("mark", "left"), [("》《", ""), (" (", ""), ("」", "」"), (".", ".")])
def test_what_opens_the_echo_goes_with_it(mark: str, left: str):
    song = said("想听歌曲红豆", 0, 150)
    song[-1] = replace(
        song[-1],
        text=song[-1].text + mark,
        tokens=(1, 2),
        n_sign_characters=len(mark),
        n_sign_tokens=1,
    )
    again = said("想听歌曲红豆", 184, 184)
    assert kept([*song, *again]) == "想听歌曲红豆" + left
    sign = replace(said(mark, 150, 150)[0], text=mark, n_sign_characters=1, n_sign_tokens=1)
    assert kept([sign, *again], said("想听歌曲红豆", 0, 150)) == left


def test_a_text_is_plausible_once_its_echo_is_gone():
    loops = Retry(temperature=0.0, reason="compression_ratio", value=3.0)
    unlikely = Retry(temperature=0.0, reason="logprob", value=-2.0)
    once, again = said("press 1 to switch", 0, 120), said("press 1 to switch", 120, 121)
    assert without_echo(heard([*once, *again], loops), [], NEVER).is_plausible
    assert not without_echo(heard([*once, *again], unlikely), [], NEVER).is_plausible
    assert not without_echo(heard(once, loops), [], NEVER).is_plausible
