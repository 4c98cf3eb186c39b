"""Cutting windows of samples, and reading the text of a window into segments."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import (
    FRAMES_PER_SECOND,
    FRAMES_PER_TIMESTAMP,
    HOP,
    MARGIN_AFTER,
    MARGIN_BEFORE,
)
from whisper_jax.requests import Read, Samples


def window_read(seek: int, n_frames: int, *, peek: bool = False) -> Read:
    """What to read for a window of ``n_frames`` from frame ``seek``, margins included."""
    stop = (seek + n_frames) * HOP + MARGIN_AFTER
    # The reflection at the beginning takes one sample more than its own length.
    return Read(start=seek * HOP - MARGIN_BEFORE, stop=max(stop, MARGIN_BEFORE + 1), peek=peek)


def window_samples(read: Samples, seek: int, n_frames: int) -> tuple[NDArray[np.float32], int]:
    """The samples that `Encode` wants, and how many frames of content there are.

    At the beginning of the recording the margin is its reflection, as in openai-whisper's
    spectrogram; at its end, silence.

    Args:
        read: The answer to `window_read`.
        seek: First frame.
        n_frames: Most frames.
    """
    first = seek * HOP
    n_content = min(n_frames, max(0, (read.start + len(read.samples) - first) // HOP))
    n_wanted = MARGIN_BEFORE + n_content * HOP + MARGIN_AFTER
    samples = read.samples
    if first < MARGIN_BEFORE:
        body = np.pad(samples, (0, max(0, MARGIN_BEFORE + 1 - len(samples))))
        before = MARGIN_BEFORE - first
        samples = np.concatenate([body[before:0:-1], samples])
    return samples[:n_wanted], n_content


@dataclass(frozen=True, kw_only=True, slots=True)
class SpokenWord:
    """A word of a window's text: times in 10 ms frames from the window's start."""

    start: int
    end: int
    text: str
    probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A piece of a window's text: times in 10 ms frames from the window's start.

    Attributes:
        start: First frame.
        end: One past the last.
        tokens: Timestamps included.
        words: Its words; None where nobody asked for them.
    """

    start: int
    end: int
    tokens: tuple[int, ...]
    words: tuple[SpokenWord, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowText:
    """The text of a window, in 10 ms frames from the window's start.

    Attributes:
        spans: Its segments; those without length are left out.
        n_done: Where the next window begins by openai-whisper's rule.
        last_time: The timestamp that the text ends with; None if it ends otherwise.
        is_closed: Whether it ends with a single timestamp: nothing is spoken after it.
    """

    spans: tuple[Span, ...]
    n_done: int
    last_time: int | None
    is_closed: bool


def split_window(tokens: Sequence[int], timestamp_begin: int, n_frames: int) -> WindowText:
    """Cut a window's tokens at its timestamps, and say where the next window begins.

    openai-whisper's rule: a pair of timestamps closes a segment. If the text ends with a single
    timestamp, nothing is spoken after it and the whole window is done; if it ends with a pair or
    with text, the next window begins at the last closed segment's end. A window without a pair
    is one segment, up to its last timestamp if it has one.

    Args:
        tokens: What was decoded.
        timestamp_begin: Token of 0.00 s.
        n_frames: Frames of content in the window.
    """
    is_time = [token >= timestamp_begin for token in tokens]
    cuts = [i for i in range(1, len(tokens)) if is_time[i - 1] and is_time[i]]
    ends_with_time = len(tokens) >= 2 and is_time[-1]
    last_time = _frame(tokens[-1], timestamp_begin) if ends_with_time else None
    is_closed = ends_with_time and not is_time[-2]
    if not cuts:
        whole = _whole_window(tokens, timestamp_begin, n_frames)
        return WindowText(spans=(whole,), n_done=n_frames, last_time=last_time, is_closed=is_closed)
    if is_closed:
        cuts.append(len(tokens))
    spans: list[Span] = []
    for begin, end in zip([0, *cuts], cuts, strict=False):
        piece = tuple(tokens[begin:end])
        spans.append(
            Span(
                start=_frame(piece[0], timestamp_begin),
                end=_frame(piece[-1], timestamp_begin),
                tokens=piece,
            )
        )
    n_done = n_frames if is_closed else min(spans[-1].end, n_frames)
    return WindowText(
        spans=tuple(span for span in spans if span.start < span.end),
        # A text without any length would be heard again and again.
        n_done=n_done or n_frames,
        last_time=last_time,
        is_closed=is_closed,
    )


def _whole_window(tokens: Sequence[int], timestamp_begin: int, n_frames: int) -> Span:
    times = [_frame(token, timestamp_begin) for token in tokens if token >= timestamp_begin]
    last = times[-1] if times else 0
    return Span(start=0, end=last if last > 0 else n_frames, tokens=tuple(tokens))


def _frame(token: int, timestamp_begin: int) -> int:
    # Where rules are off a text may begin without a timestamp: then it begins with the window.
    return max(0, token - timestamp_begin) * FRAMES_PER_TIMESTAMP


def fit_into(spans: Sequence[Span], n_frames: int) -> list[Span]:
    """The spans with times within the window, each one timestamp's step long at least.

    The model hears a short window's padding too, and may set times in it.
    """
    latest_start = max(0, n_frames - FRAMES_PER_TIMESTAMP)
    return [
        replace(span, start=min(span.start, latest_start), end=min(span.end, n_frames))
        for span in spans
    ]


def done_with_words(text: WindowText, spans: Sequence[Span]) -> WindowText:
    """The text of a window, done where its last word ends, if that is known.

    openai-whisper's rule where it times words: they are trusted more than a text's timestamps, but
    for one that says that nothing follows.
    """
    ends = [span.words[-1].end for span in spans if span.words]
    if text.is_closed or not ends or ends[-1] <= 0:
        return text
    return replace(text, n_done=ends[-1])


def clip_ranges(clip_timestamps: Sequence[float]) -> list[tuple[int, int | None]]:
    """Clips as [start, end) in frames; the end is None where the recording's end ends it."""
    points = [round(time * FRAMES_PER_SECOND) for time in clip_timestamps] or [0]
    ends: list[int | None] = [*points[1::2]]
    if len(points) % 2 == 1:
        ends.append(None)
    return list(zip(points[::2], ends, strict=True))
