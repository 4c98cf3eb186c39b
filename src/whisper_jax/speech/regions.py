"""Where a recording is cut into regions that are transcribed on their own.

A region is speech that adjoins, packed to at most ``max_frames``. It ends where a pause is longer
than it is worth to listen to. Speech that does not fit is cut at the longest silence in the second
half of what would fit; if it goes on through all of it, in the middle of the quietest 100 ms.
So WhisperX (Bain et al. 2023, "cut and merge") cuts at the least probability of speech.

Cuts are causal: a region is known at most 60 s after its end, and nothing that follows changes it.
"""

import math
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from whisper_jax.audio.units import FRAMES_PER_SECOND, HOP, SAMPLE_RATE
from whisper_jax.options import TranscribeOptions
from whisper_jax.speech.spans import STEP_SAMPLES, Span, SpeechSpans

MAX_PAUSE_FRAMES = 3 * FRAMES_PER_SECOND
"""The longest pause within a region, if padding and ``min_silence_steps`` ask for none longer."""
QUIET_FRAMES = 10
"""What must be quiet where speech itself is cut: 100 ms, about a stop consonant."""

_NEVER = 1 << 60
"""A frame that no recording reaches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A part of a recording to transcribe. Positions are 10 ms frames.

    Attributes:
        start: First frame, padding included.
        stop: One past the last frame, padding included.
        speech: Spans of speech (start, stop) within it, in order, without padding.
    """

    start: int
    stop: int
    speech: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CutOptions:
    """What is speech, and how long regions are. A step is 32 ms, a frame 10 ms.

    With more than 10 s of ``min_speech_steps`` or ``min_silence_steps`` regions may be known later
    than a minute after their end.

    Attributes:
        threshold: Speech begins where its probability reaches this.
        neg_threshold: Speech ends where its probability falls below this.
        min_speech_steps: Shorter speech is taken for noise.
        min_silence_steps: Shorter silence does not part speech.
        pad_frames: Added before and after speech.
        max_frames: Regions are no longer.
        keep_silence: Regions adjoin and leave nothing out; they are cut in the middle of silences.
    """

    threshold: float
    neg_threshold: float
    min_speech_steps: int
    min_silence_steps: int
    pad_frames: int
    max_frames: int
    keep_silence: bool = False


