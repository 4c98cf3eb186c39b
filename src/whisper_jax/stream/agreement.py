"""When words are settled: policies as pure functions over what was heard.

An update is heard with all words that were committed before as the beginning of its text, so a
hypothesis is what follows them.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

_MOST_MARKS = 4
"""In a row: three dots and a quotation mark."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardWord:
    """A word of a hypothesis.

    Attributes:
        text: With its leading space, where the language has one, and its punctuation.
        start: Its first 10 ms frame in the stream.
        end: One past its last.
        tokens: What it is made of.
        probability: Mean probability of its tokens without punctuation.
        n_sign_characters: Of the text, those of the punctuation that it ends with.
        n_sign_tokens: Of the tokens, these characters'.
    """

    text: str
    start: int
    end: int
    tokens: tuple[int, ...]
    probability: float
    n_sign_characters: int = 0
    n_sign_tokens: int = 0

    @property
    def is_sign(self) -> bool:
        """Whether it is nothing but punctuation, of the word before it."""
        return self.n_sign_tokens == len(self.tokens)

    def parted(self) -> "tuple[HeardWord, HeardWord | None]":
        """The word, and apart from it the punctuation that it ends with, if it has any."""
        if self.is_sign or self.n_sign_tokens == 0:
            return self, None
        word = replace(
            self,
            text=self.text[: -self.n_sign_characters],
            tokens=self.tokens[: -self.n_sign_tokens],
            n_sign_characters=0,
            n_sign_tokens=0,
        )
        sign = replace(
            self,
            text=self.text[-self.n_sign_characters :],
            tokens=self.tokens[-self.n_sign_tokens :],
            start=self.end,
        )
        return word, sign


def settled_by_alignment(words: Sequence[HeardWord], heard: int, hold_back: int) -> int:
    """How many words have enough audio after them: AlignAtt.

    A word is settled if what the model attends to while it writes it ends ``hold_back`` frames
    before the end of what was heard. (Papi et al. 2023, arXiv 2305.11408, look at each token while
    it is written and stop there; the frames here are those of the path through all of the
    attention, which does not run backwards.)

    Args:
        words: The hypothesis.
        heard: One past the last frame that was heard.
        hold_back: Frames.
    """
    n_settled = 0
    for word in words:
        if word.end > heard - hold_back:
            break
        n_settled += 1
    return n_settled


def settled_by_agreement(before: Sequence[HeardWord], words: Sequence[HeardWord]) -> int:
    """How many words two hypotheses in a row begin with: LocalAgreement-2.

    Liu et al. 2020 (Interspeech, "Low-latency sequence-to-sequence speech recognition and
    translation by partial hypothesis selection"); Machacek et al. 2023, arXiv 2307.14743.

    Args:
        before: The hypothesis before this one, without what has been committed of it.
        words: The hypothesis.
    """
    n_settled = 0
    for earlier, word in zip(before, words, strict=False):
        if earlier.text != word.text:
            break
        n_settled += 1
    return n_settled


def n_out_of_place(words: Sequence[HeardWord]) -> int:
    """How many words of a hypothesis have no time: it passes them at once.

    The attention's path does that with what is said again though it was said before, and with what
    nobody says. One such word may just be short.
    """
    return sum(word.end <= word.start and not word.is_sign for word in words)


def is_nothing_but_marks(words: Sequence[HeardWord]) -> bool:
    """Whether a hypothesis is a run of punctuation, as a model writes it that has lost its way."""
    text = "".join(word.text for word in words).replace(" ", "")
    is_marks = all(unicodedata.category(character).startswith("P") for character in text)
    return is_marks and len(text) > _MOST_MARKS
