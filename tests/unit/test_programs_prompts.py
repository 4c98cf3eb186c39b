"""What windows are told before they are decoded, and how their text begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import N_VOCAB, TIME, at, letter_tokenizer, said, words
from program_play import EN, PREV, SOT, TRANSCRIBE, of_kind, play

from whisper_jax.errors import OptionError
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs import check_options, transcribe_clips
from whisper_jax.programs.prompts import MAX_PREFIX_TOKENS, MAX_PROMPT_TOKENS, Context
from whisper_jax.requests import Clip, Decode, Decoded

TOKENIZER = letter_tokenizer()
SOT_SEQUENCE = (SOT, EN, TRANSCRIBE)


def x_to_the_end(*_: object) -> Decoded:
    return said([at(0), *words(" x"), at(30)])


X = (at(0), *words(" x"), at(30))


def prompts(duration_s: float, **options: object) -> list[tuple[int, ...]]:
    """What the windows of a recording are told, without the tokens that say what to write."""
    _, asked = play(duration_s, x_to_the_end, language="en", **options)
    decodes = of_kind(Decode, asked)
    assert all(decode.prompt[decode.sot_index :] == SOT_SEQUENCE for decode in decodes)
    return [decode.prompt[: decode.sot_index] for decode in decodes]


def test_the_initial_prompt_scrolls_out_unless_it_is_carried() -> None:
    hint = tuple(words(" hint"))
    assert prompts(90, initial_prompt=" hint ") == [
        (PREV, *hint),
        (PREV, *hint, *X),
        (PREV, *hint, *X, *X),
    ]
    untold = {"initial_prompt": "hint", "condition_on_previous_text": False}
    assert prompts(90, **untold) == [(PREV, *hint), (), ()]
    carried = {"initial_prompt": "hint", "carry_initial_prompt": True}
    assert prompts(90, **carried) == [(PREV, *hint), (PREV, *hint, *X), (PREV, *hint, *X, *X)]
    assert prompts(60, **carried, condition_on_previous_text=False) == [(PREV, *hint)] * 2


def test_the_initial_prompt_may_be_token_ids() -> None:
    assert prompts(30, initial_prompt=(7, 8, 50_400)) == [(PREV, 7, 8, 50_400)]


def test_nothing_told_is_no_prompt() -> None:
    empty = {"initial_prompt": " ", "hotwords": "", "prefix": "  "}
    assert prompts(30) == prompts(30, **empty) == prompts(30, initial_prompt=()) == [()]


def test_hotwords_stand_before_the_text_in_every_window() -> None:
    hot = tuple(words(" Ada Bob"))
    hint = tuple(words(" hint"))
    assert prompts(60, hotwords=" Ada Bob", initial_prompt="hint") == [
        (PREV, *hot, *hint),
        (PREV, *hot, *hint, *X),
    ]
    assert prompts(60, hotwords="Ada Bob", condition_on_previous_text=False) == [(PREV, *hot)] * 2


def test_long_hotwords_keep_half_and_the_text_gives_way() -> None:
    long_text = said([at(0), *words("ab" * 100), at(30)])
    _, asked = play(60, lambda *_: long_text, language="en", temperature=0, hotwords="h" * 300)
    first, second = (decode.prompt[: decode.sot_index] for decode in of_kind(Decode, asked))
    assert first == (PREV, *words(" " + "h" * 110)), "111 of 223, from their beginning"
    assert second[:112] == first
    assert second[112:] == long_text.tokens[-112:]


def test_a_long_carried_prompt_leaves_no_more_than_it_may() -> None:
    (first, second) = prompts(60, initial_prompt="p" * 400, carry_initial_prompt=True)
    assert first == second == (PREV, *words("p" * 223)), "its end, and no text"


def test_the_prefix_begins_the_first_window_of_the_recording_alone() -> None:
    heard: list[Decode] = []

    def hear(_: object, decode: Decode) -> Decoded:
        heard.append(decode)
        return said([*words(" on"), at(30)])

    options = {"language": "en", "prefix": " Go ", "clip_timestamps": (0, 59, 60, 90)}
    transcript, _ = play(90, hear, **options)
    prefix = (TIME, *words(" Go"))
    assert [decode.prefix for decode in heard] == [prefix, (), ()]
    assert [decode.prompt[-3:] for decode in heard] == [SOT_SEQUENCE] * 3
    assert transcript.text == " Go on on on", "the prefix is part of the text"
    assert transcript.segments[0].tokens == (*prefix, *words(" on"), at(30))
    assert heard[1].prompt[1:-3] == transcript.segments[0].tokens
    later = [Clip(start=0, stop=None, is_first=False)]
    heard.clear()
    play(30, hear, clips=later, language="en", prefix="Go")
    assert heard[0].prefix == ()
    heard.clear()
    play(30, hear, language="en", prefix="Go", without_timestamps=True)
    assert heard[0].prefix == tuple(words(" Go"))


def test_a_prefix_takes_its_room_from_what_is_told() -> None:
    _, asked = play(
        20, x_to_the_end, language="en", prefix="f" * 109, initial_prompt="p" * 300, hotwords="h"
    )
    (decode,) = of_kind(Decode, asked)
    assert len(decode.prefix) == MAX_PREFIX_TOKENS == 111
    assert decode.sot_index - 1 == MAX_PROMPT_TOKENS - 111
    assert decode.prompt[1:3] == tuple(words(" h")), "hotwords stay beside a prefix"


def test_max_new_tokens_and_the_context_bound_the_answer() -> None:
    (decode,) = of_kind(Decode, play(20, x_to_the_end, language="en", max_new_tokens=7)[1])
    assert decode.max_tokens == 7
    (decode,) = of_kind(Decode, play(20, x_to_the_end, language="en")[1])
    assert decode.max_tokens == 224
    (decode,) = of_kind(Decode, play(20, x_to_the_end, language="en", hotwords="h " * 200)[1])
    assert decode.max_tokens == 224, "hotwords alone leave room"
    full = play(20, x_to_the_end, language="en", initial_prompt="p" * 300, prefix="f" * 109)[1]
    (decode,) = of_kind(Decode, full)
    assert decode.max_tokens == 449 - len(decode.prompt) - len(decode.prefix) == 222


@given(
    st.integers(0, 300),
    st.integers(0, 300),
    st.booleans(),
    st.lists(st.integers(0, 120), max_size=4),
    st.integers(0, MAX_PREFIX_TOKENS),
)
def test_prompts_never_exceed_their_half(
    n_hotwords: int, n_initial: int, is_carried: bool, texts: list[int], n_prefix: int
) -> None:
    options = TranscribeOptions(
        hotwords="h" * n_hotwords,
        initial_prompt=(5,) * n_initial,
        carry_initial_prompt=is_carried,
    )
    context = Context(TOKENIZER, options)
    for n in texts:
        context.add((9,) * n)
    told = context.before(n_prefix)
    room = MAX_PROMPT_TOKENS - n_prefix
    assert len(told) <= room
    n_hot = sum(token not in (5, 9) for token in told)
    assert n_hot == min(n_hotwords + 1 if n_hotwords else 0, room // 2)
    if is_carried:
        assert told.count(5) == min(n_initial, room - n_hot), "before the text so far"
    wanted = n_hot + n_initial + sum(texts)
    assert len(told) == min(room, wanted), "no room is left unused"
    context.forget()
    assert 9 not in context.before(n_prefix)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "klingon"}, "no language 'klingon'"),
        ({"prefix": "f" * 120}, "prefix has 122 tokens; give at most 111"),
        ({"initial_prompt": (1, N_VOCAB)}, r"initial_prompt has \[51865\]; token ids are 0 to"),
        ({"suppress_tokens": (-2,)}, r"suppress_tokens has \[-2\]; token ids are -1 to 51864"),
    ],
)
def test_options_that_a_model_cannot_honour(options: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        check_options(TOKENIZER, TranscribeOptions(**options))
    with pytest.raises(OptionError, match=message):
        next(transcribe_clips(TOKENIZER, TranscribeOptions(**options)))


def test_languages_become_codes() -> None:
    def checked(language: str | None, n_vocab: int = N_VOCAB) -> str | None:
        options = TranscribeOptions(language=language)
        return check_options(letter_tokenizer(n_vocab), options).language

    assert [checked("German"), checked("de"), checked("Auto"), checked(None)] == [
        "de",
        "de",
        "auto",
        None,
    ]
    english_only = 51_864
    assert {checked(language, english_only) for language in ("en", "auto", None)} == {"en"}
    with pytest.raises(OptionError, match="English only and cannot translate"):
        check_options(letter_tokenizer(english_only), TranscribeOptions(task="translate"))
