"""Which language a recording is in, from what the model says of one or several windows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from whisper_jax.programs.slot import WindowSlot
from whisper_jax.programs.steps import Steps
from whisper_jax.requests import DetectLanguage, LanguageScores
from whisper_jax.text import WhisperTokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """A language, and how it is known.

    Attributes:
        code: Its code (``en``).
        probability: Its probability, or None if it was given.
        probabilities: Code and probability of every language, likeliest first; empty if it was
            given.
    """

    code: str
    probability: float | None = None
    probabilities: tuple[tuple[str, float], ...] = ()

    @classmethod
    def likeliest(cls, probability_of: dict[str, float]) -> Self:
        """The likeliest of these; the first of them at a tie."""
        ranked = sorted(probability_of.items(), key=lambda item: -item[1])
        code, probability = ranked[0]
        return cls(code=code, probability=probability, probabilities=tuple(ranked))


def detect_language(tokenizer: WhisperTokenizer) -> Steps[Language]:
    """Ask for the language of the window in the slot."""
    languages = tokenizer.special.languages
    scores = yield DetectLanguage(language_tokens=tuple(languages.values()))
    assert isinstance(scores, LanguageScores)
    return Language.likeliest(dict(zip(languages, scores.probabilities, strict=True)))


def detect_on_windows(
    slot: WindowSlot,
    tokenizer: WhisperTokenizer,
    windows: Sequence[tuple[int, int]],
    threshold: float | None,
) -> Steps[Language | None]:
    """Ask windows for their language, one after the other, until one is sure.

    Args:
        slot: The program's.
        tokenizer: The model's.
        windows: Frames (start, stop) of each.
        threshold: The probability from which on the answer is taken at once; None asks them all.

    Returns:
        The finding of the deciding window; None if there is no audio.
    """
    found: list[Language] = []
    for number, (start, stop) in enumerate(windows):
        n_frames = yield from slot.hear(start, stop - start, peek=number > 0)
        if n_frames == 0:
            break
        one = yield from detect_language(tokenizer)
        if threshold is not None and (one.probability or 0.0) >= threshold:
            return one
        found.append(one)
    return elect(found) if found else None


def elect(found: Sequence[Language]) -> Language:
    """The language that most windows are in, where none of them is sure.

    At a tie it is the one whose probabilities have the higher sum over all windows.

    Args:
        found: What was detected on each window, at least one.

    Returns:
        The finding of the window that is surest of this language.
    """
    votes = Counter(one.code for one in found)
    sums: Counter[str] = Counter()
    for one in found:
        sums.update(dict(one.probabilities))  # pyright: ignore[reportArgumentType]
    code = max(votes, key=lambda candidate: (votes[candidate], sums[candidate]))
    return max((one for one in found if one.code == code), key=lambda one: one.probability or 0.0)
