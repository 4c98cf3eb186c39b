"""A text in lines, and lines in the units that are looked for in what was heard.

A unit is what stands between spaces; in languages without them it is a character with its marks,
or a run of Latin letters and digits.
"""

import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

from whisper_jax.errors import OptionError
from whisper_jax.text.chinese import CHINESE_LANGUAGES, chinese_converter
from whisper_jax.text.words import UNSPACED_LANGUAGES

_SENTENCE_END = re.compile(
    r"(?<=[.!?…])[\"'”’»)\]]*\s+"
    r"|(?<=[。！？])(?![。！？」』”’）])|(?<=[。！？][」』”’）])"
)
_LAST_LATIN = "\u024f"


def text_lines(text: str) -> list[str]:
    """The lines of a text that are not blank; if there is only one, its sentences.

    White space is a single space afterwards. A sentence ends with ``.``, ``!``, ``?`` or ``…``
    before a space, or with ``。``, ``！`` or ``？``.
    """
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    lines = [line for line in (" ".join(line.split()) for line in whole.splitlines()) if line]
    return _sentences(lines[0]) if len(lines) == 1 else lines


def _sentences(line: str) -> list[str]:
    starts = [0, *(found.end() for found in _SENTENCE_END.finditer(line)), len(line)]
    pieces = (line[a:b].strip() for a, b in pairwise(starts))
    return [piece for piece in pieces if piece]


def split_units(line: str, language: str) -> list[str]:
    """The units of a line, which together are all of it.

    Each has the space before it; in languages with spaces the first has one too, as words have in
    transcripts.
    """
    if language not in UNSPACED_LANGUAGES:
        return [f" {word}" for word in line.split()]
    units: list[str] = []
    for character in line:
        if units and _belongs_to(character, units[-1]):
            units[-1] += character
        else:
            units.append(character)
    return units


def _belongs_to(character: str, unit: str) -> bool:
    """Whether a character is part of the unit before it, in a language without spaces."""
    last = unit[-1]
    if last == " " or unicodedata.category(character).startswith("M"):
        return True
    return all(letter <= _LAST_LATIN and letter.isalnum() for letter in (last, character))


def unit_key(language: str) -> Callable[[str], str]:
    """What units of this language are compared by: a function of one; empty if it is only signs.

    Case and signs do not count, nor does the script of Chinese if the package that knows it is
    there.
    """
    convert: Callable[[str], str] = str
    if language in CHINESE_LANGUAGES:
        with suppress(OptionError):
            convert = chinese_converter("simplified")

    def key(unit: str) -> str:
        folded = unicodedata.normalize("NFKC", convert(unit)).casefold()
        return "".join(c for c in folded if c.isalnum() or unicodedata.category(c)[0] == "M")

    return key
