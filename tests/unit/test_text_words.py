"""Words out of tokens, and their punctuation. One token is a byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import letter_tokenizer, words

from whisper_jax.text.words import merge_punctuation, split_words

PREPENDED, APPENDED = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"


def split(text: str, language: str = "en") -> list[str]:
    return [word.text for word in split_words(letter_tokenizer(), words(text), language)]


def merged(*parts: str) -> list[str]:
    groups = merge_punctuation(parts, PREPENDED, APPENDED)
    return ["".join(parts[group.start : group.stop]) for group in groups]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        (" One, two.", "en", [" One", ",", " two", "."]),
        ("First", "en", ["First"]),
        (" zur Straße!", "de", [" zur", " Straße", "!"]),
        ("你好吗", "zh", ["你", "好", "吗"]),
        ("ここ。", "ja", ["こ", "こ", "。"]),
        ("你好", "en", ["你好"]),
        # An apostrophe alone is a sign; published vocabularies have "'t" as a token.
        (" don't", "en", [" don", "'t"]),
        ("", "en", []),
    ],
)
def test_words_begin_with_a_space_or_are_signs(text: str, language: str, expected: list[str]):
    assert split(text, language) == expected


@given(st.text(), st.sampled_from(["en", "zh"]))
def test_words_are_all_of_the_text_and_of_its_tokens(text: str, language: str):
    tokens = words(text.encode("utf-8", "replace").decode())
    found = split_words(letter_tokenizer(), tokens, language)
    assert sum(word.n_tokens for word in found) == len(tokens)
    assert all(word.n_tokens > 0 for word in found)
    assert "".join(word.text for word in found) == letter_tokenizer().decode(tokens)


def test_bytes_that_are_no_character_are_words_too():
    tokens = [*words("好"), *words("好")[:2]]
    found = split_words(letter_tokenizer(), tokens, "zh")
    assert [word.n_tokens for word in found] == [3, 1, 1]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((" He", " said", ",", " “", "Yes", ".", "”"), [" He", " said,", " “Yes.”"]),
        ((" (", " [", "a", "]", ")"), [" ( [a])"]),
        ((" a", " -"), [" a", " -"]),
        ((" x ", "."), [" x ", "."]),
        ((), []),
    ],
)
def test_punctuation_belongs_to_its_word(parts: tuple[str, ...], expected: list[str]):
    assert merged(*parts) == expected


def test_the_times_are_those_of_the_word_itself():
    (group,) = merge_punctuation((" (", "a", ".", ")"), PREPENDED, APPENDED)
    assert (group.start, group.core, group.stop) == (0, 1, 4)
