"""Word, character and mixed error rates over many utterances."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jiwer

from whisper_jax.scoring.normaliser import (
    is_code_switched,
    is_scored_by_characters,
    normalise,
    primary_languages,
    strip_brackets,
)

type Unit = Literal["WER", "CER", "MER"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorRate:
    """Edits that turn the references into the hypotheses, in words (WER) or characters (CER).

    In code-switched speech both are counted together, characters for languages without spaces
    and words for the others: the mixed error rate (MER) of the SEAME corpus (Vu et al., 2012,
    "A first speech recognition system for Mandarin-English code-switch conversational speech").

    Attributes:
        unit: What is counted: words (``WER``), characters (``CER``) or both (``MER``).
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
            ValueError: They count different units.
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
    """What a language (a code or tag) is scored in."""
    if is_code_switched(language):
        return "MER"
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


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptUnits:
    """How much of what was said in one language a system wrote down rightly.

    Attributes:
        language: The language's code.
        n_kept: Words or characters of the reference that are found in the hypothesis.
        n_reference: All words or characters of the reference in this language.
    """

    language: str
    n_kept: int
    n_reference: int

    @property
    def share(self) -> float:
        """Kept units per unit of the reference, 0 to 1."""
        return self.n_kept / max(self.n_reference, 1)

    def __add__(self, other: "KeptUnits") -> "KeptUnits":
        """Both pooled; ValueError if they are of different languages."""
        if self.language != other.language:
            raise ValueError(f"{self.language} and {other.language} cannot be pooled")
        return KeptUnits(
            language=self.language,
            n_kept=self.n_kept + other.n_kept,
            n_reference=self.n_reference + other.n_reference,
        )


def code_switched_rate(
    segments: Sequence[tuple[str, str]], hypothesis: str
) -> tuple[ErrorRate, tuple[KeptUnits, ...]]:
    """The mixed error rate of one utterance, and how much of each language was kept.

    A low error rate can hide that one language was dropped or translated; the shares cannot. Both
    come from one alignment of the whole reference, so that a text in the wrong place counts as
    wrong. Insertions belong to no language.

    Args:
        segments: Language code or tag and reference of each part of the utterance, in order.
        hypothesis: What was written for all of it.

    Returns:
        The errors in words and characters, and one record for each language, in the order in
        which they are spoken.
    """
    languages = [primary_languages(tag)[0] for tag, _ in segments]
    tag = "+".join(dict.fromkeys(languages))
    texts = [normalise(strip_brackets(text), tag).split() for _, text in segments]
    spoken = [own for own, units in zip(languages, texts, strict=True) for _ in units]
    reference = " ".join(unit for units in texts for unit in units)
    result = jiwer.process_words(reference, normalise(hypothesis, tag))
    kept = dict.fromkeys(languages, 0)
    for chunk in result.alignments[0]:
        if chunk.type == "equal":
            for language in spoken[chunk.ref_start_idx : chunk.ref_end_idx]:
                kept[language] += 1
    shares = (
        KeptUnits(language=language, n_kept=n_kept, n_reference=spoken.count(language))
        for language, n_kept in kept.items()
    )
    return _rate(result, unit_of(tag)), tuple(shares)


def _count(reference: str, hypothesis: str, unit: Unit) -> ErrorRate:
    # Characters arrive as one-letter words: spaces between words are not scored.
    return _rate(jiwer.process_words(reference, hypothesis), unit)


def _rate(result: jiwer.WordOutput, unit: Unit) -> ErrorRate:
    return ErrorRate(
        unit=unit,
        substitutions=result.substitutions,
        deletions=result.deletions,
        insertions=result.insertions,
        n_reference=result.hits + result.substitutions + result.deletions,
    )
