"""Options: frozen, keyword-only, each with its reason and the source of its default.

The command line, the server and Python build the same objects. They are checked once, when they
are made: a wrong one raises `OptionError` with the sentence that says what would be right.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Literal, cast

from whisper_jax.errors import OptionError

type Task = Literal["transcribe", "translate"]
type LongForm = Literal["parallel", "sequential"]
type ChineseScript = Literal["simplified", "traditional"]
type Channels = Literal["mix", "split"]
type ComputeType = Literal[
    "auto",
    "float32",
    "bfloat16",
    "float16",
    "int8",
    "int8_float32",
    "int8_bfloat16",
    "int8_float16",
]

WINDOW_S = 30.0
"""Seconds of audio the model sees at once: fixed by how Whisper was trained."""
PARALLEL_PADDING_S = 5.0
"""Seconds of silence after a window in ``parallel``: texts are as good as with all that 30 s hold
(docs/performance.md)."""
AUTO = "auto"
"""The value of the option ``language`` that lets each piece of speech have its own."""
MAX_NEW_TOKENS = 224
"""Most tokens found in a window: half the decoder's context, as in openai-whisper."""
MAX_HYPOTHESES = 32
"""Most beams or samples of a window: beyond that they gain nothing and cost memory."""
MAX_TEMPERATURE = 10.0


