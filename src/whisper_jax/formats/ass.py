"""Advanced SubStation Alpha, with karaoke."""

import re
from collections.abc import Sequence

from whisper_jax.formats.cues import Cue, speaker_prefix
from whisper_jax.formats.marks import (
    directed,
    highlights,
    marked_lines,
    runs_right_to_left,
    word_times,
)
from whisper_jax.formats.options import SubtitleOptions

TICK_MS = 10
"""ASS counts hundredths of a second."""

_HEADER = """\
[Script Info]
ScriptType: v4.00+
PlayResX: 1920
PlayResY: 1080
WrapStyle: {wrap_style}
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,{look},64,{colours}
Style: Translation,{look},48,{colours}

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_FONT = "Arial"
_COLOURS = "&H00FFFFFF,&H00A0A0A0,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,96,96,54,1"
"""White, grey before a word is sung, a black outline; centred at the bottom."""

_WORD_JOINER = "\u2060"


def render_ass(cues: Sequence[Cue], options: SubtitleOptions) -> str:
    r"""Cues as ASS; with `SubtitleOptions.karaoke` each word has a ``\k`` tag.

    Words of scripts that run from right to left are neither tagged nor highlighted.

    The times of the cues are multiples of `TICK_MS`.
    """
    # 2: lines end where they are broken. 0: the player breaks what is too long for the picture.
    wrap_style = 0 if options.max_line_width is None else 2
    events = [event for cue in cues for event in _events(cue, options)]
    header = _HEADER.replace("{wrap_style}", str(wrap_style))
    return header.replace("{look}", _FONT).replace("{colours}", _COLOURS) + "".join(events)


def _events(cue: Cue, options: SubtitleOptions) -> list[str]:
    # Players lay out what stands between two tags by itself, one after the other from left to
    # right, as VSFilter did: tags inside a line would turn the order of its words around.
    has_marks = not runs_right_to_left(cue.lines)
    if options.highlight_words and has_marks:
        parts = [
            (_to_tick(start), _to_tick(end), _underlined(cue, index))
            for start, end, index in highlights(cue)
        ]
        return [_event(cue, *part) for part in parts if part[0] < part[1]]
    lines = _sung(cue) if options.karaoke and has_marks else _underlined(cue, None)
    return [_event(cue, cue.start_ms, cue.end_ms, lines)]


def _event(cue: Cue, start_ms: int, end_ms: int, lines: Sequence[str]) -> str:
    prefix = "" if cue.speaker is None else _escaped(speaker_prefix(cue.speaker))
    text = r"\N".join(directed(cue.lines, lines, prefix))
    if cue.translation:
        words = marked_lines(cue.translation, lambda _, word: _escaped(word))
        below = r"{\rTranslation}" + r"\N".join(directed(cue.translation, words))
        text = rf"{text}\N{below}" if text else below
    # A comma would end the field.
    name = re.sub(r"[,\r\n]", " ", cue.speaker or "")
    return f"Dialogue: 0,{_clock(start_ms)},{_clock(end_ms)},Default,{name},0,0,0,,{text}\n"


def _underlined(cue: Cue, highlighted: int | None) -> list[str]:
    def mark(index: int, word: str) -> str:
        text = _escaped(word)
        return rf"{{\u1}}{text}{{\u0}}" if index == highlighted else text

    return marked_lines(cue.lines, mark)


def _sung(cue: Cue) -> list[str]:
    """Each word with how long it lasts, up to the next one, in hundredths of a second."""
    starts = [_to_tick(start) for start, _ in word_times(cue)]
    ends = [*starts[1:], cue.end_ms]
    lead = (starts[0] - cue.start_ms) // TICK_MS if starts else 0

    def mark(index: int, word: str) -> str:
        tag = rf"{{\k{(ends[index] - starts[index]) // TICK_MS}}}"
        before = rf"{{\k{lead}}}" if index == 0 and lead > 0 else ""
        return before + tag + _escaped(word)

    return marked_lines(cue.lines, mark)


def _to_tick(time_ms: int) -> int:
    return TICK_MS * round(time_ms / TICK_MS)


def _escaped(text: str) -> str:
    r"""Text without what begins a tag, or, as ``\N``, ends a line.

    A brace is escaped as libass reads it; an invisible word joiner parts a backslash from what
    follows.
    """
    return text.replace("\\", "\\" + _WORD_JOINER).replace("{", r"\{").replace("}", r"\}")


def _clock(time_ms: int) -> str:
    seconds, hundredths = divmod(time_ms // TICK_MS, 100)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}.{hundredths:02d}"
