"""Text made ready for counting errors: what two writers may spell differently is made the same.

The rules are those of the Whisper paper (Radford et al., 2022, appendix C), from the
whisper-normalizer package, so that figures can be set beside published ones: English has its own
(numbers, spellings, contractions), all other languages the basic ones (lower case, symbols and
combining marks to spaces). On top of them:

- Chinese is brought to simplified script, since speech does not tell which script is meant.
- Languages written without spaces are cut into characters.
- A full stop that the English rules leave alone at the end of a text (after ``...``) is no word.

A language tag is reduced to its primary subtag (``sv-SE`` to ``sv``). A tag with ``+``
(``zh+en``) is code-switched speech: what is written in a script without spaces is cut into
characters, the rest into words, whatever language it is in. What a system wrote does not tell its
languages, so the script alone decides, for both sides. The words get the English rules where
English is the only language with words (``zh+en``), else the basic ones.
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
# What the normalisers delete, taken out before a text is cut at changes of script.
_BRACKETED: Final = re.compile(r"[<\[][^>\]]*[>\]]|\([^)]+\)")
# Unicode's blocks of the scripts of CHARACTER_LANGUAGES, without their punctuation.
_UNSPACED: Final = re.compile(
    "(["
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
    "\u0e01-\u0e4e\u0e81-\u0eff"  # Thai, Lao
    "\u1000-\u1049\u1780-\u17d3"  # Burmese, Khmer
    "]+)"
)


def primary_languages(tag: str) -> tuple[str, ...]:
    """The language codes in a tag, regions and scripts dropped: ``zh-CN+en`` is (zh, en)."""
    parts = (part.strip().replace("_", "-").partition("-")[0].lower() for part in tag.split("+"))
    return tuple(part for part in parts if part)


def is_code_switched(language: str) -> bool:
    """Whether a tag names several languages."""
    return len(primary_languages(language)) > 1


def is_scored_by_characters(language: str) -> bool:
    """Whether all errors in this language (a code or tag) are counted in characters."""
    return not is_code_switched(language) and not CHARACTER_LANGUAGES.isdisjoint(
        primary_languages(language)
    )


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
        Words, or characters for the languages of `CHARACTER_LANGUAGES`, or both if code-switched;
        empty if nothing is left.
    """
    languages = primary_languages(language)
    if not _CHINESE.isdisjoint(languages):
        text = _to_simplified()(text)
    if is_code_switched(language):
        normalised = _normalise_mixed(text, languages)
    elif languages == ("en",):
        normalised = _english()(text)
    else:
        normalised = _basic(is_scored_by_characters(language))(text)
    return " ".join(unit for unit in normalised.split() if unit != ".")


def _normalise_mixed(text: str, languages: tuple[str, ...]) -> str:
    with_words = set(languages) - CHARACTER_LANGUAGES
    words = _english() if with_words == {"en"} else _basic(False)
    # Every second part is what the expression found.
    parts = _UNSPACED.split(_BRACKETED.sub("", text))
    return " ".join((_basic(True) if i % 2 else words)(part) for i, part in enumerate(parts))


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
