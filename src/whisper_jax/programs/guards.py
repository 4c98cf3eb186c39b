"""Texts that nobody can have said: known phrases without speech, and loops without the time.

Neither is ever a matter of the text alone. What decides is that voice activity found too little
speech to say it, that its times are too short for it, or that the model itself finds it unlikely.
"""

import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from whisper_jax.audio.units import FRAMES_PER_SECOND
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs.stretches import Spans, spoken_frames
from whisper_jax.programs.windows import Span
from whisper_jax.requests import Decoded
from whisper_jax.text import WhisperTokenizer
from whisper_jax.text.hallucinations import known_hallucination

_log = logging.getLogger(__name__)

_LETTER_S = 0.04
"""300 words of five letters a minute: twice as fast as people speak."""
_WIDE_LETTER_S = 0.1
"""Of Chinese, Japanese and Korean characters people say 5 to 8 a second."""
_EDGE_FRAMES = 20
"""So far outside of a segment's times what it says may have been said."""
_LEAST_REPEATS = 4
"""What is said three times may be meant."""


def shortest_s(text: str) -> float:
    """Seconds that the fastest speaker needs for a text, at least."""
    return sum(
        _WIDE_LETTER_S if unicodedata.east_asian_width(character) in "WF" else _LETTER_S
        for character in text
        if character.isalnum()
    )


def is_made_up(
    text: str,
    span: tuple[int, int],
    speech: Spans | None,
    decoded: Decoded,
    options: TranscribeOptions,
) -> bool:
    """Whether a segment is a phrase that models are known to make up, and nobody said it.

    What people say every day needs voice activity, or times in which it cannot be said.

    Args:
        text: What it says.
        span: Its first frame in the recording, and one past its last.
        speech: Where speech is; None if nobody looked for it.
        decoded: The window's text.
        options: Whether to look, and the two thresholds.
    """
    kind = known_hallucination(text) if options.drop_known_hallucinations else None
    if kind is None:
        return False
    needed = shortest_s(text)
    reason = None
    if _available_s(span, speech) < needed:
        reason = "there is no time for it" if speech is None else "there is no speech for it"
    elif kind == "closing" and _above(decoded.no_speech_prob, options.no_speech_threshold):
        reason = f"the no-speech probability is {decoded.no_speech_prob:.2f}"
    elif kind == "closing" and _above(options.logprob_threshold, decoded.avg_logprob):
        reason = f"the mean log probability is {decoded.avg_logprob:.2f}"
    if reason is None:
        return False
    start_s, end_s = (frame / FRAMES_PER_SECOND for frame in span)
    _log.debug("dropped %r at %.2f to %.2f s: %s", text, start_s, end_s, reason)
    return True


def _above(value: float | None, threshold: float | None) -> bool:
    return value is not None and threshold is not None and value > threshold


def _available_s(span: tuple[int, int], speech: Spans | None) -> float:
    """Seconds in which a segment may have been said."""
    start, end = span
    frames = end - start
    if speech is not None:
        frames = min(frames, spoken_frames(speech, start - _EDGE_FRAMES, end + _EDGE_FRAMES))
    return frames / FRAMES_PER_SECOND


def shorten_loop(span: Span, seek: int, speech: Spans | None, tokenizer: WhisperTokenizer) -> Span:
    """A segment without those repetitions at its end that there is no time to say.

    Args:
        span: The segment.
        seek: The first frame of its window.
        speech: Where speech is, in frames of the recording; None if nobody looked for it.
        tokenizer: The model's.
    """
    special = tokenizer.special
    places = [place for place, token in enumerate(span.tokens) if token < special.eot]
    text = [span.tokens[place] for place in places]
    found = _loop(text)
    if found is None:
        return span
    n_before, period = found
    available = _available_s((seek + span.start, seek + span.end), speech)
    if shortest_s(tokenizer.decode(text)) <= available:
        return span
    once = shortest_s(tokenizer.decode(text[n_before : n_before + period]))
    left = available - shortest_s(tokenizer.decode(text[:n_before]))
    n_repeats = max(1, int(left / once)) if once > 0 else 1
    kept = n_before + n_repeats * period
    if kept >= len(text):
        return span
    _log.debug("%d tokens of a loop at %.2f s dropped", len(text) - kept, (seek + span.start) / 100)
    dropped = set(places[kept:])
    tokens = tuple(token for place, token in enumerate(span.tokens) if place not in dropped)
    return replace(span, tokens=tokens)


def _loop(tokens: Sequence[int]) -> tuple[int, int] | None:
    """Where the longest loop at the end begins, and its period, in tokens; None if there is none.

    Its last round may be broken off.
    """
    best: tuple[int, int] | None = None
    for period in range(1, len(tokens) // _LEAST_REPEATS + 1):
        begin = periodic_from(tokens, period)
        if len(tokens) - begin >= _LEAST_REPEATS * period and (best is None or begin < best[0]):
            best = begin, period
    return best


def periodic_from(items: Sequence[object], period: int) -> int:
    """Where the longest end begins in which each item is the one that is a period before it.

    Args:
        items: Tokens or words, at least a period of them.
        period: In items.
    """
    begin = len(items) - period
    while begin > 0 and items[begin - 1] == items[begin - 1 + period]:
        begin -= 1
    return begin
