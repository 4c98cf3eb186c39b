"""Silence around texts that are most likely made up is skipped, and the texts with it.

openai-whisper's rules for ``hallucination_silence_threshold`` (``transcribe.py``), in whole 10 ms
frames. A word counts as odd by how much it is improbable, too short or too long; a segment whose
first words are odd enough is an anomaly. One that stands in silence is dropped, and what follows is
heard again from where it began. Two things are done differently: where voice activity was looked
for, it says where to listen again, and what follows a window is known to be silent; and where a
recording's end is not known yet, it is not waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from whisper_jax.audio.units import FRAMES_PER_SECOND, N_FRAMES
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs.windows import Span, SpokenWord, WindowText

_UNLIKELY = 0.15
_SHORT_S, _SHORT_WEIGHT = 0.133, 15.0
_LONG_S = 2.0
_FIRST_WORDS = 8
_ANOMALY = 3.0
_NEAR_EDGE_FRAMES = 200
"""So near to an edge of the window nobody can tell what is beyond it."""
_LEAST_STEP_FRAMES = 100
"""What is heard again begins so much later at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowPlace:
    """Where a window stands: 10 ms frames of the recording.

    Attributes:
        seek: Its first frame.
        n_frames: Frames of content.
        stop: Where what there is to transcribe ends; None if that is not known yet.
        last_speech: Where the last word before it ended.
        has_speech: Whether voice activity was looked for: then nobody speaks after the window.
    """

    seek: int
    n_frames: int
    stop: int | None
    last_speech: int
    has_speech: bool


def skip_silence(
    text: WindowText, spans: Sequence[Span], place: WindowPlace, options: TranscribeOptions
) -> tuple[WindowText, tuple[Span, ...]]:
    """What is kept of a window's text, and where the next window begins.

    Args:
        text: Its text, done where the last word ends.
        spans: Its segments with their words.
        place: Where it stands.
        options: The threshold, which is not None, and the signs that are no words.
    """
    assert options.hallucination_silence_threshold is not None
    threshold = options.hallucination_silence_threshold * FRAMES_PER_SECOND
    signs = options.prepend_punctuations + options.append_punctuations
    spoken = [span for span in spans if span.words]
    odd = [_is_anomaly(span.words or (), signs) for span in spoken]
    if spoken and odd[0] and spoken[0].start > threshold:
        # Without the silence before it, it may be heard rightly.
        return _heard_again(text, spoken[0].start), ()
    n_heard = place.n_frames if place.has_speech else N_FRAMES
    reached: float = place.last_speech - place.seek
    for index, span in enumerate(spoken):
        is_last = index + 1 == len(spoken)
        following = place.n_frames if is_last else _first_word(spoken[index + 1])
        stands_alone = (
            span.start - reached > threshold
            or place.seek + span.start < threshold
            or span.start < _NEAR_EDGE_FRAMES
        ) and (
            following - span.end > threshold
            or (not is_last and odd[index + 1])
            or n_heard - span.end < _NEAR_EDGE_FRAMES
        )
        if odd[index] and stands_alone:
            kept = tuple(spans[: _index_of(spans, span)])
            return _heard_again(text, _go_on(span, place, threshold)), kept
        reached = span.end
    ends_open = not place.has_speech and not text.is_closed
    if ends_open and spoken and 0 < n_heard - reached <= threshold:
        # Too little is left after the last word to be heard again.
        text = replace(text, n_done=place.n_frames)
    return text, tuple(spans)


def _go_on(span: Span, place: WindowPlace, threshold: float) -> int:
    """Where to listen again after a segment was dropped: frames from the window's start."""
    if place.stop is not None and place.stop - (place.seek + span.end) < threshold:
        return place.stop - place.seek
    return min(max(_LEAST_STEP_FRAMES, span.start), place.n_frames)


def _heard_again(text: WindowText, n_done: int) -> WindowText:
    """The text, as if the model itself had said that it ends there."""
    return replace(text, n_done=n_done, last_time=n_done)


def _is_anomaly(words: Sequence[SpokenWord], signs: str) -> bool:
    """Whether the first words of a segment are so odd that it is most likely made up."""
    first = [word for word in words if word.text.strip() not in signs][:_FIRST_WORDS]
    score = sum(map(_oddness, first))
    return score >= _ANOMALY or score + 0.01 >= len(first)


def _oddness(word: SpokenWord) -> float:
    duration_s = (word.end - word.start) / FRAMES_PER_SECOND
    return (
        (1.0 if word.probability < _UNLIKELY else 0.0)
        + max(0.0, _SHORT_S - duration_s) * _SHORT_WEIGHT
        + max(0.0, duration_s - _LONG_S)
    )


def _first_word(span: Span) -> int:
    return span.words[0].start if span.words else span.start


def _index_of(spans: Sequence[Span], wanted: Span) -> int:
    return next(index for index, span in enumerate(spans) if span is wanted)
