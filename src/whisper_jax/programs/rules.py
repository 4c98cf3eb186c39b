"""Options as what an engine understands: rules, and requests to decode."""

import hashlib
import struct

from whisper_jax.options import TranscribeOptions
from whisper_jax.programs.prompts import N_TEXT_CTX
from whisper_jax.requests import Decode, DecodeRules
from whisper_jax.text import TIMESTAMP_STEP_S, WhisperTokenizer


def decode_rules(tokenizer: WhisperTokenizer, options: TranscribeOptions) -> DecodeRules:
    """What the options forbid a window to say.

    The control tokens are always forbidden, as in openai-whisper.
    """
    special = tokenizer.special
    suppress = set(options.suppress_tokens)
    if -1 in suppress:
        suppress.remove(-1)
        suppress.update(tokenizer.non_speech_tokens)
    suppress.update((special.sot, special.sot_prev, special.sot_lm, special.no_speech))
    suppress.update((special.transcribe, special.translate))
    latest = options.max_initial_timestamp
    return DecodeRules(
        suppress=tuple(sorted(suppress)),
        suppress_first=tokenizer.blank_tokens if options.suppress_blank else (),
        timestamps=not options.without_timestamps,
        max_initial_timestamp_index=None if latest is None else round(latest / TIMESTAMP_STEP_S),
        repetition_penalty=options.repetition_penalty,
        no_repeat_ngram_size=options.no_repeat_ngram_size,
    )


def decode_request(
    before: tuple[int, ...],
    sot_sequence: tuple[int, ...],
    prefix: tuple[int, ...],
    rules: DecodeRules,
    options: TranscribeOptions,
) -> Decode:
    """The request of a window's first attempt, but for what depends on the temperature.

    Args:
        before: What the window is told, ``<|startofprev|>`` included.
        sot_sequence: The tokens that say what to write.
        prefix: How its text begins.
        rules: What may not be said.
        options: Most tokens, and how hypotheses are ranked.
    """
    prompt = before + sot_sequence
    # The last token found is not read by the decoder, so it needs no position.
    room = N_TEXT_CTX + 1 - len(prompt) - len(prefix)
    return Decode(
        prompt=prompt,
        prefix=prefix,
        sot_index=len(before),
        rules=rules,
        max_tokens=min(options.max_tokens, room),
        length_penalty=options.length_penalty,
    )


def attempt_seed(seed: int, first_frame: int, attempt: int) -> int:
    """Where the draws of an attempt begin: a hash of these three numbers and of nothing else.

    So neither the order in which windows are decoded nor what shares their batch changes a text.

    Args:
        seed: The user's.
        first_frame: Where the window begins in the recording.
        attempt: Number of the attempt, from 0.

    Returns:
        0 to 2**32 - 1.
    """
    numbers = struct.pack("<QQQ", seed, first_frame, attempt)
    return int.from_bytes(hashlib.blake2b(numbers, digest_size=4).digest(), "little")
