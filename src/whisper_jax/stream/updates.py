"""One look at what a stream says just now: a part of a program, which an engine carries out.

The window is decoded with all that was committed of it as the beginning of its text. So what has
been committed cannot be contradicted, and each update finds only what is new: a few tokens.
"""

from dataclasses import dataclass, replace
from math import exp
from typing import final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import FRAMES_PER_TIMESTAMP, N_FRAMES
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs.fallback import Attempt, decode_with_fallback, is_silent
from whisper_jax.programs.language import Language, detect_language
from whisper_jax.programs.rules import decode_request, decode_rules
from whisper_jax.programs.steps import Steps
from whisper_jax.requests import Align, Aligned, Decoded, Encode, Encoded
from whisper_jax.stream.agreement import HeardWord
from whisper_jax.text import WhisperTokenizer
from whisper_jax.text.words import merge_punctuation, split_words

_PADDING_FRAMES = 200
"""Silence that is heard after a window. The offline path has 500: an update is encoded again and
again, and its last words are held back anyway."""
_TOKENS_BEFORE = 8
_TOKENS_PER_FRAME = 0.12
"""Nobody says more: a loop ends soon."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """What is to be heard.

    Attributes:
        samples: The window, as `whisper_jax.requests.Encode` wants it.
        first: Its first 10 ms frame in the stream.
        n_frames: Its length.
        peak: The highest log-mel level so far.
        told: Tokens that were said before the window.
        committed: Tokens that its text begins with.
        since: Frames from the end of the committed text to the end of the window.
        language: Code of the language; None to detect it.
        is_last: Nothing follows: it is decoded as carefully as a recording.
    """

    samples: NDArray[np.float32]
    first: int
    n_frames: int
    peak: float
    told: tuple[int, ...]
    committed: tuple[int, ...]
    since: int
    language: str | None
    is_last: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What an update found.

    Attributes:
        words: What follows the committed text.
        language: What it is in.
        attempt: How it was decoded.
        peak: The highest log-mel level with this window.
    """

    words: tuple[HeardWord, ...]
    language: Language
    attempt: Attempt
    peak: float

    @property
    def is_plausible(self) -> bool:
        """Whether the text neither loops nor is unlikely."""
        return self.attempt.failure is None


@final
class Listener:
    """Makes updates with one model and the options of one stream.

    Args:
        tokenizer: The model's.
        options: Task, beams, thresholds; without timestamps.
    """

    def __init__(self, tokenizer: WhisperTokenizer, options: TranscribeOptions) -> None:
        self._tokenizer = tokenizer
        self._options = options
        self._first_try = replace(options, temperature=(options.temperature[0],))
        self._rules = decode_rules(tokenizer, options)

    def listen(self, update: Update) -> Steps[Heard]:
        """Hear what the update says."""
        encoded = yield Encode(
            samples=update.samples,
            n_frames=update.n_frames,
            peak=update.peak,
            n_heard=min(update.n_frames + _PADDING_FRAMES, N_FRAMES),
            silence_after=True,
        )
        assert isinstance(encoded, Encoded)
        if update.language is None:
            language = yield from detect_language(self._tokenizer)
        else:
            language = Language(code=update.language)
        attempt = yield from self._decode(update, language.code)
        words: tuple[HeardWord, ...] = ()
        if not (is_silent(attempt.decoded, self._options) and not update.committed):
            words = yield from self._words(update, attempt.decoded, language.code)
        return Heard(words=words, language=language, attempt=attempt, peak=encoded.peak)

    def _decode(self, update: Update, code: str) -> Steps[Attempt]:
        special, options = self._tokenizer.special, self._options
        before = (special.sot_prev, *update.told) if update.told else ()
        sot_sequence = self._tokenizer.sot_sequence(code, options.task, timestamps=False)
        request = decode_request(before, sot_sequence, update.committed, self._rules, options)
        most = _TOKENS_BEFORE + round(_TOKENS_PER_FRAME * update.since)
        request = replace(request, max_tokens=min(request.max_tokens, most))
        tries = options if update.is_last else self._first_try
        outcome = yield from decode_with_fallback(request, update.first, self._tokenizer, tries)
        return outcome.attempt

    def _words(self, update: Update, decoded: Decoded, code: str) -> Steps[tuple[HeardWord, ...]]:
        """The words of what was found, with their frames in the stream."""
        n_prefix, eot = decoded.n_prefix, self._tokenizer.special.eot
        found = zip(decoded.tokens[n_prefix:], decoded.token_logprobs[n_prefix:], strict=True)
        texts = [(token, logprob) for token, logprob in found if token < eot]
        if not texts:
            return ()
        tokens = [token for token, _ in texts]
        probabilities = [exp(logprob) for _, logprob in texts]
        aligned = yield Align(
            prompt=self._tokenizer.sot_sequence(code, self._options.task, timestamps=False),
            tokens=(*update.committed, *tokens),
            n_frames=max(2, update.n_frames),
            wants_probabilities=False,
        )
        assert isinstance(aligned, Aligned)
        n_before = len(update.committed)
        starts = [update.first + FRAMES_PER_TIMESTAMP * at for at in aligned.starts[n_before:]]
        written = "en" if self._options.task == "translate" else code
        pieces = split_words(self._tokenizer, tokens, written)
        stops = np.cumsum([piece.n_tokens for piece in pieces]).tolist()
        groups = merge_punctuation(
            [piece.text for piece in pieces],
            self._options.prepend_punctuations,
            self._options.append_punctuations,
        )
        words: list[HeardWord] = []
        for group in groups:
            text = [piece.text for piece in pieces[group.start : group.stop]]
            begin = stops[group.start] - pieces[group.start].n_tokens
            core = stops[group.core] - pieces[group.core].n_tokens, stops[group.core]
            end = stops[group.stop - 1]
            own = probabilities[core[0] : core[1]]
            # A text may begin with a sign: that of the last word that was committed.
            n_core = 0 if _is_sign(pieces[group.core].text) else 1 + group.core - group.start
            words.append(
                HeardWord(
                    text="".join(text),
                    start=starts[core[0]],
                    end=starts[core[1]],
                    tokens=tuple(tokens[begin:end]),
                    probability=sum(own) / len(own),
                    n_sign_characters=len("".join(text[n_core:])),
                    n_sign_tokens=end - core[1] if n_core else end - begin,
                )
            )
        return tuple(words)


def _is_sign(text: str) -> bool:
    return not any(character.isalnum() for character in text)
