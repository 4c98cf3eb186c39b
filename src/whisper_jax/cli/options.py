"""The options of a transcription on the command line, and how commands get their options.

They are the fields of `TranscribeOptions`, of the `SubtitleOptions` of what is written, and of the
`LiveOptions` of live speech. Names and defaults come from the fields; what is written here is how
each is shown. Values are passed on as they are read, for those to judge: their sentence is the one
to show.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Annotated, Any, Final, cast

import typer

from whisper_jax.formats import SubtitleOptions
from whisper_jax.options import TranscribeOptions
from whisper_jax.stream.settings import LiveOptions

_WORDS = {"None": None, "True": True, "False": False}


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """How an option is shown and read.

    Attributes:
        value: What stands for its value in the help; empty for a flag, which has none.
        text: What it does.
        parse: From a word of the command line to what `TranscribeOptions` is given.
    """

    value: str
    text: str
    parse: Callable[[str], object]


def _literal(word: str) -> object:
    """None, a truth value or a number; any other word is itself."""
    if word in _WORDS:
        return _WORDS[word]
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _words(text: str, value: str = "TEXT") -> _Shown:
    return _Shown(value=value, text=text, parse=str)


def _number(text: str, value: str = "NUMBER") -> _Shown:
    return _Shown(value=value, text=text, parse=_literal)


def _limit(text: str) -> _Shown:
    return _number(text, "NUMBER|None")


def _switch(text: str, value: str = "True|False") -> _Shown:
    return _number(text, value)


def _flag(text: str) -> _Shown:
    return _words(text, "")


_LANGUAGE = {
    "language": _words(
        "Language spoken, code or English name; auto detects it for every piece of speech, if "
        "languages change. Detected once if unset.",
        "NAME|auto",
    ),
    "task": _words(
        "transcribe: write what is said; translate: write it in English.", "transcribe|translate"
    ),
    "chinese_script": _words(
        "Write Chinese in this script; as the model mixes them if unset.",
        "simplified|traditional",
    ),
    "language_detection_threshold": _limit("A language at least this likely is taken at once."),
    "language_detection_segments": _number("Most windows asked for the language.", "N"),
}
_RECORDING = {
    "long_form": _words(
        "parallel: cut at silences and decode the parts at once; sequential: one window after "
        "the other.",
        "parallel|sequential",
    ),
    "chunk_length": _number("Most seconds of audio in a window, 1 to 30."),
    "window_padding": _limit(
        "Least seconds heard after what a window holds, 2 to 30; 5 in parallel and 30 in "
        "sequential if unset."
    ),
    "clip_timestamps": _words(
        "Parts to transcribe, in seconds, with commas; the whole recording if unset.",
        "START,END,…",
    ),
    "channel": _number("Use this channel, from 0; all are mixed if unset.", "N|None"),
    "channels": _words(
        "mix: transcribe the channels as one; split: each by itself, as a speaker of its own.",
        "mix|split",
    ),
}
_SPEECH = {
    "vad_filter": _switch(
        "Leave out what holds no speech; if None, in parallel only.", "True|False|None"
    ),
    "vad_threshold": _number("Speech begins where its probability reaches this."),
    "vad_neg_threshold": _limit(
        "Speech ends where its probability falls below this; 0.15 below --vad-threshold if unset."
    ),
    "vad_min_speech_duration_ms": _number("Shorter speech is taken for noise.", "N"),
    "vad_min_silence_duration_ms": _number("Shorter silence does not part speech.", "N"),
    "vad_speech_pad_ms": _number("Added before and after speech.", "N"),
}
_SEARCH = {
    "beam_size": _number("Hypotheses kept by beam search; 1 is greedy decoding.", "N"),
    "patience": _number("Search until --beam-size times this many hypotheses are complete."),
    "length_penalty": _limit(
        "Rank by Google's length penalty with this exponent; by mean log probability if unset."
    ),
    "repetition_penalty": _number("Above 1: makes tokens already said less likely."),
    "no_repeat_ngram_size": _number(
        "No run of so many tokens is said twice in a window; 0 allows it.", "N"
    ),
    "suppress_tokens": _words(
        "Token ids never to say, with commas; -1: symbols that are not spoken.", "IDS"
    ),
    "suppress_blank": _switch("Begin no window with a blank."),
    "max_new_tokens": _number("Most tokens of a window; 224 if unset.", "N|None"),
}
_FALLBACK = {
    "temperature": _words(
        "Temperatures to try until a text passes the limits below, with commas; a single one "
        "allows no second attempt. 0 is beam search, above it tokens are sampled.",
        "T,T,…",
    ),
    "best_of": _number("Texts sampled at temperatures above 0; the likeliest is taken.", "N"),
    "compression_ratio_threshold": _limit(
        "Try again if a text's compression ratio is higher: it loops."
    ),
    "logprob_threshold": _limit("Try again if a text's mean log probability is lower."),
    "no_speech_threshold": _limit(
        "Skip windows more likely without speech than this, unless their text is likely."
    ),
    "drop_known_hallucinations": _switch(
        "Leave out phrases that models are known to make up, where nobody spoke."
    ),
    "seed": _number("Where the draws begin: the same seed gives the same text.", "N"),
}
_PROMPTS = {
    "initial_prompt": _words(
        "Text put before the first window (of each part, if parallel), for names and spelling."
    ),
    "carry_initial_prompt": _flag("Put --initial-prompt before every window."),
    "hotwords": _words("Words to expect, put before every window."),
    "prefix": _words("How the text of the first window begins."),
    "condition_on_previous_text": _switch("Give each window the text of those before it."),
    "prompt_reset_on_temperature": _number(
        "But not the text that was decoded above this temperature."
    ),
}
_TIMESTAMPS = {
    "without_timestamps": _flag("One segment for each window."),
    "max_initial_timestamp": _limit("Latest start in seconds of a window's first segment."),
    "word_timestamps": _flag("Find the start and end of every word."),
    "prepend_punctuations": _words("Signs that are part of the word after them.", "SIGNS"),
    "append_punctuations": _words("Signs that are part of the word before them.", "SIGNS"),
    "hallucination_silence_threshold": _limit(
        "Skip more than so many seconds of silence around a text whose words are odd, and drop "
        "it; needs --word-timestamps."
    ),
}
SUBTITLES: Final[Mapping[str, _Shown]] = MappingProxyType(
    {
        "max_line_width": _number(
            "Most columns of a line; a full-width character takes two.", "N|None"
        ),
        "max_line_count": _number(
            "Most lines of a subtitle; with --max-line-width, text runs on over segments.", "N|None"
        ),
        "max_words_per_line": _number("Most words of a line.", "N|None"),
        "highlight_words": _flag("Underline each word while it is spoken: srt, vtt, ass."),
        "karaoke": _flag("Put the times of words into the text: vtt, ass, lrc."),
        "min_cue_duration": _number("Least seconds that a subtitle is shown."),
        "max_cue_duration": _limit("Most seconds that a subtitle is shown."),
        "min_cue_gap": _number("Least seconds between two subtitles."),
        "max_reading_speed": _limit(
            "Characters a second; a faster subtitle stays on in the pause that follows."
        ),
    }
)
"""The options of subtitles."""

LIVE: Final[Mapping[str, _Shown]] = MappingProxyType(
    {
        "language": _words(
            "Language spoken, code or English name; auto detects it in each segment. Detected in "
            "the first speech if unset.",
            "NAME|auto",
        ),
        "task": _LANGUAGE["task"],
        "policy": _words(
            "When words are committed. alignment: once so much was heard after them "
            "(--hold-back); agreement: once two updates agree on them.",
            "alignment|agreement",
        ),
        "interval_s": _number("Seconds of new speech after which text is updated.", "SECONDS"),
        "hold_back_s": _number(
            "With --policy alignment: words of the last so many seconds are tentative.", "SECONDS"
        ),
        "beam_size": _number("Hypotheses kept by beam search; 1 is greedy decoding.", "N"),
        "initial_prompt": _words("What could have been said before: names, spelling, style."),
        "hotwords": _words("Words to expect."),
        "detects_pauses": _switch("End segments where somebody pauses."),
        "vad_threshold": _number("Somebody speaks where the probability of speech is above this."),
        "silence_s": _number("A pause so long ends a segment.", "SECONDS"),
        "prefix_padding_s": _number("Heard before somebody is noticed to speak.", "SECONDS"),
        "longest_s": _number(
            "Speech without a pause is cut into segments no longer than this.", "SECONDS"
        ),
        "adapts": _switch("Update less often while the device is busy."),
    }
)
"""The options of live speech."""

PANELS: Final[Mapping[str, Mapping[str, _Shown]]] = MappingProxyType(
    {
        "Language": _LANGUAGE,
        "Recording": _RECORDING,
        "Voice activity": _SPEECH,
        "Search": _SEARCH,
        "Fallback": _FALLBACK,
        "Prompts": _PROMPTS,
        "Timestamps": _TIMESTAMPS,
    }
)
"""The options under their headings in the help."""


def option(panel: str, text: str, *names: str, **settings: Any) -> Any:
    """An option under a heading of the help."""
    return typer.Option(*names, help=text, rich_help_panel=panel, **settings)


def spelled(name: str) -> str:
    """A field's name as an option: ``--beam-size``; seconds are understood."""
    return "--" + name.removesuffix("_s").replace("_", "-")


