"""What a program may ask for, and what comes back: the whole vocabulary between the two.

A program (``whisper_jax.programs``) is a generator. It yields one of these requests and is sent
the answer that stands beside it below; it yields `Progress` whenever something is final, and is
sent None.

=================  ======================  ==========================================
request            answer                  who answers
=================  ======================  ==========================================
`NextClip`         `Clip`, or None         the driver, when it knows
`Read`             `Samples`               the driver, from the recording
`Encode`           `Encoded`               the engine
`DetectLanguage`   `LanguageScores`        the engine
`Decode`           `Decoded`               the engine
`Align`            `Aligned`               the engine
`Release`          None                    the engine
`Progress`         None                    the driver, for whoever listens
=================  ======================  ==========================================

A window owns a slot of the engine from its `Encode` until its program sends `Release`, asks for
its next `Encode`, ends or is cancelled. `Decode`, `DetectLanguage` and `Align` work on that slot,
any number of times.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whisper_jax.types import Segment


@dataclass(frozen=True, kw_only=True, slots=True)
class NextClip:
    """The next part of the recording that this program is to transcribe."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """An answer to `NextClip`; the other is None, when there are no more.

    All positions are 10 ms frames of the recording.

    Attributes:
        start: First frame.
        stop: One past the last frame; None where the recording's end ends it.
        speech: Spoken spans (start, stop) within it, in order, without padding; None if nobody
            looked for speech: then all of it may be.
        detection: Windows (start, stop), in order, on which the language is to be detected if it
            is not known; the first begins at ``start``.
        is_first: True for the recording's first clip.
    """

    start: int
    stop: int | None
    speech: tuple[tuple[int, int], ...] | None = None
    detection: tuple[tuple[int, int], ...] = ()
    is_first: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """Samples of the recording, at 16 kHz. Reads move forward only, but for those that peek.

    Attributes:
        start: First sample wanted; nothing before it will be asked for again. May be negative,
            or the stop beyond the end: only what exists is answered.
        stop: One past the last sample wanted.
        peek: What stands before ``start`` may still be asked for.
    """

    start: int
    stop: int
    peek: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """The answer to `Read`.

    Attributes:
        start: Position of the first sample given (``max(0, Read.start)``).
        samples: float32 [n], mono, 16 kHz; shorter than asked only at the end of the recording.
        ended: True if the recording ends at or before ``Read.stop``.
    """

    start: int
    samples: NDArray[np.float32]
    ended: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Encode:
    """Put a window of audio into a slot.

    Attributes:
        samples: float32 [n_frames * 160 + 240] at most: the window with 200 samples of what
            stands before it, and 40 of what follows, so that its edge frames see the recording.
        n_frames: 10 ms log-mel frames of content, 1 to 3000.
        n_heard: Frames that are heard at least, content and what is put after it, up to 3000.
        silence_after: What is put after the content is silence as log-mel shows it, at the
            recording's floor; else levels of 0, which openai-whisper puts there.
        peak: Highest log-mel level (log10) of the recording so far; levels more than 8 below the
            higher of this and the window's own are raised to that floor. Minus infinity at the
            start of a recording.
    """

    samples: NDArray[np.float32]
    n_frames: int
    peak: float
    n_heard: int = 3000
    silence_after: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """The answer to `Encode`.

    Attributes:
        peak: The level that was used as reference, to be given with the next window.
    """

    peak: float


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectLanguage:
    """Which language the window in the slot is in.

    Attributes:
        language_tokens: The candidates' token ids.
    """

    language_tokens: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageScores:
    """The answer to `DetectLanguage`: a probability for each candidate, in the order asked."""

    probabilities: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeRules:
    """What a decoder may not say: openai-whisper's logit filters as data.

    Attributes:
        suppress: Token ids that are never chosen.
        suppress_first: Token ids that are not chosen as the first token.
        timestamps: True to enforce timestamp pairs, False to leave the tokens free.
        max_initial_timestamp_index: Latest first timestamp, in 20 ms steps; None for any.
        repetition_penalty: What the logits of text tokens already found are divided by where
            they are positive, and multiplied by where they are negative; 1 leaves them.
        no_repeat_ngram_size: No text token may complete a run of so many tokens that is in the
            text already; 0 allows it.
    """

    suppress: tuple[int, ...] = ()
    suppress_first: tuple[int, ...] = ()
    timestamps: bool = True
    max_initial_timestamp_index: int | None = 50
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Decode:
    """Write down what the window in the slot says.

    At temperature 0 this is beam search, or greedy decoding with a single beam; above it,
    ``best_of`` texts are sampled. The text with the best rank is the answer.

    Attributes:
        prompt: Everything before the first token to be found, previous text included:
            ``<|startofprev|> … <|startoftranscript|> <|en|> <|transcribe|>``.
        prefix: Tokens that the answer begins with, whatever their probability.
        sot_index: Position of ``<|startoftranscript|>`` in the prompt, where the probability of
            no speech is read.
        rules: What may not be said.
        max_tokens: Most tokens to find, the end-of-text token included, the prefix excluded.
        beam_size: Hypotheses kept at temperature 0; 1 is greedy decoding.
        patience: See `whisper_jax.options.TranscribeOptions.patience`.
        length_penalty: See `whisper_jax.options.TranscribeOptions.length_penalty`.
        temperature: What logits are divided by before a token is drawn; 0 draws none.
        best_of: Texts sampled at temperatures above 0.
        seed: Where the draws begin, 0 to 2**32 - 1.
    """

    prompt: tuple[int, ...]
    prefix: tuple[int, ...] = ()
    sot_index: int
    rules: DecodeRules
    max_tokens: int = 224
    beam_size: int = 1
    patience: float = 1.0
    length_penalty: float | None = None
    temperature: float = 0.0
    best_of: int = 1
    seed: int = 0

    @property
    def n_rows(self) -> int:
        """Texts that are written at once."""
        return self.beam_size if self.temperature == 0 else self.best_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """The answer to `Decode`.

    Attributes:
        tokens: Token ids, the prefix included, without prompt and end-of-text.
        token_logprobs: Natural-log probability of each token, after the rules; 0 for those of
            the prefix.
        sum_logprob: Their sum, the end-of-text token's included.
        no_speech_prob: Probability of ``<|nospeech|>`` at ``sot_index``, before the rules.
        n_prefix: How many of the tokens are the prefix.
    """

    tokens: tuple[int, ...]
    token_logprobs: tuple[float, ...]
    sum_logprob: float
    no_speech_prob: float
    n_prefix: int = 0

    @property
    def avg_logprob(self) -> float:
        """Mean log probability of a token, end-of-text counted as one (openai-whisper's rule)."""
        return self.sum_logprob / (len(self.tokens) - self.n_prefix + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Align:
    """Where in the window in the slot each token of a text is spoken.

    Attributes:
        prompt: ``<|startoftranscript|> <|en|> <|transcribe|> <|notimestamps|>``.
        tokens: The text, without special tokens.
        n_frames: 10 ms log-mel frames of the window that may be looked at, 2 or more.
        wants_probabilities: How likely the tokens are is asked for too.
    """

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    n_frames: int
    wants_probabilities: bool = True

    @property
    def n_positions(self) -> int:
        """Places it takes in the decoder's context, the end-of-text token's included."""
        return len(self.prompt) + len(self.tokens) + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Aligned:
    """The answer to `Align`.

    Attributes:
        starts: Encoder frames (20 ms) of the window at which each token begins, rising, and after
            them the one at which the last token ends.
        probabilities: Probability of each token, given those before it; none if not asked for.
    """

    starts: tuple[int, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """Give the slot back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Something became final.

    Attributes:
        position: Sample up to which the recording is done.
        segments: Segments that became final with it, perhaps none.
        language: The language in use.
        language_probability: Its probability if it was detected.
        language_probabilities: See `whisper_jax.types.Transcript`.
    """

    position: int
    segments: tuple[Segment, ...]
    language: str
    language_probability: float | None
    language_probabilities: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Whose work a request is: carried by every request an engine is given.

    Attributes:
        program: A number of its own for each running program.
        model: Which weights, compute type and adapter it wants.
        owner: Whom to be fair to (a file batch, a stream, an API key).
        priority: Higher goes first.
        leads: Somebody waits for its first words: among equals it goes first, alone if need be.
    """

    program: int
    model: str
    owner: str = ""
    priority: int = 0
    leads: bool = False

    @property
    def rank(self) -> tuple[int, bool]:
        """What goes first: the greater rank."""
        return self.priority, self.leads


type EngineRequest = Encode | DetectLanguage | Decode | Align | Release
type EngineResult = Encoded | LanguageScores | Decoded | Aligned | None
type ProgramRequest = NextClip | Read | EngineRequest | Progress
type ProgramAnswer = Clip | Samples | EngineResult
