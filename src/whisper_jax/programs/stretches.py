"""Stretches of a recording, and where the next window of one begins.

openai-whisper trusts a text's last timestamp: what comes after a single one is silence. Often it
is not, and speech is lost. Where voice activity was looked for, what it found decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from whisper_jax.programs.windows import WindowText

MIN_LEFT_FRAMES = 50
"""Speech after a text's last timestamp that is worth a further window. In 223 windows of 164 clips
(base, greedy; 15 languages), speech went on for up to 0.40 s after texts that were complete:
timestamps and the ends of speech as voice activity has them do not agree better. After texts that
broke off it was 0.53 to 13 s."""
MIN_TAIL_FRAMES = 70
"""Speech that goes on through the last timestamp counts if it does so for longer than this. Of
shorter ends, heard alone, the model made up more than was said."""
LEAD_FRAMES = 40
"""A further window begins so much before the speech left behind: the model sets the first time of
a window within its first second."""
FRAMES_PER_WINDOW = 200
"""A stretch has at most one window for so many frames of it, and two more: a model that finds a
word at a time could otherwise be asked hundreds of times."""

type Spans = Sequence[tuple[int, int]]
"""Speech as (start, stop) in 10 ms frames of the recording, in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A part of the recording that is transcribed in one language, window after window.

    Attributes:
        start: First 10 ms frame.
        stop: One past the last frame; None where the recording's end ends it.
        speech: Speech in it; None if nobody looked for speech.
        language: Code of its language; None if each window is to be asked.
    """

    start: int
    stop: int | None
    speech: Spans | None
    language: str | None


def spoken_frames(speech: Spans, start: int, stop: int) -> int:
    """Frames of speech between ``start`` and ``stop``."""
    return sum(max(0, min(end, stop) - max(begin, start)) for begin, end in speech)


def left_behind(speech: Spans, last: int, stop: int) -> int | None:
    """Where to listen again for speech after a text's last timestamp; None if it is not worth it.

    Args:
        speech: Spans of speech.
        last: The frame of the timestamp.
        stop: Where the stretch ends.
    """
    spans = [(max(begin, last), min(end, stop)) for begin, end in speech if last < end]
    if spans and spans[0][0] == last and spans[0][1] - last < MIN_TAIL_FRAMES:
        del spans[0]
    if sum(end - begin for begin, end in spans) < MIN_LEFT_FRAMES:
        return None
    return max(last, spans[0][0] - LEAD_FRAMES)


def next_start(
    stretch: Stretch, window: tuple[int, int], text: WindowText | None, n_windows: int
) -> int | None:
    """Where the next window of a stretch begins; None if nothing is left in it.

    After a text that ends with a timestamp the next window begins with the speech that is left
    behind it, or else after what was heard. Of what nobody has heard yet, no speech is too short.

    Args:
        stretch: The stretch. Where nobody looked for speech, openai-whisper's rule decides.
        window: The last window's first frame, and one past its last.
        text: Its text; None if it was skipped.
        n_windows: Windows of the stretch so far.
    """
    start, end = window
    following = end if text is None else start + text.n_done
    if stretch.speech is not None and stretch.stop is not None:
        most_windows = 2 + (stretch.stop - stretch.start) // FRAMES_PER_WINDOW
        if n_windows >= most_windows:
            following = end
        elif text is not None and text.last_time is not None:
            left = left_behind(stretch.speech, start + text.last_time, stretch.stop)
            following = left if left is not None and start < left < end else end
        if following == end and spoken_frames(stretch.speech, end, stretch.stop) == 0:
            return None
    return following if stretch.stop is None or following < stretch.stop else None