def cut_options(options: TranscribeOptions) -> CutOptions:
    """What a user's options say about cutting."""
    max_frames = int(options.chunk_length * FRAMES_PER_SECOND)
    negative = options.vad_neg_threshold
    if negative is None:
        negative = max(options.vad_threshold - 0.15, 0.01)
    return CutOptions(
        threshold=options.vad_threshold,
        neg_threshold=negative,
        min_speech_steps=_steps(options.vad_min_speech_duration_ms),
        min_silence_steps=_steps(options.vad_min_silence_duration_ms),
        # More than a quarter on either side would leave too little for the speech.
        pad_frames=min(options.vad_speech_pad_ms // 10, max_frames // 4),
        max_frames=max_frames,
        keep_silence=not options.uses_vad,
    )


def _steps(duration_ms: int) -> int:
    """Steps that last so long, at least one."""
    return max(1, math.ceil(duration_ms * SAMPLE_RATE / 1000 / STEP_SAMPLES))


@final
class RegionCutter:
    """Probabilities of speech and levels in, regions out, as soon as they are final.

    How the probabilities and levels are parted into calls changes nothing. What is held is what
    the region being gathered needs, about a minute.
    """

    def __init__(self, options: CutOptions) -> None:
        self._options = options
        self._detector = SpeechSpans(
            threshold=options.threshold,
            neg_threshold=options.neg_threshold,
            min_speech_steps=options.min_speech_steps,
            min_silence_steps=options.min_silence_steps,
        )
        silence_frames = options.min_silence_steps * STEP_SAMPLES // HOP
        # Where a pause ends a region, padding must not depend on what comes after it.
        self._max_pause = max(MAX_PAUSE_FRAMES, silence_frames, 2 * options.pad_frames)
        self._probabilities: deque[float] = deque()  # their levels are not there yet
        self._n_steps = 0
        self._levels = np.zeros(0, np.float32)
        self._levels_start = 0
        self._spans: deque[Span] = deque()  # ended, and not in a region yet
        self._start = 0  # the next region begins here, or later
        self._end: int | None = None  # the recording's end, once it is known

    def push(
        self, probabilities: NDArray[np.float32], hop_levels: NDArray[np.float32]
    ) -> list[Region]:
        """Take what follows what was taken before; give the regions that are final by it.

        Args:
            probabilities: float32 [n], of speech in each 32 ms.
            hop_levels: float32 [m], the mean power of each 10 ms. A probability is used when
                the levels of its 32 ms are there.
        """
        self._probabilities.extend(probabilities.tolist())
        self._levels = np.concatenate([self._levels, hop_levels])
        n_hops = self._levels_start + len(self._levels)
        return self._advance(n_hops * HOP // STEP_SAMPLES)

    def finish(self, n_samples: int) -> list[Region]:
        """Give the regions that remain of a recording of so many samples."""
        self._end = -(-n_samples // HOP)
        for probability in self._probabilities:  # the last step goes beyond the end
            self._keep(self._detector.push(probability))
        self._keep(self._detector.finish())
        return self._final_regions()

    def _advance(self, n_steps: int) -> list[Region]:
        """Use the probabilities before a step."""
        regions: list[Region] = []
        while self._n_steps < n_steps and self._probabilities:
            self._keep(self._detector.push(self._probabilities.popleft()))
            self._n_steps += 1
            if self._n_steps % 32 == 0:
                regions += self._final_regions()
        return regions + self._final_regions()

    def _keep(self, span: Span | None) -> None:
        if span is not None:
            stop = span[1] if self._end is None else min(span[1], self._end)
            self._spans.append((span[0], stop))

    def _final_regions(self) -> list[Region]:
        find = self._next_adjoining if self._options.keep_silence else self._next_spoken
        regions: list[Region] = []
        while (region := find(self._known_spans())) is not None:
            regions.append(region)
        self._forget_levels()
        return regions

    def _known_spans(self) -> list[Span]:
        """What is surely speech and in no region yet; the last one may go on."""
        while self._spans and self._spans[0][1] <= self._start:
            self._spans.popleft()
        going_on = self._detector.open_span
        spans = [*self._spans] if going_on is None else [*self._spans, going_on]
        return [(max(start, self._start), stop) for start, stop in spans]

    @property
    def _silent_until(self) -> int:
        """Frame before which all spans are known."""
        return self._detector.silent_until if self._end is None else _NEVER

    def _next_spoken(self, spans: list[Span]) -> Region | None:
        """The next region of speech, if it is final."""
        if not spans:
            return None
        pad = self._options.pad_frames
        start = max(self._start, spans[0][0] - pad)
        limit = start + self._options.max_frames
        for i, (_, stop) in enumerate(spans):
            if stop > limit:
                return self._cut(start, spans, _pauses(spans))
            silent_until = spans[i + 1][0] if i + 1 < len(spans) else self._silent_until
            if silent_until - stop > self._max_pause:
                end = limit if self._end is None else min(limit, self._end)
                self._start = min(stop + pad, end)
                return Region(start=start, stop=self._start, speech=tuple(spans[: i + 1]))
        return None

    def _next_adjoining(self, spans: list[Span]) -> Region | None:
        """The next region of all that is heard, if it is final."""
        start = self._start
        limit = start + self._options.max_frames
        if self._end is not None and self._end <= limit:
            self._start = self._end
            region = Region(start=start, stop=self._end, speech=tuple(spans))
            return region if start < self._end else None
        # A silence that lasts beyond this is endless, so that nobody waits for its end.
        horizon = limit + self._options.max_frames // 2
        goes_on = bool(spans) and spans[-1][1] > limit
        if not goes_on and self._silent_until < horizon:
            return None
        edges = [(start, start), *spans, (self._end or _NEVER, _NEVER)]
        pauses = [(a, b if b < horizon else _NEVER) for a, b in _pauses(edges) if a < b]
        return self._cut(start, spans, pauses)

    def _cut(self, start: int, spans: list[Span], pauses: list[Span]) -> Region:
        """A region of at most ``max_frames`` out of spans and pauses that go on beyond that."""
        limit = start + self._options.max_frames
        half = start + self._options.max_frames // 2
        within = [(a, b) for a, b in pauses if a < limit and b > half]
        if not within:
            stop = self._start = self._quietest(half, limit)
        else:
            a, b = max(within, key=lambda pause: (pause[1] - max(pause[0], half), pause[0]))
            pad = self._options.pad_frames
            middle = (a + b) // 2
            # Later if that makes the region half as long as it may be, and still leaves padding.
            cut = min(max(middle, min(half, b - pad)), limit)
            stop = cut if self._options.keep_silence else min(a + pad, cut)
            self._start = cut if self._options.keep_silence else middle
        speech = tuple((first, min(last, stop)) for first, last in spans if first < stop)
        return Region(start=start, stop=stop, speech=speech)

    def _quietest(self, start: int, stop: int) -> int:
        """The middle of the quietest 100 ms, the last of equals, between two frames."""
        levels = self._levels[start - self._levels_start : stop - self._levels_start]
        powers = sliding_window_view(levels.astype(np.float64), QUIET_FRAMES).sum(axis=1)
        n_after = int(np.argmin(powers[::-1]))
        return stop - n_after - QUIET_FRAMES // 2

    def _forget_levels(self) -> None:
        """Drop the levels that no cut can ask for."""
        spans = self._known_spans()
        oldest = spans[0][0] if spans else self._silent_until
        if self._options.keep_silence:
            oldest = self._start
        n_old = min(max(0, oldest - self._levels_start), len(self._levels))
        self._levels = self._levels[n_old:]
        self._levels_start += n_old


def _pauses(spans: list[Span]) -> list[Span]:
    """What lies between spans."""
    return [(a, b) for (_, a), (b, _) in pairwise(spans)]
