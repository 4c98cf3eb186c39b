"""A program driven by hand, over audio that tells where it is from."""

from collections.abc import Callable, Sequence

import letters as fake
import numpy as np

from whisper_jax.engine.fake import spread, with_prefix
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs import Language, transcribe_clips
from whisper_jax.programs.windows import clip_ranges
from whisper_jax.requests import (
    Align,
    Aligned,
    Clip,
    Decode,
    Decoded,
    DetectLanguage,
    Encode,
    Encoded,
    LanguageScores,
    NextClip,
    ProgramAnswer,
    ProgramRequest,
    Read,
    Samples,
)
from whisper_jax.types import Transcript

SOT, PREV, EN, ZH, TRANSCRIBE = 50_258, 50_361, 50_259, 50_260, 50_359
type Hear = Callable[[Encode, Decode], Decoded]
type Speak = Callable[[Encode], dict[str, float]]


def mostly(code: str, probability: float = 0.9) -> dict[str, float]:
    """Probabilities of languages, one of which stands out."""
    return {code: probability}


def play(
    duration_s: float,
    hear: Hear,
    *,
    clips: Sequence[Clip] | None = None,
    speak: Speak = lambda _: mostly("zh", 0.7),
    known: Language | None = None,
    n_vocab: int = fake.N_VOCAB,
    align: Callable[[Align], Aligned] = spread,
    **options: object,
) -> tuple[Transcript, list[ProgramRequest]]:
    """Drive a program over `fake.seconds`; its transcript and all it asked for.

    Args:
        duration_s: Seconds of audio.
        hear: What a window says.
        clips: The clips; else those of the option ``clip_timestamps``.
        speak: Probabilities of a window's languages; the rest is shared by the others.
        known: The language, if the driver knows it.
        n_vocab: Size of the vocabulary.
        align: Where the tokens of a text are.
        options: The options.
    """
    audio = fake.seconds(duration_s)
    tokenizer = fake.letter_tokenizer(n_vocab)
    made = TranscribeOptions(**options)  # pyright: ignore[reportArgumentType]
    if clips is None:
        ranges = clip_ranges(made.clip_timestamps)
        clips = [Clip(start=a, stop=b, is_first=i == 0) for i, (a, b) in enumerate(ranges)]
    waiting = [*clips]
    program = transcribe_clips(tokenizer, made, language=known)
    asked: list[ProgramRequest] = []
    answer: ProgramAnswer = None
    window, floor = None, 0
    while True:
        try:
            request = next(program) if answer is None else program.send(answer)
        except StopIteration as end:
            return end.value, asked
        asked.append(request)
        match request:
            case NextClip():
                answer = waiting.pop(0) if waiting else None
            case Read():
                start = max(0, request.start)
                assert start >= floor, "reads move forward"
                floor = floor if request.peek else start
                cut = audio[start : max(0, request.stop)]
                answer = Samples(start=start, samples=cut, ended=request.stop >= len(audio))
            case Encode():
                window = request
                answer = Encoded(peak=request.peak + 1 if np.isfinite(request.peak) else 1.0)
            case DetectLanguage():
                assert window is not None
                answer = scores(tokenizer.special.languages, request, speak(window))
            case Align():
                answer = align(request)
            case Decode():
                assert window is not None
                answer = with_prefix(hear(window, request), request.prefix)
            case _:
                answer = None


def scores(ids, request: DetectLanguage, probability_of: dict[str, float]) -> LanguageScores:
    """The answer to `DetectLanguage` in which the languages not named share what is left."""
    code_of = {token: code for code, token in ids.items()}
    codes = [code_of[token] for token in request.language_tokens]
    rest = (1 - sum(probability_of.values())) / (len(codes) - len(probability_of))
    return LanguageScores(probabilities=tuple(probability_of.get(code, rest) for code in codes))


def of_kind[T](kind: type[T], asked: Sequence[ProgramRequest]) -> list[T]:
    """The requests of one kind."""
    return [request for request in asked if isinstance(request, kind)]
