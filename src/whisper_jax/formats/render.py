"""The content of a transcript's file in each format.

``txt``, ``srt``, ``vtt``, ``tsv`` and ``json`` are those of openai-whisper's command, to the
byte. Where its files could not be read back (a blank line inside a subtitle, what looks like a
tag, a line break inside a table's cell, a number that JSON does not have), these can. What
openai-whisper does not know (languages of segments, retries, speakers) stands in JSON after its
own keys, in WebVTT where a transcript has several languages, and before texts where it has
speakers.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Literal, cast, get_args

from whisper_jax.errors import OptionError
from whisper_jax.formats import ass, lrc
from whisper_jax.formats.bilingual import make_bilingual_cues
from whisper_jax.formats.cues import Cue, make_cues, speaker_prefix
from whisper_jax.formats.options import SubtitleOptions
from whisper_jax.formats.subtitles import render_srt, render_vtt
from whisper_jax.formats.words import milliseconds
from whisper_jax.types import Segment, Transcript, Word

type Format = Literal["txt", "srt", "vtt", "tsv", "json", "ass", "lrc"]

FORMATS: tuple[str, ...] = get_args(Format.__value__)
"""The formats there are, which are also the files' suffixes."""

SUBTITLE_FORMATS = ("srt", "vtt", "ass", "lrc")
"""Those that `SubtitleOptions` and translations are for."""

_CELL_BREAKS = re.compile(r"\r\n|[\t\r\n]")


def render(
    transcript: Transcript,
    file_format: str,
    options: SubtitleOptions | None = None,
    *,
    translation: Transcript | None = None,
) -> str:
    r"""The content of the file that a transcript makes, with ``\n`` as line end.

    Args:
        transcript: What to write; without segments it gives a valid file with no entries.
        file_format: One of `FORMATS`:

            - ``txt``: the text of each segment on a line of its own;
            - ``srt``: SubRip subtitles, times as ``HH:MM:SS,mmm``;
            - ``vtt``: WebVTT subtitles, times as ``MM:SS.mmm``, from one hour on with hours; if
              several languages were transcribed, each text is a ``<lang>`` span;
            - ``tsv``: a table of start and end in milliseconds, and text, under a heading;
            - ``json``: text, segments with all their fields, language, and the probabilities of
              all languages as an object (empty if none was detected for the recording), in ASCII.
              A number that is not finite becomes null;
            - ``ass``: Advanced SubStation Alpha subtitles;
            - ``lrc``: lyrics for music players.
        options: The layout of subtitles, in ``srt``, ``vtt``, ``ass`` and ``lrc``; None makes a
            cue of each segment.
        translation: The same recording in another language, shown under the text in those four
            (`whisper_jax.formats.make_bilingual_cues`); the others hold the transcript alone.

    Raises:
        OptionError: If there is no such format.
    """
    options = SubtitleOptions() if options is None else options
    match require_format(file_format):
        case "txt":
            return "".join(f"{_named_text(segment)}\n" for segment in transcript.segments)
        case "srt":
            return render_srt(_cues(transcript, translation, options), options)
        case "vtt":
            cues = _cues(transcript, translation, options, names_speakers=False)
            return render_vtt(cues, options, names_languages=_is_mixed(transcript, translation))
        case "tsv":
            return _render_tsv(transcript)
        case "json":
            return _render_json(transcript)
        case "ass":
            cues = _cues(transcript, translation, options, tick_ms=ass.TICK_MS)
            return ass.render_ass(cues, options)
        case "lrc":
            cues = _cues(transcript, translation, options, tick_ms=lrc.TICK_MS)
            return lrc.render_lrc(cues, options)


def require_format(file_format: str) -> Format:
    """``file_format`` if there is such a one, else an `OptionError` that lists what there is."""
    if file_format not in FORMATS:
        raise OptionError(f"no format {file_format!r}; there are: {', '.join(FORMATS)}")
    return cast("Format", file_format)


def _cues(
    transcript: Transcript,
    translation: Transcript | None,
    options: SubtitleOptions,
    *,
    names_speakers: bool = True,
    tick_ms: int = 1,
) -> list[Cue]:
    if translation is None:
        return make_cues(transcript, options, names_speakers=names_speakers, tick_ms=tick_ms)
    return make_bilingual_cues(
        transcript, translation, options, names_speakers=names_speakers, tick_ms=tick_ms
    )


def _is_mixed(transcript: Transcript, translation: Transcript | None) -> bool:
    """Whether a file has several languages."""
    languages = {segment.language for segment in transcript.segments}
    return translation is not None or (len(languages) > 1 and transcript.task == "transcribe")


def _named_text(segment: Segment) -> str:
    speaker = "" if segment.speaker is None else speaker_prefix(segment.speaker)
    return speaker + segment.text.strip()


def _render_tsv(transcript: Transcript) -> str:
    has_speakers = any(segment.speaker is not None for segment in transcript.segments)
    rows = [["start", "end", "text"] + ["speaker"] * has_speakers]
    for segment in transcript.segments:
        times = [str(milliseconds(time_s)) for time_s in (segment.start, segment.end)]
        cells = [segment.text.strip()] + [segment.speaker or ""] * has_speakers
        rows.append(times + [_CELL_BREAKS.sub(" ", cell) for cell in cells])
    return "".join("\t".join(row) + "\n" for row in rows)


def _render_json(transcript: Transcript) -> str:
    return json.dumps(
        {
            "text": transcript.text,
            "segments": [_segment_fields(segment) for segment in transcript.segments],
            "language": transcript.language,
            "language_probabilities": _json_value(dict(transcript.language_probabilities)),
        },
        allow_nan=False,
    )


def _segment_fields(segment: Segment) -> dict[str, Any]:
    """A segment's fields; words and speaker where there are any, as in openai-whisper."""
    values = asdict(segment) | {"start": max(0.0, segment.start), "end": max(0.0, segment.end)}
    del values["words"], values["speaker"]
    if segment.words is not None:
        values["words"] = [_word_fields(word) for word in segment.words]
    if segment.speaker is not None:
        values["speaker"] = segment.speaker
    return _json_value(values)


def _word_fields(word: Word) -> dict[str, Any]:
    return {name: word[name] for name in ("word", "start", "end", "probability")}


def _json_value(value: Any) -> Any:
    """The value without numbers that JSON does not have."""
    match value:
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {name: _json_value(item) for name, item in items}
        case list() | tuple():
            return [_json_value(item) for item in cast("Iterable[Any]", value)]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value
