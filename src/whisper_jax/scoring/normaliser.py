"""Text made ready for counting errors: what two writers may spell differently is made the same.

The rules are those of the Whisper paper (Radford et al., 2022, appendix C), from the
whisper-normalizer package, so that figures can be set beside published ones: English has its own
(numbers, spellings, contractions), all other languages the basic ones (lower case, symbols and
combining marks to spaces). On top of them:

- Chinese is brought to simplified script, since speech does not tell which script is meant.
- Languages written without spaces are cut into characters.
- A full stop that the English rules leave alone at the end of a text (after ``...``) is no word.

A language tag is reduced to its primary subtag (``sv-SE`` to ``sv``). A tag with ``+``
(``zh+en``) is code-switched speech: it gets the basic rules, and is cut into characters if any of
its languages is.
"""

import functools
import re
import warnings
from collections.abc import Callable
from typing import Final, cast

CHARACTER_LANGUAGES: Final = frozenset({"zh", "ja", "th", "lo", "my", "km", "yue"})
"""Written without spaces between words, so scored by characters: zh, ja, th, lo and my in
openai-whisper's evaluation, and with them km and yue for the same reason."""

_CHINESE: Final = frozenset({"zh", "yue"})
_BRACKETS: Final = re.compile(r"[\[\]()]")


def primary_languages(tag: str) -> tuple[str, ...]:
    """The language codes in a tag, regions and scripts dropped: ``zh-CN+en`` is (zh, en)."""
    parts = (part.strip().replace("_", "-").partition("-")[0].lower() for part in tag.split("+"))
    return tuple(part for part in parts if part)


def is_scored_by_characters(language: str) -> bool:
    """Whether errors in this language (a code or tag) are counted in characters, not words."""
    return not CHARACTER_LANGUAGES.isdisjoint(primary_languages(language))


def strip_brackets(text: str) -> str:
    """The text without its square and round brackets, what stands in them kept.

    For references: the normalisers delete bracketed text, as systems describe noises that way,
    but in a reference it is usually read aloud.
    """
    return _BRACKETS.sub(" ", text)


def normalise(text: str, language: str) -> str:
    """The text as it is compared: units to be counted, with single spaces between them.

    Args:
        text: A reference or a transcript. Bracketed text is deleted: see `strip_brackets`.
        language: Language code or tag.

    Returns:
        Words, or characters for the languages of `CHARACTER_LANGUAGES`; empty if nothing is left.
    """
    languages = primary_languages(language)
    if not _CHINESE.isdisjoint(languages):
        text = _to_simplified()(text)
    if languages == ("en",):
        normalised = _english()(text)
    else:
        normalised = _basic(is_scored_by_characters(language))(text)
    return " ".join(unit for unit in normalised.split() if unit != ".")


@functools.cache
def _english() -> Callable[[str], str]:
    with warnings.catch_warnings():  # an invalid escape in one of the package's docstrings
        warnings.simplefilter("ignore", SyntaxWarning)
        from whisper_normalizer.english import (  # pyright: ignore[reportMissingTypeStubs]
            EnglishTextNormalizer,
        )
    return EnglishTextNormalizer()


@functools.cache
def _basic(split_letters: bool) -> Callable[[str], str]:
    with warnings.catch_warnings():  # see _english
        warnings.simplefilter("ignore", SyntaxWarning)
        from whisper_normalizer.basic import (  # pyright: ignore[reportMissingTypeStubs]
            BasicTextNormalizer,
        )
    return BasicTextNormalizer(split_letters=split_letters)


@functools.cache
def _to_simplified() -> Callable[[str], str]:
    from opencc import OpenCC  # pyright: ignore[reportMissingTypeStubs]

    # t2s changes the script alone; others would also replace words by the mainland's.
    return cast("Callable[[str], str]", OpenCC("t2s").convert)  # pyright: ignore[reportUnknownMemberType]
