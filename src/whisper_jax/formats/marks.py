"""What is put around and between the words of a cue: times, highlights, directions."""

import unicodedata
from collections.abc import Callable, Sequence
from itertools import accumulate

from whisper_jax.formats.cues import Cue, line_text
from whisper_jax.formats.layout import Line

_EMBED_RIGHT_TO_LEFT, _POP = "\u202b", "\u202c"
_RIGHT_TO_LEFT = ("R", "AL")
_WITHOUT_DIRECTION = ("NSM", "BN", "WS")


def word_times(cue: Cue) -> list[tuple[int, int]]:
    """When each word of a cue is spoken, in milliseconds, as far as the cue is shown then.

    Times are in order; a word that is spoken before the cue appears begins with it.
    """
    words = [word for line in cue.lines for word in line]
    shown = [min(max(word.start_ms, cue.start_ms), cue.end_ms) for word in words]
    starts = list(accumulate(shown, max))
    # A word may end after the next one has begun.
    following = [*starts[1:], cue.end_ms]
    return [
        (start, min(max(word.end_ms, start), after))
        for word, start, after in zip(words, starts, following, strict=True)
    ]


def highlights(cue: Cue) -> list[tuple[int, int, int | None]]:
    """A cue as cues that follow each other, in each of which one word, or none, stands out.

    Returns:
        Start and end in milliseconds and the place of the word, from 0; None in pauses.
    """
    parts: list[tuple[int, int, int | None]] = []
    last = cue.start_ms
    for index, (start, end) in enumerate(word_times(cue)):
        if last < start:
            parts.append((last, start, None))
        if start < end:
            parts.append((start, end, index))
        last = max(last, end)
    if last < cue.end_ms:
        parts.append((last, cue.end_ms, None))
    return parts


def marked_lines(lines: Sequence[Line], mark: Callable[[int, str], str]) -> list[str]:
    """The texts of lines whose words are each marked, given their places from 0."""
    texts: list[str] = []
    index = 0
    for line in lines:
        text = ""
        for place, word in enumerate(line):
            text += (word.space if place else "") + mark(index, word.text)
            index += 1
        texts.append(text)
    return texts


def runs_right_to_left(lines: Sequence[Line]) -> bool:
    """Whether most letters of some lines belong to scripts that run from right to left."""
    directions = [unicodedata.bidirectional(c) for line in lines for c in line_text(line)]
    n_right_to_left = sum(direction in _RIGHT_TO_LEFT for direction in directions)
    return n_right_to_left > directions.count("L")


def directed(lines: Sequence[Line], texts: Sequence[str], prefix: str = "") -> list[str]:
    """The texts of lines, embedded right to left where players would order them wrongly.

    Many players lay out every line from left to right whatever its script: a full stop then moves
    to the wrong end, and words of another script change places. The embedding (RLE and PDF of
    Unicode's UAX 9, which subtitle editors use too) keeps them in place, and changes nothing
    where a player finds the direction by itself. Lines whose letters run one way and which begin
    and end with one are left as they are.

    Args:
        lines: The lines of a cue in one language.
        texts: What stands for each in the file, with its marks.
        prefix: What stands before the first of them.
    """
    plain = [line_text(line) for line in lines]
    is_right_to_left = runs_right_to_left(lines)
    whole: list[str] = []
    for index, text in enumerate(texts):
        before = prefix if index == 0 else ""
        wants = is_right_to_left and _may_be_misordered(before + plain[index])
        whole.append(_EMBED_RIGHT_TO_LEFT + before + text + _POP if wants else before + text)
    return whole


def _may_be_misordered(text: str) -> bool:
    kinds = [unicodedata.bidirectional(character) for character in text]
    kinds = [kind for kind in kinds if kind not in _WITHOUT_DIRECTION]
    if not kinds:
        return False
    has_other = any(kind in ("L", "EN", "AN") for kind in kinds)
    return has_other or kinds[0] not in _RIGHT_TO_LEFT or kinds[-1] not in _RIGHT_TO_LEFT
