"""Probabilities of speech to spans of speech: two thresholds, shortest speech, shortest silence.

The rules are those of Silero VAD's and faster-whisper's ``get_speech_timestamps``.
"""

from typing import final

from whisper_jax.audio.units import HOP

STEP_SAMPLES = 512
"""Samples of a step, 32 ms, for which there is one probability."""

type Span = tuple[int, int]
"""First 10 ms frame, and one past the last."""


@final
class SpeechSpans:
    """Finds spans of speech in probabilities, one after the other.

    A span begins with a step at or above ``threshold``. It ends with the first step below
    ``neg_threshold`` that is followed by ``min_silence_steps``, itself among them, without a step
    at or above ``threshold``. Spans of fewer than ``min_speech_steps`` are forgotten.
    """

    def __init__(
        self,
        *,
        threshold: float,
        neg_threshold: float,
        min_speech_steps: int,
        min_silence_steps: int,
    ) -> None:
        self._threshold = threshold
        self._neg_threshold = neg_threshold
        self._min_speech_steps = min_speech_steps
        self._min_silence_steps = min_silence_steps
        self._n_steps = 0
        self._start: int | None = None  # first step of a span that has not ended
        self._quiet: int | None = None  # first step of the silence that may end it

    def push(self, probability: float) -> Span | None:
        """Take the next step's probability; give the span that is known to have ended by it."""
        if probability >= self._threshold:
            self._start = self._n_steps if self._start is None else self._start
            self._quiet = None
        elif probability < self._neg_threshold and self._quiet is None:
            self._quiet = self._n_steps
        self._n_steps += 1
        if self._quiet is None or self._n_steps - self._quiet < self._min_silence_steps:
            return None
        return self.finish()

    def finish(self) -> Span | None:
        """End the span that has not ended, and give it."""
        ended = self.open_span
        self._start = None
        self._quiet = None
        return ended

    @property
    def open_span(self) -> Span | None:
        """The span that has not ended, as far as it is sure; None if it may still be forgotten."""
        if self._start is None:
            return None
        stop = self._n_steps if self._quiet is None else self._quiet
        is_sure = stop - self._start >= self._min_speech_steps
        return (_frame_at(self._start), _frame_after(stop)) if is_sure else None

    @property
    def silent_until(self) -> int:
        """10 ms frame before which all spans have been given, or stand open."""
        if self._start is None:
            return _frame_at(self._n_steps)
        return _frame_at(self._start) if self.open_span is None else self.open_span[1]


def _frame_at(step: int) -> int:
    """The frame in which a step begins."""
    return step * STEP_SAMPLES // HOP


def _frame_after(step: int) -> int:
    """One past the frame in which the step before this one ends."""
    return -(-step * STEP_SAMPLES // HOP)
