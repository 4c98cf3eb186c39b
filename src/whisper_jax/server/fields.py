"""The fields of a form: OpenAI's, and an option of ours for each further name.

Every field is honoured or refused by name. What is made of them is the same `TranscribeOptions` and
`SubtitleOptions` that the command line and Python make.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, get_type_hints

from whisper_jax.errors import OptionError
from whisper_jax.formats import SUBTITLE_FORMATS, SubtitleOptions
from whisper_jax.options import AUTO, Task, TranscribeOptions
from whisper_jax.server.errors import ApiError, as_api_error, refused
from whisper_jax.server.values import truth_of, value_of
from whisper_jax.text.languages import language_code

RESPONSE_FORMATS: Final = (
    *("json", "text", "srt", "verbose_json", "vtt", "diarized_json"),
    *("tsv", "ass", "lrc"),
)
"""OpenAI's formats, and ours after them."""

GRANULARITIES: Final = ("segment", "word")

_NO_FIELDS = ("task", "initial_prompt")
"""Options that have another name in OpenAI's API: the path, and ``prompt``."""

OPTION_FIELDS: Final = tuple(
    field.name for field in fields(TranscribeOptions) if field.name not in _NO_FIELDS
)
LAYOUT_FIELDS: Final = tuple(field.name for field in fields(SubtitleOptions))

_OPENAI_FIELDS = (*("model", "prompt", "response_format", "stream", "stream_detail"),)
_SINGLE = frozenset((*_OPENAI_FIELDS, *OPTION_FIELDS, *LAYOUT_FIELDS))
_OPENAI_LISTS = ("timestamp_granularities", "languages", "keywords", "include")
_TRANSCRIPTIONS_ONLY = ("chunking_strategy", "languages", "keywords", "include")
_KNOWN_SPEAKERS = ("known_speaker_names", "known_speaker_references")

_HINTS = get_type_hints(TranscribeOptions) | get_type_hints(SubtitleOptions)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a client asks for.

    Attributes:
        model: The model's name, as the client has it.
        options: How to transcribe.
        response_format: One of `RESPONSE_FORMATS`.
        granularities: Whose times ``verbose_json`` holds: ``segment``, ``word``.
        layout: Of subtitles.
        streams: Whether segments are sent as they become final.
        tells_detail: Whether the stream also has progress and whole segments.
    """

    model: str
    options: TranscribeOptions
    response_format: str = "json"
    granularities: frozenset[str] = frozenset(("segment",))
    layout: SubtitleOptions = field(default_factory=SubtitleOptions)
    streams: bool = False
    tells_detail: bool = False


def read_fields(items: Sequence[tuple[str, str]], task: Task) -> Asked:
    """What is asked for by the text fields of a form.

    Args:
        items: Names and values, in order.
        task: What the path stands for.

    Raises:
        ApiError: A field is unknown, is given twice, or cannot be honoured.
    """
    single, lists = _sorted_out(items, task)
    if "model" not in single or not single["model"]:
        raise refused("no model is named; give the field model", "model", "missing_field")
    response_format = single.get("response_format", "json")
    if response_format not in RESPONSE_FORMATS:
        raise refused(
            f"no response_format {response_format!r}; there are: {', '.join(RESPONSE_FORMATS)}",
            "response_format",
        )
    given = _options(single, lists)
    layout = {
        name: value_of(name, single[name], _HINTS[name]) for name in LAYOUT_FIELDS if name in single
    }
    try:
        asked_layout = SubtitleOptions(**layout)
        granularities = _granularities(lists)
        if "word" in granularities or asked_layout.needs_words:
            given.setdefault("word_timestamps", True)
        options = TranscribeOptions(task=task, **given)
        if options.language not in (None, AUTO):
            language_code(options.language)
    except OptionError as error:
        raise _named(error, single) from error
    asked = Asked(
        model=single["model"],
        options=options,
        response_format=response_format,
        granularities=granularities,
        layout=asked_layout,
        streams=truth_of("stream", single.get("stream", "false")),
        tells_detail=truth_of("stream_detail", single.get("stream_detail", "false")),
    )
    _require_together(asked, single, lists)
    return asked


def _sorted_out(
    items: Sequence[tuple[str, str]], task: Task
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Fields that stand once, and lists; whatever else there is, is refused."""
    single: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    for given, value in items:
        name = given.removesuffix("[]")
        if name in _KNOWN_SPEAKERS:
            raise refused(
                f"{given} cannot be honoured: voices are not told apart, only channels "
                "(channels=split)",
                given,
                "unsupported_parameter",
            )
        if task == "translate" and name.partition("[")[0] in _TRANSCRIPTIONS_ONLY:
            raise refused(f"{given} is for transcriptions", given, "unsupported_parameter")
        if name in _OPENAI_LISTS:
            lists.setdefault(name, []).append(value)
        elif given in _SINGLE or given.partition("[")[0] == _CHUNKING:
            if given in single:
                raise refused(f"{given} is given twice", given)
            single[given] = value
        else:
            raise refused(f"unknown parameter: {given!r}", given, "unknown_parameter")
    return single, lists


