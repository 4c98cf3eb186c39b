"""SubRip and WebVTT."""

import html
import re
from collections.abc import Sequence
from functools import partial

from whisper_jax.formats.clocks import clock
from whisper_jax.formats.cues import Cue, speaker_prefix
from whisper_jax.formats.marks import directed, highlights, marked_lines, word_times
from whisper_jax.formats.options import SubtitleOptions

_ARROW = re.compile(r"-{2,}>")
_TAG = re.compile(r"<(?=\s*/?\s*(?:b|i|u|s|font)\b)|\{(?=\\)", re.IGNORECASE)
_WORD_JOINER = "\u2060"


def render_srt(cues: Sequence[Cue], options: SubtitleOptions) -> str:
    """Cues as SubRip.

    SubRip has no escapes: ``-->`` is written as ``->``, as openai-whisper does, and an invisible
    word joiner is put into what players would take for a tag.
    """
    entries: list[tuple[int, int, str]] = []
    for cue in cues:
        if options.highlight_words:
            entries += [(start, end, _srt_text(cue, i)) for start, end, i in highlights(cue)]
        else:
            entries.append((cue.start_ms, cue.end_ms, _srt_text(cue, None)))
    return "".join(
        f"{number}\n"
        f"{clock(start, hours=True, marker=',')} --> {clock(end, hours=True, marker=',')}\n"
        f"{text}\n\n"
        for number, (start, end, text) in enumerate(entries, start=1)
    )


def _srt_text(cue: Cue, highlighted: int | None) -> str:
    def mark(index: int, word: str) -> str:
        text = _srt_escaped(word)
        return f"<u>{text}</u>" if index == highlighted else text

    prefix = "" if cue.speaker is None else _srt_escaped(speaker_prefix(cue.speaker))
    lines = directed(cue.lines, marked_lines(cue.lines, mark), prefix)
    translation = marked_lines(cue.translation, lambda _, word: _srt_escaped(word))
    return "\n".join([*lines, *directed(cue.translation, translation)])


def _srt_escaped(text: str) -> str:
    return _TAG.sub(rf"\g<0>{_WORD_JOINER}", _ARROW.sub("->", text))


def render_vtt(cues: Sequence[Cue], options: SubtitleOptions, *, names_languages: bool) -> str:
    """Cues as WebVTT: speakers as ``<v>`` voices, languages, if asked for, as ``<lang>`` spans."""
    text_of = partial(_vtt_text, names_languages=names_languages)
    entries: list[tuple[int, int, str]] = []
    for cue in cues:
        if options.highlight_words:
            entries += [(start, end, text_of(cue, i)) for start, end, i in highlights(cue)]
        else:
            entries.append((cue.start_ms, cue.end_ms, text_of(cue, None, options.karaoke)))
    return "WEBVTT\n\n" + "".join(
        f"{clock(start, hours=False, marker='.')} --> {clock(end, hours=False, marker='.')}\n"
        f"{text}\n\n"
        for start, end, text in entries
    )


def _vtt_text(
    cue: Cue, highlighted: int | None, has_times: bool = False, *, names_languages: bool
) -> str:
    stamps = _vtt_stamps(cue) if has_times else {}

    def mark(index: int, word: str) -> str:
        text = _vtt_escaped(word)
        return stamps.get(index, "") + (f"<u>{text}</u>" if index == highlighted else text)

    text = "\n".join(directed(cue.lines, marked_lines(cue.lines, mark)))
    if names_languages and cue.language:
        text = f"<lang {_vtt_escaped(cue.language)}>{text}</lang>"
    if cue.translation:
        words = marked_lines(cue.translation, lambda _, word: _vtt_escaped(word))
        below = "\n".join(directed(cue.translation, words))
        code = _vtt_escaped(cue.translation_language)
        below = f"<lang {code}>{below}</lang>" if names_languages and code else below
        text = f"{text}\n{below}" if text else below
    return text if cue.speaker is None else f"<v {_vtt_escaped(cue.speaker)}>{text}"


def _vtt_stamps(cue: Cue) -> dict[int, str]:
    """The times of words within a cue; WebVTT wants them to rise, and to lie inside the cue."""
    stamps: dict[int, str] = {}
    last = cue.start_ms
    for index, (start, _) in enumerate(word_times(cue)):
        if last < start < cue.end_ms:
            stamps[index] = f"<{clock(start, hours=True, marker='.')}>"
            last = start
    return stamps


def _vtt_escaped(text: str) -> str:
    return html.escape(text, quote=False)
