"""Where a text may be broken into lines, how well, and how wide it is.

In scripts with spaces a text is broken at them. In those without, it is broken between
characters: East Asian ones by the prohibitions of JIS X 4051 and of Unicode's UAX 14 (no line
begins with closing punctuation, a small kana or a mark of repetition, none ends with opening
punctuation), those of South East Asia between syllables as they are spelled, since only a
dictionary knows their words. Korean and Ethiopic have spaces.
"""

import unicodedata
from collections.abc import Container
from functools import lru_cache

_FIXED_SPACES = "\u00a0\u2007\u202f"
_ZERO_WIDTH_SPACE = "\u200b"
_JOINERS = "\u200d\u2060\ufeff"

_NO_START = frozenset(
    "、。，．・：；？！‼⁇⁈⁉｡｣､･,.!?:;%％‰℃℉°′″¢\"'"
    "ー々〻〃ゝゞヽヾ〵゛゜ｰﾞﾟ～〜‐–—―…‥゠"
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿｧｨｩｪｫｬｭｮｯ"
    "ะาำๅๆฯະາຳຽໆຯ។៕៖ៗ៘៚၊။"
)
_NO_END = frozenset("\"'￥¥$＄£￡€＃№¿¡เแโใไເແໂໃໄ្\u1039")
_SENTENCE_ENDS = frozenset(".!?…。！？｡．؟۔।॥։።။៕‼⁇⁈⁉")
_CLAUSE_ENDS = frozenset(",;:—–、，；：､،؛၊·፣፤፥")
_QUOTES = frozenset("\"'”’»«“‘")

# Thai and Lao; Myanmar; Khmer; the Tai scripts; Tai Tham; Myanmar's further ones.
_COMPLEX = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x1950, 0x19FF),
    (0x1A20, 0x1AAF),
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAADF),
)
_KOREAN = ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF))
_ASAT = "\u103a"

PLAIN = 1.0
"""What it costs to break where nothing speaks for it: the unit of all such costs."""
SENTENCE = 0.0
CLAUSE = 0.3
INSIDE_PHRASE = 2.0
"""Between characters that belong together, where no space says which do."""
_AT_SPACE_OF_COMPLEX = 0.2


def width(text: str) -> int:
    """Columns of a text: two for a full-width character, none for what combines with another."""
    return sum(map(_columns, text))


def n_characters(text: str) -> int:
    """Characters as a reader counts them: marks belong to the character before."""
    return sum(_columns(character) > 0 for character in text)


@lru_cache(maxsize=4096)
def _columns(character: str) -> int:
    # The vowels and final consonants that follow in a Korean syllable written in parts.
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def cut_words(text: str, word_ends: Container[int] | None = None) -> list[tuple[int, int]]:
    """The parts of a text that no line may be broken inside, as [start, stop), without spaces.

    Args:
        text: Any text.
        word_ends: Where words end, if that is known: characters that are not parted by a space
            are parted nowhere else.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        if is_space(text[start]):
            start += 1
            continue
        stop = start + 1
        while stop < len(text) and not is_space(text[stop]):
            known = word_ends is None or stop in word_ends
            if known and _may_part(text, stop):
                break
            stop += 1
        spans.append((start, stop))
        start = stop
    return _join_lone_marks(text, spans)


def break_cost(text: str, space: str, following: str) -> float:
    """How bad it is to break between two words, 0 to 1: punctuation first.

    Args:
        text: The word before.
        space: The white space between them.
        following: The word after.
    """
    bare = text.rstrip("".join(_QUOTES) + ")]}）」』】》〉〕］｝")
    last = bare[-1:] or text[-1]
    before, after = text[-1], following[0]
    if last in _SENTENCE_ENDS:
        # "z. B.", and names with initials.
        is_short = last == "." and (after.islower() or (len(bare) == 2 and bare[0].isupper()))
        return PLAIN if is_short else SENTENCE
    if last in _CLAUSE_ENDS or following in ("–", "—", "-"):
        return CLAUSE
    if space:
        return _AT_SPACE_OF_COMPLEX if _is_complex(before) and _is_complex(after) else PLAIN
    return PLAIN


def parts_words(before: str, after: str) -> bool:
    """Whether a space belongs between two texts that are joined."""
    unspaced = _is_ideographic, _is_complex
    return not any(is_unspaced(c) for is_unspaced in unspaced for c in (before[-1], after[0]))


def is_space(character: str) -> bool:
    """Whether it parts words: white space, but for what keeps them on one line."""
    is_fixed = character in _FIXED_SPACES
    return (character.isspace() and not is_fixed) or character == _ZERO_WIDTH_SPACE


def _may_part(text: str, index: int) -> bool:
    """Whether a line may end before ``text[index]``, with no space there."""
    before, after = text[index - 1], text[index]
    if not (_is_ideographic(before) or _is_ideographic(after)) and not (
        _is_complex(before) and _is_complex(after)
    ):
        return False
    if starts_no_line(after) or ends_no_line(before) or before in _JOINERS:
        return False
    if _is_fullwidth_alphanumeric(before) and _is_fullwidth_alphanumeric(after):
        return False
    # A consonant with this sign, or another below it, ends a syllable.
    is_final = _is_complex(after) and text[index + 1 : index + 2] in (_ASAT, "\u1039")
    return not is_final


def starts_no_line(character: str) -> bool:
    """Whether no line may begin with it, in scripts without spaces."""
    category = unicodedata.category(character)
    return (
        character in _NO_START
        or character in _JOINERS
        or category in ("Pe", "Pf", "Mn", "Mc", "Me")
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # the colours of emoji
    )


def ends_no_line(character: str) -> bool:
    """Whether no line may end with it, in scripts without spaces."""
    return character in _NO_END or unicodedata.category(character) in ("Ps", "Pi")


def _join_lone_marks(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Punctuation between spaces ("Quoi ?", "« mot »") stays with its word."""
    joined: list[tuple[int, int]] = []
    is_open = False
    for start, stop in spans:
        part = text[start:stop]
        closes = all(
            unicodedata.category(c) in ("Pe", "Pf") or c in ",.!?:;…、。，．！？：；؟،؛۔।"
            for c in part
        )
        if joined and (is_open or closes):
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
        is_open = all(unicodedata.category(c) in ("Ps", "Pi") or c in "¿¡" for c in part)
    return joined


def _within(character: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= ord(character) <= high for low, high in ranges)


@lru_cache(maxsize=4096)
def _is_complex(character: str) -> bool:
    # Digits of these scripts stay together as others do.
    return _within(character, _COMPLEX) and not character.isdigit()


@lru_cache(maxsize=4096)
def _is_ideographic(character: str) -> bool:
    is_wide = unicodedata.east_asian_width(character) in ("W", "F") or "｡" <= character <= "ﾟ"
    return is_wide and not _within(character, _KOREAN)


def _is_fullwidth_alphanumeric(character: str) -> bool:
    return "０" <= character <= "９" or "Ａ" <= character <= "Ｚ" or "ａ" <= character <= "ｚ"
