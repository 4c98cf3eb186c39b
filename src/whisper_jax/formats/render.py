"""The content of a transcript's file in each format.

The formats are those of openai-whisper's command, to the byte. Where its files could not be read
back (a blank line inside a subtitle, a line break inside a table's cell, a number that JSON does
not have), these can. What openai-whisper does not know (languages of segments, retries) stands in
JSON after its own keys, and in WebVTT where a transcript has several languages.
"""

import html
import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Literal, cast, get_args

from whisper_jax.errors import OptionError
from whisper_jax.types import Segment, Transcript

type Format = Literal["txt", "srt", "vtt", "tsv", "json"]

FORMATS: tuple[str, ...] = get_args(Format.__value__)
"""The formats there are, which are also the files' suffixes."""

_ARROW = re.compile(r"-{2,}>")
_BLANK_LINES = re.compile(r"(?:[ \t]*(?:\r\n|\r|\n)){2,}")
_CELL_BREAKS = re.compile(r"\r\n|[\t\r\n]")


def render(transcript: Transcript, file_format: str) -> str:
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
              A number that is not finite becomes null.

    Raises:
        OptionError: If there is no such format.
    """
    match require_format(file_format):
        case "txt":
            return "".join(f"{segment.text.strip()}\n" for segment in transcript.segments)
        case "srt":
            return _render_srt(transcript)
        case "vtt":
            return _render_vtt(transcript)
        case "tsv":
            return _render_tsv(transcript)
        case "json":
            return _render_json(transcript)


def require_format(file_format: str) -> Format:
    """``file_format`` if there is such a one, else an `OptionError` that lists what there is."""
    match file_format:
        case "txt" | "srt" | "vtt" | "tsv" | "json":
            return file_format
        case _:
            raise OptionError(f"no format {file_format!r}; there are: {', '.join(FORMATS)}")


def _render_srt(transcript: Transcript) -> str:
    return "".join(
        f"{number}\n"
        f"{_clock(segment.start, hours=True, marker=',')} --> "
        f"{_clock(segment.end, hours=True, marker=',')}\n"
        f"{_subtitle(segment)}\n\n"
        for number, segment in enumerate(transcript.segments, start=1)
    )


def _render_vtt(transcript: Transcript) -> str:
    languages = {segment.language for segment in transcript.segments}
    is_mixed = len(languages) > 1 and transcript.task == "transcribe"
    return "WEBVTT\n\n" + "".join(
        f"{_clock(segment.start, hours=False, marker='.')} --> "
        f"{_clock(segment.end, hours=False, marker='.')}\n"
        f"{_language_span(segment) if is_mixed else _subtitle(segment)}\n\n"
        for segment in transcript.segments
    )


def _render_tsv(transcript: Transcript) -> str:
    return "start\tend\ttext\n" + "".join(
        f"{_milliseconds(segment.start)}\t{_milliseconds(segment.end)}\t"
        f"{_CELL_BREAKS.sub(' ', segment.text.strip())}\n"
        for segment in transcript.segments
    )


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
    times = {"start": max(0.0, segment.start), "end": max(0.0, segment.end)}
    return _json_value(asdict(segment) | times)


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


def _subtitle(segment: Segment) -> str:
    """A segment's text without what would end a subtitle: an arrow, a blank line."""
    return _BLANK_LINES.sub("\n", _ARROW.sub("->", segment.text.strip()))


def _language_span(segment: Segment) -> str:
    """A subtitle that says its language, as WebVTT has it: what looks like a tag is written out."""
    text = html.escape(_subtitle(segment), quote=False)
    return f"<lang {segment.language}>{text}</lang>" if segment.language else text


def _milliseconds(time_s: float) -> int:
    return max(0, round(1000 * time_s))


def _clock(time_s: float, *, hours: bool, marker: str) -> str:
    """``MM:SS.mmm``, with hours in front if asked for or not zero."""
    total_s, ms = divmod(_milliseconds(time_s), 1000)
    total_min, s = divmod(total_s, 60)
    h, m = divmod(total_min, 60)
    return (f"{h:02d}:" if hours or h > 0 else "") + f"{m:02d}:{s:02d}{marker}{ms:03d}"
