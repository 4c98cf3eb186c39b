"""What a model writes again though it was said once."""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from whisper_jax.audio.units import FRAMES_PER_SECOND
from whisper_jax.programs.guards import periodic_from, shortest_s
from whisper_jax.stream.agreement import HeardWord
from whisper_jax.stream.updates import Heard
from whisper_jax.text.units import unit_key

_LEAST_S = 0.3
"""A text that may be shorter may just have been said fast: times of words are no better."""
_plain = unit_key("")  # a hypothesis does not change the script that its language is written in


def without_echo(heard: Heard, before: Sequence[HeardWord], speech_end: int) -> Heard:
    """What was heard without an end that says once more, or many times, what was said just before.

    Near the end of what was heard a model may begin its text anew instead of ending it. What people
    say again takes time again; an echo has less of it than the fastest speaker needs, since the
    attention's path is at the end of the speech already.

    Args:
        heard: What an update found.
        before: Words of the segment that were committed; it goes on from there.
        speech_end: One past the last frame with speech; nothing is said behind it.
    """
    words, phrase = heard.words, ()
    while found := _find_echo(before, words, speech_end):
        n_kept, phrase = found
        words = words[:n_kept]
    if not phrase or _is_too_short(phrase, speech_end):
        return heard  # what nobody said in the first place is not believed as a whole
    attempt = heard.attempt
    if attempt.loops:
        attempt = replace(attempt, failure=None)  # that was the echo
    return replace(heard, words=_without_opening(words), attempt=attempt)


def _without_opening(words: tuple[HeardWord, ...]) -> tuple[HeardWord, ...]:
    """The words without a bracket or quotation mark at their end that opened the echo.

    It may be one token with marks before it, which go with it. Left there it would be told to the
    next windows, and a model goes on with such marks alone.
    """
    if not words:
        return words
    word, sign = (None, words[-1]) if words[-1].is_sign else words[-1].parted()
    if sign is None or not any(unicodedata.category(mark) in ("Ps", "Pi") for mark in sign.text):
        return words
    return (*words[:-1], word) if word else words[:-1]


def _find_echo(
    before: Sequence[HeardWord], words: Sequence[HeardWord], speech_end: int
) -> tuple[int, Sequence[HeardWord]] | None:
    """The longest echo: how many words of the hypothesis come before it, and what it repeats."""
    said = [word for word in (*before, *words) if not word.is_sign]
    texts = [_plain(word.text) for word in said]
    n_before = sum(not word.is_sign for word in before)
    first, phrase = len(said), said[:0]
    for distance in range(1, len(said) - n_before + 1):
        start = max(n_before, periodic_from(texts, distance) + distance)
        # Of more than one copy, the first words may be the end of the phrase itself.
        while len(said) - start > distance and not _is_too_short([said[start]], speech_end):
            start += 1
        echo = said[start:]
        is_copy = len(echo) >= distance and _is_too_short(echo, speech_end, least_s=_LEAST_S)
        if is_copy and start < first:
            first, phrase = start, said[start - distance : start]
    if not phrase:
        return None
    return next(index for index, word in enumerate(words) if word is said[first]), phrase


def _is_too_short(words: Sequence[HeardWord], speech_end: int, *, least_s: float = 0.0) -> bool:
    """Whether nobody can have said these words in the time that they have."""
    needed_s = shortest_s("".join(word.text for word in words))
    n_frames = min(words[-1].end, speech_end) - words[0].start
    return needed_s >= least_s and n_frames < needed_s * FRAMES_PER_SECOND
