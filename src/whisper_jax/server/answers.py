"""Transcripts as OpenAI's API answers them."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from whisper_jax.formats import render
from whisper_jax.options import Task
from whisper_jax.server.fields import Asked
from whisper_jax.text.languages import LANGUAGES
from whisper_jax.types import Segment, Transcript, Word

_SPEAKERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def answer(transcript: Transcript, asked: Asked) -> Response:
    """The whole answer, in the format that was asked for."""
    match asked.response_format:
        case "json":
            return JSONResponse(
                {"text": transcript.text.strip(), "usage": usage(transcript.duration)}
            )
        case "verbose_json":
            return JSONResponse(verbose_json(transcript, asked.granularities))
        case "diarized_json":
            return JSONResponse(diarized_json(transcript))
        case "text":
            return PlainTextResponse(transcript.text.strip() + "\n")
        case file_format:
            return PlainTextResponse(render(transcript, file_format, asked.layout))


def usage(duration_s: float) -> dict[str, Any]:
    """What was used: whole seconds, as OpenAI counts them."""
    return {"type": "duration", "seconds": math.ceil(duration_s)}


def verbose_json(transcript: Transcript, granularities: frozenset[str]) -> dict[str, Any]:
    """OpenAI's ``verbose_json``; languages, speakers and retries of segments are ours.

    ``words`` stand beside the segments, as OpenAI has them, and, where both are asked for, in their
    segments too: so the answer has all that subtitles are made of.
    """
    body: dict[str, Any] = {
        "task": transcript.task,
        "language": language_name(transcript.language, transcript.task),
        "duration": _number(transcript.duration),
        "text": transcript.text.strip(),
    }
    if "segment" in granularities:
        body["segments"] = [
            _segment(segment, has_words="word" in granularities) for segment in transcript.segments
        ]
    if "word" in granularities:
        body["words"] = [
            word_fields(word) | {"word": word.word.strip()}
            for segment in transcript.segments
            for word in segment.words or ()
        ]
    body["usage"] = usage(transcript.duration)
    return body


def diarized_json(transcript: Transcript) -> dict[str, Any]:
    """OpenAI's ``diarized_json``: who says what. A channel is a speaker, from A on."""
    names = speaker_letters(transcript.segments)
    return {
        "task": transcript.task,
        "duration": _number(transcript.duration),
        "text": transcript.text.strip(),
        "segments": [diarized_segment(segment, names) for segment in transcript.segments],
        "usage": usage(transcript.duration),
    }


def diarized_segment(segment: Segment, names: dict[str, str]) -> dict[str, Any]:
    """A segment with its speaker, also as an event of a stream."""
    speaker = segment.speaker or ""
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{segment.id + 1:03}",
        "start": _number(segment.start),
        "end": _number(segment.end),
        "text": segment.text.strip(),
        "speaker": names.setdefault(speaker, letter(speaker)),
    }


def speaker_letters(segments: Iterable[Segment]) -> dict[str, str]:
    """OpenAI's name for each speaker."""
    return {segment.speaker or "": letter(segment.speaker or "") for segment in segments}


def letter(speaker: str) -> str:
    """``Speaker 1`` is A, of a recording with a single channel everybody."""
    digits = "".join(character for character in speaker if character.isdigit())
    number = int(digits) - 1 if digits else 0
    return _SPEAKERS[number] if number < len(_SPEAKERS) else f"S{number + 1}"


def detail_segment(segment: Segment, *, has_words: bool) -> dict[str, Any]:
    """A segment of our own event ``transcript.segment``."""
    fields: dict[str, Any] = {
        "id": segment.id,
        "start": _number(segment.start),
        "end": _number(segment.end),
        "text": segment.text,
        "language": segment.language,
    }
    if segment.speaker is not None:
        fields["speaker"] = segment.speaker
    if has_words and segment.words is not None:
        fields["words"] = [word_fields(word) for word in segment.words]
    return fields


def word_fields(word: Word) -> dict[str, Any]:
    """A word with its times."""
    return {
        "word": word.word,
        "start": _number(word.start),
        "end": _number(word.end),
        "probability": _number(word.probability),
    }


def language_name(code: str, task: Task) -> str:
    """A language as OpenAI names it; of a translation always English."""
    return "english" if task == "translate" else LANGUAGES.get(code, code)


def partial(segments: Sequence[Segment]) -> dict[str, Any]:
    """What there is of a transcript that could not be finished."""
    return {
        "text": "".join(segment.text for segment in segments).strip(),
        "segments": [detail_segment(segment, has_words=True) for segment in segments],
    }


def _segment(segment: Segment, *, has_words: bool) -> dict[str, Any]:
    return {
        "id": segment.id,
        "seek": segment.seek,
        "start": _number(segment.start),
        "end": _number(segment.end),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": _number(segment.avg_logprob),
        "compression_ratio": _number(segment.compression_ratio),
        "no_speech_prob": _number(segment.no_speech_prob),
        **{
            name: value
            for name, value in detail_segment(segment, has_words=has_words).items()
            if name in ("language", "speaker", "words")
        },
    }


def _number(value: float) -> float | None:
    """JSON has neither infinities nor NaN."""
    return round(value, 6) if math.isfinite(value) else None