@dataclass(frozen=True, kw_only=True)
class TranscribeOptions:
    """How a recording is turned into text. Names follow openai-whisper and faster-whisper.

    "Both peers" below are these two: openai-whisper's command and faster-whisper's ``transcribe``.

    Attributes:
        language: Code (``en``) or English name (``english``) of the language spoken; None
            detects it once for the recording (as both peers do); ``auto`` detects it for every
            piece of speech, for recordings in which languages change.
        task: ``transcribe`` writes what is said, ``translate`` writes it in English.
        long_form: ``parallel`` cuts the recording at silences and decodes its regions at once;
            ``sequential`` is openai-whisper's algorithm, each window after the one before.
            ``parallel``, since it is faster and no less accurate.
        vad_filter: Leave out what holds no speech; None does so in ``parallel`` only. Off in
            faster-whisper's sequential, on in its batched transcription.
        beam_size: Hypotheses kept by beam search at temperature 0; 1 is greedy decoding. 5 in
            both peers.
        best_of: Samples drawn, of which the likeliest is taken, at temperatures above 0. 5 in
            both peers.
        patience: The search ends when ``beam_size`` times this many hypotheses are complete
            (Kasai et al. 2022). 1.0 in both peers.
        length_penalty: Hypotheses are ranked by their log probability over their length (None,
            both peers' default), or over Google's ((5 + length) / 6) ** length_penalty
            (Wu et al. 2016), as in openai-whisper.
        repetition_penalty: Makes tokens already said less likely, if above 1 (Keskar et al.
            2019); timestamps are exempt. 1.0, off, in faster-whisper.
        no_repeat_ngram_size: No run of so many tokens is said twice in a window; 0 allows it.
            0 in faster-whisper.
        temperature: Temperatures to try in order until a text passes the two thresholds below:
            0 is greedy or beam search, above it tokens are sampled. A single number allows no
            second attempt. (0, 0.2, 0.4, 0.6, 0.8, 1.0) in both peers.
        compression_ratio_threshold: A text whose zlib compression ratio is above it loops, and
            is tried again; None accepts it. 2.4 in both peers. Unless None, a segment also loses
            repetitions at its end that there is no time to say.
        logprob_threshold: A text whose mean log probability is below it is tried again, and a
            window above it is kept however high its no-speech probability; None does neither.
            -1.0 in both peers.
        no_speech_threshold: A window whose no-speech probability is above it is skipped, unless
            its text is likely (``logprob_threshold``); None never skips. 0.6 in both peers.
        drop_known_hallucinations: Leave out segments that are nothing but a phrase which models
            are known to make up ("Thanks for watching!"), where nobody spoke: by voice activity,
            by the two thresholds above, or by times too short to say it. Neither peer does.
        seed: Where the draws of temperatures above 0 begin: the same seed and recording give the
            same text.
        initial_prompt: Text, or token ids, put before the first window (of each region, in
            ``parallel``), for names and spelling.
        carry_initial_prompt: Put it before every window. False in openai-whisper.
        prefix: How the first window of the recording begins: its text goes on from there.
        hotwords: Words to expect, put before the prompt of every window.
        condition_on_previous_text: Give each window the text of those before it (of its region,
            in ``parallel``). True in both peers; False loses consistency but stops a loop from
            spreading.
        prompt_reset_on_temperature: Text decoded above this temperature is not given to the next
            window. 0.5 in both peers.
        suppress_tokens: Token ids never to say; -1 stands for the symbols that are not spoken
            (openai-whisper's list). (-1,) in both peers.
        suppress_blank: Do not begin a window with a blank or with nothing. True in both peers.
        without_timestamps: Do not ask the model for timestamps: each window is one segment.
            False in both peers.
        max_initial_timestamp: Latest time in seconds at which the first segment of a window may
            begin. 1.0 in both peers.
        max_new_tokens: Most tokens of a window; None allows 224, half the model's context, as
            openai-whisper does.
        language_detection_threshold: A language at least this likely is taken at once; otherwise
            further windows are asked. 0.5 in faster-whisper.
        language_detection_segments: Most windows, from the beginning, that are asked for the
            language; if none is sure the most frequent answer is taken. 1 in faster-whisper.
        word_timestamps: Find the start and end of every word, and set those of segments by them.
            False in both peers: it costs time.
        prepend_punctuations: Signs that are part of the word after them. openai-whisper's.
        append_punctuations: Signs that are part of the word before them. openai-whisper's.
        hallucination_silence_threshold: Skip more than this many seconds of silence around a text
            whose words are odd (improbable, too short or too long), and drop it. Needs
            ``word_timestamps``. None, off, in both peers.
        chinese_script: ``simplified`` or ``traditional``: write Chinese in this script; None
            leaves it as the model mixes them. Needs the extra ``chinese``.
        clip_timestamps: Seconds ``(start, end, start, end, …)`` of the parts to transcribe, in
            order; a last start without an end runs to the end. The whole recording by default.
        chunk_length: Most seconds of audio put into one window, 1 to 30; the rest of its 30 s
            is padding. Regions are no longer than this. 30 in both peers.
        window_padding: Least seconds that the model hears after what a window holds, 2 to 30;
            rounded up so that the whole is 10, 15, 20, 25 or 30 s. None is 5 in ``parallel``,
            which is as accurate and faster, and 30 in ``sequential``, as in both peers.
        vad_threshold: Speech begins where its probability reaches this. 0.5 in faster-whisper.
        vad_neg_threshold: Speech ends where its probability falls below this; None is 0.15 less
            than ``vad_threshold``, as in faster-whisper.
        vad_min_speech_duration_ms: Shorter speech is taken for noise. 0 in faster-whisper.
        vad_min_silence_duration_ms: Shorter silence does not part speech. 160 in
            faster-whisper's batched transcription (2000 in its sequential).
        vad_speech_pad_ms: Added before and after speech. 400 in faster-whisper.
        channel: Which channel of a recording is used, from 0; None mixes them all.
        channels: ``mix`` transcribes a recording's channels as one; ``split`` each by itself, as
            a speaker of its own, as telephone calls are often recorded. Both peers mix.
    """

    language: str | None = None
    task: Task = "transcribe"
    long_form: LongForm = "parallel"
    vad_filter: bool | None = None
    beam_size: int = 5
    best_of: int = 5
    patience: float = 1.0
    length_penalty: float | None = None
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    temperature: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    compression_ratio_threshold: float | None = 2.4
    logprob_threshold: float | None = -1.0
    no_speech_threshold: float | None = 0.6
    drop_known_hallucinations: bool = True
    seed: int = 0
    initial_prompt: str | tuple[int, ...] | None = None
    carry_initial_prompt: bool = False
    prefix: str | None = None
    hotwords: str | None = None
    condition_on_previous_text: bool = True
    prompt_reset_on_temperature: float = 0.5
    suppress_tokens: tuple[int, ...] = (-1,)
    suppress_blank: bool = True
    without_timestamps: bool = False
    max_initial_timestamp: float | None = 1.0
    max_new_tokens: int | None = None
    word_timestamps: bool = False
    prepend_punctuations: str = "\"'“¿([{-"
    append_punctuations: str = "\"'.。,，!！?？:：”)]}、"
    hallucination_silence_threshold: float | None = None
    language_detection_threshold: float | None = 0.5
    language_detection_segments: int = 1
    chinese_script: ChineseScript | None = None
    clip_timestamps: tuple[float, ...] = ()
    chunk_length: float = WINDOW_S
    window_padding: float | None = None
    vad_threshold: float = 0.5
    vad_neg_threshold: float | None = None
    vad_min_speech_duration_ms: int = 0
    vad_min_silence_duration_ms: int = 160
    vad_speech_pad_ms: int = 400
    channel: int | None = None
    channels: Channels = "mix"

    def __post_init__(self) -> None:
        # The peers take these as lists, and openai-whisper's command as text with commas.
        _set(self, "suppress_tokens", _numbers("suppress_tokens", self.suppress_tokens, int))
        _set(self, "clip_timestamps", _numbers("clip_timestamps", self.clip_timestamps, float))
        _set(self, "temperature", _numbers("temperature", self.temperature, float))
        if not isinstance(self.initial_prompt, str | None):
            _set(self, "initial_prompt", _numbers("initial_prompt", self.initial_prompt, int))
        for name, kinds in _KINDS.items():
            value = getattr(self, name)
            # True is an int to Python, and a slip to everyone else.
            right = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
            names = " or ".join("None" if k is type(None) else k.__name__ for k in kinds)
            _require(right, f"{name} is {value!r}; give {names}")
        if self.language is not None and self.language.strip().lower() == AUTO:
            _set(self, "language", AUTO)
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            _require(value in choices, f"{name} is {value!r}; use {_either(choices)}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            within = value is None or low <= value <= high
            _require(within, f"{name} is {value}; {_between(low, high)}")
        self._check_sequences()

    def _check_sequences(self) -> None:
        """Hold what is made of several numbers against what it may be."""
        temperatures = self.temperature
        _require(
            len(temperatures) > 0 and all(0 <= t <= MAX_TEMPERATURE for t in temperatures),
            f"temperature is {temperatures}; give numbers from 0 to {MAX_TEMPERATURE:g}",
        )
        times = self.clip_timestamps
        _require(
            all(0 <= time < float("inf") for time in times)
            and all(a < b for a, b in pairwise(times)),
            f"clip_timestamps is {times}; give rising seconds: start, end, start, end, …",
        )
        negative = self.vad_neg_threshold
        _require(
            negative is None or negative <= self.vad_threshold,
            f"vad_neg_threshold is {negative}; give at most vad_threshold, {self.vad_threshold}",
        )
        _require(
            self.channels == "mix" or self.channel is None,
            f"channel is {self.channel} and channels 'split'; give one of them",
        )
        _require(
            self.hallucination_silence_threshold is None or self.word_timestamps,
            "hallucination_silence_threshold needs the times of words; give word_timestamps too",
        )
        # NaN passes no comparison, so the thresholds without a range are asked by name.
        for name in ("compression_ratio_threshold", "logprob_threshold", "length_penalty"):
            value = getattr(self, name)
            _require(value is None or value == value, f"{name} is {value}; give a number or None")

    @property
    def uses_vad(self) -> bool:
        """Whether what holds no speech is left out."""
        return self.long_form == "parallel" if self.vad_filter is None else self.vad_filter

    @property
    def padding_s(self) -> float:
        """Least seconds that are heard after what a window holds."""
        if self.window_padding is not None:
            return self.window_padding
        return PARALLEL_PADDING_S if self.long_form == "parallel" else WINDOW_S

    @property
    def max_tokens(self) -> int:
        """Most tokens of a window, the end-of-text token included."""
        return MAX_NEW_TOKENS if self.max_new_tokens is None else self.max_new_tokens


def transcribe_options(given: dict[str, Any]) -> TranscribeOptions:
    """Options from keyword arguments; an unknown name is an `OptionError` that lists all names."""
    names = [field.name for field in fields(TranscribeOptions)]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise OptionError(f"no option {', '.join(unknown)}; there are: {', '.join(names)}")
    return TranscribeOptions(**given)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise OptionError(message)


_NUMBER = (int, float)
_LIMIT = (int, float, type(None))
_KINDS: dict[str, tuple[type, ...]] = {
    "language": (str, type(None)),
    "vad_filter": (bool, type(None)),
    "beam_size": (int,),
    "best_of": (int,),
    "patience": _NUMBER,
    "length_penalty": _LIMIT,
    "repetition_penalty": _NUMBER,
    "no_repeat_ngram_size": (int,),
    "compression_ratio_threshold": _LIMIT,
    "logprob_threshold": _LIMIT,
    "no_speech_threshold": _LIMIT,
    "drop_known_hallucinations": (bool,),
    "seed": (int,),
    "initial_prompt": (str, tuple, type(None)),
    "carry_initial_prompt": (bool,),
    "prefix": (str, type(None)),
    "hotwords": (str, type(None)),
    "condition_on_previous_text": (bool,),
    "prompt_reset_on_temperature": _NUMBER,
    "suppress_blank": (bool,),
    "without_timestamps": (bool,),
    "max_initial_timestamp": _LIMIT,
    "max_new_tokens": (int, type(None)),
    "word_timestamps": (bool,),
    "prepend_punctuations": (str,),
    "append_punctuations": (str,),
    "hallucination_silence_threshold": _LIMIT,
    "language_detection_threshold": _LIMIT,
    "language_detection_segments": (int,),
    "chunk_length": _NUMBER,
    "window_padding": _LIMIT,
    "vad_threshold": _NUMBER,
    "vad_neg_threshold": _LIMIT,
    "vad_min_speech_duration_ms": (int,),
    "vad_min_silence_duration_ms": (int,),
    "vad_speech_pad_ms": (int,),
    "channel": (int, type(None)),
}
"""The types that each option may have; those that are sequences of numbers are converted."""

_CHOICES: dict[str, tuple[str | None, ...]] = {
    "task": ("transcribe", "translate"),
    "long_form": ("parallel", "sequential"),
    "chinese_script": ("simplified", "traditional", None),
    "channels": ("mix", "split"),
}

_ANY = float("inf")
_RANGES: dict[str, tuple[float, float]] = {
    "beam_size": (1, MAX_HYPOTHESES),
    "best_of": (1, MAX_HYPOTHESES),
    "patience": (0.01, 100),
    "repetition_penalty": (0.01, 100),
    "no_repeat_ngram_size": (0, MAX_NEW_TOKENS),
    "no_speech_threshold": (0, 1),
    "seed": (0, 2**32 - 1),
    "prompt_reset_on_temperature": (0, _ANY),
    "max_initial_timestamp": (0, WINDOW_S),
    "max_new_tokens": (1, MAX_NEW_TOKENS),
    "language_detection_threshold": (0, 1),
    "language_detection_segments": (1, 100),
    "hallucination_silence_threshold": (0, _ANY),
    "chunk_length": (1, WINDOW_S),
    "window_padding": (2, WINDOW_S),
    "vad_threshold": (0, 1),
    "vad_neg_threshold": (0, 1),
    "vad_min_speech_duration_ms": (0, 10_000),
    "vad_min_silence_duration_ms": (0, 10_000),
    "vad_speech_pad_ms": (0, 2000),
    "channel": (0, _ANY),
}
"""The least and the most that a number may be; None, where it is allowed, is in no range."""


def _either(choices: tuple[str | None, ...]) -> str:
    return " or ".join(repr(choice) for choice in choices)


def _between(low: float, high: float) -> str:
    return f"give {low:g} or more" if high == _ANY else f"give {low:g} to {high:g}"


def _numbers[N: (int, float)](name: str, given: object, kind: type[N]) -> tuple[N, ...]:
    """A sequence of numbers, a single one, or text such as ``"0,5"``, as a tuple."""
    try:
        match given:
            case None:
                return ()
            case str():
                return tuple(kind(part) for part in given.split(",") if part.strip())
            case int() | float():
                return (kind(given),)
            case Iterable():
                return tuple(kind(number) for number in cast("Iterable[Any]", given))
            case _:
                raise TypeError
    except (TypeError, ValueError):
        raise OptionError(f"{name} is {given!r}; give a list of numbers") from None


def _set(options: TranscribeOptions, name: str, value: object) -> None:
    object.__setattr__(options, name, value)
