"""Temperature fallback: a window is decoded at rising temperatures until its text is plausible.

Radford et al. 2022, section 4.5. All attempts ask the same slot; nothing is encoded again. If none
is plausible, the likeliest text that does not loop is taken, else the likeliest of all. That is
faster-whisper's rule; openai-whisper takes the last one, which is drawn at the highest temperature
and often the worst.
"""

from dataclasses import dataclass, replace

from whisper_jax.options import TranscribeOptions
from whisper_jax.programs.rules import attempt_seed
from whisper_jax.programs.steps import Steps
from whisper_jax.requests import Decode, Decoded
from whisper_jax.text import WhisperTokenizer, compression_ratio
from whisper_jax.types import Retry


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A window decoded once.

    Attributes:
        decoded: What was found.
        temperature: The temperature it was decoded at.
        compression_ratio: Of its text without the prefix.
        failure: The threshold that it missed, if any.
    """

    decoded: Decoded
    temperature: float
    compression_ratio: float
    failure: Retry | None

    @property
    def loops(self) -> bool:
        """Whether it was given up because it repeats itself."""
        return self.failure is not None and self.failure.reason == "compression_ratio"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a window.

    Attributes:
        attempt: The one that was taken.
        retries: Those that were given up, in order.
        last_temperature: The temperature of the last attempt, taken or not.
    """

    attempt: Attempt
    retries: tuple[Retry, ...]
    last_temperature: float


def decode_with_fallback(
    request: Decode, first_frame: int, tokenizer: WhisperTokenizer, options: TranscribeOptions
) -> Steps[Outcome]:
    """Decode the window in the slot until a text passes the thresholds.

    Args:
        request: What all attempts have in common.
        first_frame: Where the window begins in the recording.
        tokenizer: The model's.
        options: Temperatures, thresholds, beams and samples.
    """
    attempts: list[Attempt] = []
    for number, temperature in enumerate(options.temperature):
        seed = attempt_seed(options.seed, first_frame, number)
        decoded = yield at_temperature(request, temperature, seed, options)
        assert isinstance(decoded, Decoded)
        attempts.append(_judge(decoded, temperature, tokenizer, options))
        if attempts[-1].failure is None:
            break
    passed = [attempt for attempt in attempts if attempt.failure is None]
    candidates = passed or [attempt for attempt in attempts if not attempt.loops] or attempts
    chosen = max(candidates, key=lambda attempt: attempt.decoded.avg_logprob)
    return Outcome(
        attempt=chosen,
        retries=tuple(
            attempt.failure
            for attempt in attempts
            if attempt is not chosen and attempt.failure is not None
        ),
        last_temperature=attempts[-1].temperature,
    )


def at_temperature(
    request: Decode, temperature: float, seed: int, options: TranscribeOptions
) -> Decode:
    """The request of one attempt: beam search at temperature 0, samples above it."""
    if temperature == 0:
        return replace(
            request,
            temperature=0.0,
            beam_size=options.beam_size,
            patience=float(options.patience),
        )
    return replace(request, temperature=temperature, best_of=options.best_of, seed=seed)


def is_silent(decoded: Decoded, options: TranscribeOptions) -> bool:
    """Whether a window is skipped: it most likely holds no speech, and its text is unlikely."""
    threshold, likely = options.no_speech_threshold, options.logprob_threshold
    if threshold is None or decoded.no_speech_prob <= threshold:
        return False
    return likely is None or decoded.avg_logprob <= likely


def _judge(
    decoded: Decoded, temperature: float, tokenizer: WhisperTokenizer, options: TranscribeOptions
) -> Attempt:
    # As in both peers, the user's prefix is not held against the model.
    found = decoded.tokens[decoded.n_prefix :]
    ratio = compression_ratio(tokenizer.decode(found).strip())
    highest_ratio, lowest_logprob = options.compression_ratio_threshold, options.logprob_threshold
    is_unlikely = lowest_logprob is not None and decoded.avg_logprob < lowest_logprob
    failure = None
    if is_unlikely and is_silent(decoded, options):
        pass  # no temperature finds words in silence
    elif highest_ratio is not None and ratio > highest_ratio:
        failure = Retry(temperature=temperature, reason="compression_ratio", value=ratio)
    elif is_unlikely:
        failure = Retry(temperature=temperature, reason="logprob", value=decoded.avg_logprob)
    return Attempt(
        decoded=decoded, temperature=temperature, compression_ratio=ratio, failure=failure
    )