def _options(single: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The options of the transcription by their names in `TranscribeOptions`."""
    given: dict[str, Any] = {}
    given |= _chunking(single)
    for name in OPTION_FIELDS:
        if name in single and name != "temperature":
            given[name] = value_of(name, single[name], _HINTS[name])
    if single.get("prompt"):
        given["initial_prompt"] = single["prompt"]
    if "temperature" in single:
        given |= _temperature(single["temperature"])
    if any(part.strip() for part in lists.get("include", ())):
        raise refused(
            "include cannot be honoured: the probabilities of tokens are not kept; verbose_json "
            "has those of words and segments",
            "include[]",
            "unsupported_parameter",
        )
    keywords = [word.strip() for word in lists.get("keywords", ()) if word.strip()]
    if keywords:
        if "hotwords" in given:
            raise refused("keywords and hotwords are the same; give one of them", "keywords[]")
        given["hotwords"] = ", ".join(keywords)
    given |= _languages(given.get("language"), lists.get("languages", ()))
    return given


def _temperature(text: str) -> dict[str, Any]:
    """OpenAI's temperature: 0 means all of the usual ones; with commas, which ones."""
    if "," in text:
        return {"temperature": text}
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise refused(f"temperature is {text!r}; give 0 to 1", "temperature")
    return {} if number == 0 else {"temperature": number}


def _languages(language: str | None, languages: Sequence[str]) -> dict[str, Any]:
    """OpenAI's list of languages, of which Whisper can be told one."""
    names = [name.strip() for name in languages if name.strip()]
    if not names:
        return {} if language else {"language": None}
    if language or len(names) > 1:
        raise refused(
            "one language can be given; language=auto detects it for every piece of speech",
            "languages[]",
            "unsupported_parameter",
        )
    return {"language": names[0]}


def _chunking(single: Mapping[str, str]) -> dict[str, Any]:
    """OpenAI's ``chunking_strategy`` as our options of voice activity.

    It is a word or JSON; OpenAI's client sends a field for each of its members instead
    (``chunking_strategy[threshold]``).
    """
    parts = {
        name.removeprefix(_CHUNKING)[1:-1]: _number_or_text(value)
        for name, value in single.items()
        if name.startswith(f"{_CHUNKING}[")
    }
    text = single.get(_CHUNKING, AUTO)
    if not parts:
        try:
            parts = AUTO if text in ("", AUTO) else json.loads(text)
        except (ValueError, RecursionError):
            parts = text
    if parts == AUTO:
        return {}
    if not isinstance(parts, dict) or parts.get("type") != "server_vad":
        raise _no_chunking()
    settings = {name: value for name, value in parts.items() if name != "type"}
    if not settings.keys() <= _SERVER_VAD.keys():
        raise _no_chunking()
    return {"vad_filter": True} | {_SERVER_VAD[name]: value for name, value in settings.items()}


def _no_chunking() -> ApiError:
    return refused(
        'chunking_strategy is "auto" or {"type": "server_vad", "threshold": …, '
        '"prefix_padding_ms": …, "silence_duration_ms": …}',
        _CHUNKING,
    )


def _number_or_text(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


_CHUNKING = "chunking_strategy"
_SERVER_VAD = {
    "threshold": "vad_threshold",
    "prefix_padding_ms": "vad_speech_pad_ms",
    "silence_duration_ms": "vad_min_silence_duration_ms",
}


def _granularities(lists: Mapping[str, Sequence[str]]) -> frozenset[str]:
    names = [name for name in lists.get("timestamp_granularities", ()) if name]
    for name in names:
        if name not in GRANULARITIES:
            raise refused(
                f"timestamp_granularities[] is {name!r}; give segment, word or both",
                "timestamp_granularities[]",
            )
    return frozenset(names or ("segment",))


def _require_together(
    asked: Asked, single: Mapping[str, str], lists: Mapping[str, Sequence[str]]
) -> None:
    """Refuse what cannot be asked for together."""
    is_verbose = asked.response_format == "verbose_json"
    if lists.get("timestamp_granularities") and not (is_verbose or asked.tells_detail):
        raise refused(
            "timestamp_granularities[] needs response_format verbose_json",
            "timestamp_granularities[]",
        )
    if asked.tells_detail and not asked.streams:
        raise refused("stream_detail needs stream=true", "stream_detail")
    streamable = ("json", "text", "diarized_json") + ("verbose_json",) * asked.tells_detail
    if asked.streams and asked.response_format not in streamable:
        raise refused(
            f"stream=true sends events; response_format {asked.response_format} cannot be one",
            "response_format",
        )
    if asked.response_format == "diarized_json" and asked.options.channels != "split":
        raise refused(
            "diarized_json needs channels=split: voices are not told apart, only channels",
            "response_format",
            "unsupported_parameter",
        )
    for name in LAYOUT_FIELDS:
        if name in single and asked.response_format not in SUBTITLE_FORMATS:
            raise refused(f"{name} is for {', '.join(SUBTITLE_FORMATS)}", name)
    if asked.layout.needs_words and not asked.options.word_timestamps:
        raise refused(f"{asked.layout.needs_words[0]} needs word_timestamps", "word_timestamps")


def _named(error: OptionError, single: Mapping[str, str]) -> ApiError:
    """The error with the name of the field that the client gave."""
    known = as_api_error(error)
    is_openai = known.param in _SERVER_VAD.values() and known.param not in single
    return refused(known.message, _CHUNKING) if is_openai else known
