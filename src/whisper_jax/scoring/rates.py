"""Word and character error rates over many utterances."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jiwer

from whisper_jax.scoring.normaliser import is_scored_by_characters, normalise, strip_brackets

type Unit = Literal["WER", "CER"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorRate:
    """Edits that turn the references into the hypotheses, in words (WER) or characters (CER).

    Attributes:
        unit: What is counted: words (``WER``) or characters (``CER``).
        substitutions: Units replaced by another.
        deletions: Units of the references that are missing.
        insertions: Units that are in no reference.
        n_reference: Units in all references.
    """

    unit: Unit
    substitutions: int
    deletions: int
    insertions: int
    n_reference: int

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per unit of the references: 0 is perfect, and it can exceed 1.

        Where all references are empty it is the number of insertions, as in jiwer.
        """
        return self.errors / max(self.n_reference, 1)

    def __add__(self, other: "ErrorRate") -> "ErrorRate":
        """Both pooled: each unit counts the same, so long utterances weigh more.

        Raises:
            ValueError: One counts words and the other characters.
        """
        if self.unit != other.unit:
            raise ValueError(f"{self.unit} and {other.unit} cannot be pooled")
        return ErrorRate(
            unit=self.unit,
            substitutions=self.substitutions + other.substitutions,
            deletions=self.deletions + other.deletions,
            insertions=self.insertions + other.insertions,
            n_reference=self.n_reference + other.n_reference,
        )


def unit_of(language: str) -> Unit:
    """Whether a language (a code or tag) is scored in words or in characters."""
    return "CER" if is_scored_by_characters(language) else "WER"


def error_rate(references: Sequence[str], hypotheses: Sequence[str], language: str) -> ErrorRate:
    """Errors of the hypotheses, pooled over all utterances, both sides normalised.

    References lose their brackets first, since the normalisers delete what stands in brackets.
    An empty reference counts whatever was written as insertions, an empty hypothesis all of its
    reference as deletions.

    Args:
        references: What was said, one text for each utterance.
        hypotheses: What was written, in the same order.
        language: Language code or tag of all of them: see `whisper_jax.scoring.normalise`.

    Raises:
        ValueError: There are not as many hypotheses as references.
    """
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references but {len(hypotheses)} hypotheses")
    counts = [
        _count(
            normalise(strip_brackets(reference), language),
            normalise(hypothesis, language),
            unit_of(language),
        )
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]
    nothing = ErrorRate(
        unit=unit_of(language), substitutions=0, deletions=0, insertions=0, n_reference=0
    )
    return functools.reduce(ErrorRate.__add__, counts, nothing)


def _count(reference: str, hypothesis: str, unit: Unit) -> ErrorRate:
    # Characters arrive as one-letter words: spaces between words are not scored.
    result = jiwer.process_words(reference, hypothesis)
    return ErrorRate(
        unit=unit,
        substitutions=result.substitutions,
        deletions=result.deletions,
        insertions=result.insertions,
        n_reference=result.hits + result.substitutions + result.deletions,
    )
