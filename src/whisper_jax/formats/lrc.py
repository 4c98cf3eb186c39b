"""LRC, the lyrics that music players show, plain and with the times of words."""

import re
from collections.abc import Sequence

from whisper_jax.formats.cues import Cue, speaker_prefix
from whisper_jax.formats.layout import Line
from whisper_jax.formats.marks import directed, word_times
from whisper_jax.formats.options import SubtitleOptions

TICK_MS = 10
"""LRC counts hundredths of a second."""

_PAUSE_MS = 1000
_TIME = re.compile(r"^\[|[\[<](?=\d)")
_WORD_JOINER = "\u2060"


def render_lrc(cues: Sequence[Cue], options: SubtitleOptions) -> str:
    """Cues as LRC: a line each, whose text stays until the next one's time.

    A pause of a second or more ends it with an empty line. With `SubtitleOptions.karaoke` each
    word has its time (the enhanced, or A2, format). A translation is a second line of the same
    time. The times of the cues are multiples of `TICK_MS`.
    """
    lines: list[str] = []
    for index, cue in enumerate(cues):
        stamp = _clock(cue.start_ms)
        lines += [f"[{stamp}]{text}\n" for text in _texts(cue, options)]
        is_last = index + 1 == len(cues)
        if is_last or cues[index + 1].start_ms - cue.end_ms >= _PAUSE_MS:
            lines.append(f"[{_clock(cue.end_ms)}]\n")
    return "".join(lines)


def _texts(cue: Cue, options: SubtitleOptions) -> list[str]:
    """A cue's text on one line, and its translation on another."""
    stamps = [f"<{_clock(start)}>" for start, _ in word_times(cue)] if options.karaoke else []
    prefix = "" if cue.speaker is None else _escaped(speaker_prefix(cue.speaker))
    texts: list[str] = []
    for lines, times in ((cue.lines, stamps), (cue.translation, [])):
        words = [word for line in lines for word in line]
        marked = ""
        for index, word in enumerate(words):
            time = times[index] if times else ""
            marked += (word.space if index else "") + time + _escaped(word.text)
        if times and words:
            marked += f"<{_clock(cue.end_ms)}>"
        if words:
            whole: Line = tuple(words)
            texts += directed([whole], [marked], prefix if lines is cue.lines else "")
    return texts


def _escaped(text: str) -> str:
    """Text without what players would take for a time."""
    return _TIME.sub(rf"{_WORD_JOINER}\g<0>", text)


def _clock(time_ms: int) -> str:
    minutes, rest = divmod(round(time_ms / TICK_MS), 6000)
    return f"{minutes:02d}:{rest // 100:02d}.{rest % 100:02d}"
