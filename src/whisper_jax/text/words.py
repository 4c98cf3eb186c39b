"""Words out of token ids, and the punctuation that belongs to them.

openai-whisper's rules (``tokenizer.py`` and ``timing.py``): a word begins with a space or is a
sign; in languages that are written without spaces it is what one token or a few make of a
character.
"""

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from whisper_jax.text.tokenizer import WhisperTokenizer

UNSPACED_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Codes of the languages whose words are not parted by spaces."""
_NOT_TEXT = "\ufffd"


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenWord:
    """A word, and how many of the tokens make it."""

    text: str
    n_tokens: int


def split_words(
    tokenizer: WhisperTokenizer, tokens: Sequence[int], language: str
) -> list[TokenWord]:
    """The words of a text, which together are all of it.

    Args:
        tokenizer: The model's.
        tokens: Text tokens, none of them special.
        language: Code of the language that the text is in.
    """
    pieces = list(_whole_characters(tokenizer, tokens))
    if language in UNSPACED_LANGUAGES:
        return pieces
    words: list[TokenWord] = []
    for piece in pieces:
        # As in the reference, several signs count as one if they are neighbours in ASCII.
        is_sign = piece.text.strip() in string.punctuation
        if words and not piece.text.startswith(" ") and not is_sign:
            piece = _joined(words.pop(), piece)
        words.append(piece)
    return words


def _whole_characters(tokenizer: WhisperTokenizer, tokens: Sequence[int]) -> Iterator[TokenWord]:
    """The fewest tokens at a time that make whole characters.

    A character that the text itself lacks bytes of is left as it is.
    """
    full = tokenizer.decode(tokens)
    n_characters, pending = 0, list[int]()
    for token in tokens:
        pending.append(token)
        text = tokenizer.decode(pending)
        at = n_characters + text.find(_NOT_TEXT)
        if _NOT_TEXT not in text or (at < len(full) and full[at] == _NOT_TEXT):
            yield TokenWord(text=text, n_tokens=len(pending))
            n_characters += len(text)
            pending.clear()
    if pending:
        yield TokenWord(text=tokenizer.decode(pending), n_tokens=len(pending))


@dataclass(frozen=True, kw_only=True, slots=True)
class WordGroup:
    """Neighbouring words that are one: a word and its punctuation.

    Attributes:
        start: Place of the first of them.
        stop: One past the place of the last.
        core: Place of the word itself, whose times are those of the group.
    """

    start: int
    stop: int
    core: int


def merge_punctuation(words: Sequence[str], prepended: str, appended: str) -> list[WordGroup]:
    """Which neighbouring words are one with their punctuation.

    Args:
        words: The words, signs apart.
        prepended: Signs that are part of what follows them, if a space stands before them.
        appended: Signs that are part of what they follow.

    Returns:
        All words in groups, in order.
    """
    groups: list[WordGroup] = []
    for place in range(len(words) - 1, -1, -1):
        opens = words[place].startswith(" ") and words[place].strip() in prepended
        if opens and groups:
            groups[-1] = replace(groups[-1], start=place)
        else:
            groups.append(WordGroup(start=place, stop=place + 1, core=place))
    merged: list[WordGroup] = []
    for group in reversed(groups):
        word = "".join(words[group.start : group.stop])
        if merged and word in appended and not words[merged[-1].stop - 1].endswith(" "):
            merged[-1] = replace(merged[-1], stop=group.stop)
        else:
            merged.append(group)
    return merged


def _joined(left: TokenWord, right: TokenWord) -> TokenWord:
    return TokenWord(text=left.text + right.text, n_tokens=left.n_tokens + right.n_tokens)
