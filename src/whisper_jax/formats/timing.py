"""When cues are shown: in order, apart, long enough to be read."""

from collections.abc import Sequence
from dataclasses import dataclass

from whisper_jax.formats.options import SubtitleOptions

_INTERRUPTED_MS = 1000
"""A cue that is interrupted (somebody else speaks) is shown so long, and the other one waits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """When the words of a cue are spoken, and how many characters there are to read."""

    start_ms: int
    end_ms: int
    n_characters: int


def shown_times(
    cues: Sequence[Spoken], options: SubtitleOptions, *, tick_ms: int = 1
) -> list[tuple[int, int]]:
    """When each cue begins and ends to be shown, in milliseconds.

    None begins before the one before it has ended and the gap has passed; none ends before it
    begins. All that is short is made longer into the pause that follows. Where there is none, a
    cue that has not reached its least duration delays the next one.

    Args:
        cues: In order of their beginnings.
        options: The limits.
        tick_ms: What a format counts time in: all times are multiples of it.
    """
    gap = _ticks_up(1000 * options.min_cue_gap, tick_ms)
    longest = options.max_cue_duration
    most = None if longest is None else max(1, int(1000 * longest) // tick_ms)
    times: list[tuple[int, int]] = []
    earliest = 0
    for index, cue in enumerate(cues):
        start = max(earliest, round(cue.start_ms / tick_ms))
        spoken_end = round(cue.end_ms / tick_ms)
        least, wanted = _durations(cue, options, tick_ms, gap)
        if most is not None:
            least, wanted = min(least, most), min(wanted, most)
            spoken_end = min(spoken_end, start + most)
        end = max(spoken_end, start + wanted)
        if index + 1 < len(cues):
            end = min(end, round(cues[index + 1].start_ms / tick_ms) - gap)
        end = max(end, start + least)
        times.append((start * tick_ms, end * tick_ms))
        earliest = end + gap
    return times


def _durations(cue: Spoken, options: SubtitleOptions, tick_ms: int, gap: int) -> tuple[int, int]:
    """The least ticks that a cue is shown, and those it should be shown if nothing follows."""
    spoken = round((cue.end_ms - cue.start_ms) / tick_ms)
    shortest = _ticks_up(1000 * options.min_cue_duration, tick_ms)
    least = max(1, shortest, min(spoken - gap, _INTERRUPTED_MS // tick_ms))
    speed = options.max_reading_speed
    reading = 0 if speed is None else _ticks_up(1000 * cue.n_characters / speed, tick_ms)
    return least, max(least, reading)


def _ticks_up(time_ms: float, tick_ms: int) -> int:
    """Whole ticks that are no less than a time; a rounding error makes no further one."""
    return -int(-(time_ms - 1e-6) // tick_ms) if time_ms > 0 else 0