def takes[C: Callable[..., None]](*groups: Iterable[inspect.Parameter]) -> Callable[[C], C]:
    """Give a command groups of options: its ``**given`` is what was given.

    Its own arguments come before them, its own options, which are keyword-only, after.
    Parameters written out in each command would say every name and default several times.
    """

    def give(command: C) -> C:
        signature = inspect.signature(command, eval_str=True)
        own = signature.parameters.values()
        parameters = [p for p in own if p.kind is p.POSITIONAL_OR_KEYWORD]
        parameters += [parameter for group in groups for parameter in group]
        parameters += [p for p in own if p.kind is p.KEYWORD_ONLY]
        vars(command)["__signature__"] = signature.replace(parameters=parameters)
        return command

    return give


def options_of(record: type[Any]) -> Iterator[inspect.Parameter]:
    """An option for each field of a dataclass, whose types say how they are shown."""
    for field in fields(record):
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=field.type,
        )


def transcription_options() -> Iterator[inspect.Parameter]:
    """Every option of a transcription."""
    for panel, shown in PANELS.items():
        for name, how in shown.items():
            yield _parameter(panel, name, how, getattr(TranscribeOptions, name))


def subtitle_options() -> Iterator[inspect.Parameter]:
    """Every option of the layout of subtitles."""
    for name, how in SUBTITLES.items():
        yield _parameter("Subtitles", name, how, getattr(SubtitleOptions, name))


def live_options() -> Iterator[inspect.Parameter]:
    """Every option of live speech."""
    for name, how in LIVE.items():
        yield _parameter("Live speech", name, how, getattr(LiveOptions, name))


def taken[R](record: type[R], given: dict[str, Any]) -> R:
    """A dataclass whose fields are options, taken out of what was given."""
    names = [field.name for field in fields(cast("Any", record))]
    return record(**{name: given.pop(name) for name in names})


def _parameter(panel: str, name: str, shown: _Shown, default: object) -> inspect.Parameter:
    """What typer reads an option from."""
    if not shown.value:
        kind, settings = bool, {}
    else:
        kind, settings = Any, {"parser": shown.parse, "metavar": shown.value}
        default = _as_typed(default)
    annotation = Annotated[kind, option(panel, shown.text, spelled(name), **settings)]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _as_typed(value: object) -> str | None:
    """A default as one would type it; None where there is none."""
    match value:
        case None:
            return None
        case tuple():
            return ",".join(f"{number:g}" for number in value)
        case _:
            return str(value)
