"""When the text so far is not told to the next windows of a stream."""

import pytest

from whisper_jax.stream.style import LOOKED_AT_CHARACTERS, has_lost_signs

SIGNLESS = "printing in the only sense with which we don't at present 'concern' ourselves " * 3


def last(text: str) -> str:
    return text[-LOOKED_AT_CHARACTERS:]


@pytest.mark.parametrize("language", ["en", "de", None])
def test_a_long_text_without_marks_has_lost_its_style(language: str | None) -> None:
    assert has_lost_signs(last(SIGNLESS), language)


@pytest.mark.parametrize("mark", [".", ",", "?", "!", "…", "।", "،", "؟"])
def test_one_mark_is_enough(mark: str) -> None:
    assert not has_lost_signs(last(SIGNLESS[:-40] + mark + SIGNLESS[-39:]), "en")


def test_short_texts_and_languages_without_spaces_are_left_alone() -> None:
    assert not has_lost_signs(SIGNLESS[: LOOKED_AT_CHARACTERS - 1], "en")
    for language in ("zh", "ja", "th"):
        assert not has_lost_signs("想听歌曲又见高原红" * 40, language)
