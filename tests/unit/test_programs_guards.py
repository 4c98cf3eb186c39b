"""What nobody can have said: known phrases without speech, and loops without the time."""

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import at, letter_tokenizer, said, words
from program_play import of_kind, play

from whisper_jax.programs.guards import shorten_loop, shortest_s
from whisper_jax.programs.windows import Span
from whisper_jax.requests import Align, Clip, Decode
from whisper_jax.text.hallucinations import (
    CLOSING_PHRASES,
    EVERYDAY_PHRASES,
    known_hallucination,
)
from whisper_jax.types import Transcript

CLOSING, EVERYDAY = " Thanks for watching!", " Thank you."


def transcript_of(
    text: str,
    stop_s: float = 2.0,
    *,
    logprob: float = -0.3,
    no_speech_prob: float = 0.0,
    speech: tuple[tuple[int, int], ...] | None = None,
    **options: Any,
) -> Transcript:
    """Of a window that says good morning for a second, and a text from there on."""
    tokens = [at(0), *words(" Good morning."), at(1), at(1), *words(text), at(stop_s)]
    clip = Clip(start=0, stop=1000, speech=speech)
    options = {"language": "en", "temperature": 0, **options}
    return play(10, lambda *_: said(tokens, logprob, no_speech_prob), clips=[clip], **options)[0]


def is_kept(text: str, *given: float, **options: Any) -> bool:
    transcript = transcript_of(text, *given, **options)
    texts = [segment.text for segment in transcript.segments]
    assert transcript.text == "".join(texts)
    assert [segment.id for segment in transcript.segments] == list(range(len(texts)))
    assert texts[0] == " Good morning."
    return texts[1:] == [text]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (" Thanks for watching!", "closing"),
        (" Thank you for watching. Thank you for watching!", "closing"),
        (" THANKS FOR WATCHING", "closing"),
        (" Untertitel im Auftrag des ZDF für funk, 2017", "closing"),
        (" Sous-titres réalisés par la communauté d'Amara.org", "closing"),
        ("字幕由Amara.org社区提供", "closing"),
        ("ご視聴ありがとうございました。", "closing"),
        (" Thank you.", "everyday"),
        (" Thank you. Thanks for watching!", "everyday"),
        (" Thank you for the flowers.", None),
        (" I said thanks for watching to everyone", None),
        (" ...", None),
        ("", None),
        (" The Amara.org site, where volunteers write subtitles for films, is run by people who"
         " like to see them read in every language there is.", None),
    ],
)  # fmt: skip
def test_phrases_are_known_whole_and_repeated(text: str, kind: str | None) -> None:
    assert known_hallucination(text) == kind


def test_every_phrase_of_the_tables_is_known() -> None:
    for kind, table in (("closing", CLOSING_PHRASES), ("everyday", EVERYDAY_PHRASES)):
        for phrase in (phrase for own in table.values() for phrase in own):
            assert known_hallucination(f" {phrase}.") == kind, phrase


def test_a_phrase_is_never_dropped_for_its_text_alone() -> None:
    assert is_kept(CLOSING)
    assert is_kept(EVERYDAY)
    assert is_kept(CLOSING, speech=((0, 200),))


def test_without_speech_known_phrases_are_dropped() -> None:
    assert not is_kept(CLOSING, speech=((0, 90),))
    assert not is_kept(EVERYDAY, speech=((0, 90),))
    assert is_kept(" Look at that!", speech=((0, 90),)), "not a known phrase"
    assert is_kept(EVERYDAY, speech=((0, 90), (130, 170))), "there is time to say it"
    assert is_kept(CLOSING, speech=((0, 90),), drop_known_hallucinations=False)


def test_what_the_model_doubts_is_dropped_unless_people_say_it_every_day() -> None:
    doubts = {"no_speech_prob": 0.7}
    assert not is_kept(CLOSING, **doubts)
    assert is_kept(EVERYDAY, **doubts)
    assert is_kept(CLOSING, **doubts, no_speech_threshold=0.8)
    assert is_kept(CLOSING, **doubts, no_speech_threshold=None)
    assert not is_kept(CLOSING, logprob=-1.2)
    assert is_kept(EVERYDAY, logprob=-1.2)
    assert is_kept(CLOSING, logprob=-1.2, logprob_threshold=None)


def test_times_too_short_for_a_phrase_drop_it() -> None:
    assert not is_kept(CLOSING, 1.5)
    assert is_kept(CLOSING, 1.8)
    assert not is_kept(EVERYDAY, 1.2)
    assert is_kept(" Look at that!", 1.2)


def test_what_is_dropped_is_told_of_and_not_told_to_the_model(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def hear(_: object, request: Decode):
        return said([at(0), *words(CLOSING), at(0.5), at(0.5)])

    with caplog.at_level(logging.DEBUG, logger="whisper_jax"):
        transcript, asked = play(1, hear, language="en", temperature=0)
    assert transcript.segments == ()
    assert transcript.text == ""
    assert "dropped ' Thanks for watching!' at 0.00 to 0.50 s: there is no time" in caplog.text
    assert all(len(request.prompt) == 3 for request in of_kind(Decode, asked))


def test_a_loop_is_cut_to_what_there_is_time_for() -> None:
    loop = " so it goes" * 20
    transcript = transcript_of(loop, 3.0, compression_ratio_threshold=100)
    said_s = shortest_s(" so it goes")
    assert transcript.segments[1].text == " so it goes" * int(2.0 / said_s)
    assert (transcript.segments[1].start, transcript.segments[1].end) == (1, 3)
    kept = transcript_of(loop, 3.0, compression_ratio_threshold=None)
    assert kept.segments[1].text == loop


def test_a_loop_that_there_is_time_for_stays() -> None:
    song = " la" * 12
    assert is_kept(song, 4.0)
    assert is_kept(" no no no", 1.1), "three times is no loop"
    short = transcript_of(song, 4.0, speech=((0, 150),)).segments[1].text
    assert short == " la" * 8, "0.7 s of speech, with the edge of what was found"


def test_the_words_of_a_loop_are_those_of_its_text() -> None:
    tokens = [at(0), *words(" well" + " so it goes" * 20), at(1)]
    transcript, asked = play(
        5, lambda *_: said(tokens), language="en", temperature=0, word_timestamps=True
    )
    (segment,) = transcript.segments
    assert segment.text == " well so it goes so it goes"
    assert segment.words is not None
    assert "".join(word.word for word in segment.words) == segment.text
    assert bytes(of_kind(Align, asked)[0].tokens).decode() == segment.text


@given(
    st.text("abc ", max_size=6),
    st.text("abc ", min_size=1, max_size=6),
    st.integers(1, 30),
    st.integers(1, 400),
)
def test_a_shortened_loop_is_a_beginning_of_it(
    head: str, phrase: str, n_repeats: int, n_frames: int
) -> None:
    text = head + phrase * n_repeats
    tokens = (at(0), *words(text), at(n_frames // 2 / 50))
    span = Span(start=0, end=n_frames, tokens=tokens)
    found = shorten_loop(span, 0, None, letter_tokenizer())
    kept = bytes(found.tokens[1:-1]).decode()
    assert (found.tokens[0], found.tokens[-1]) == (tokens[0], tokens[-1])
    assert text.startswith(kept)
    if shortest_s(text) <= n_frames / 100:
        assert kept == text
    if kept != text:
        assert text[len(kept) :] in phrase * (n_repeats + 2)
