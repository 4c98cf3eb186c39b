"""Token ids, languages and the compression ratio: all that is text, without JAX.

Start with `load_tokenizer`.
"""

from whisper_jax.text.compression import compression_ratio
from whisper_jax.text.languages import LANGUAGES, language_code
from whisper_jax.text.special import N_TIMESTAMPS, TIMESTAMP_STEP_S, SpecialTokens
from whisper_jax.text.tokenizer import WhisperTokenizer, load_tokenizer

__all__ = [
    "LANGUAGES",
    "N_TIMESTAMPS",
    "TIMESTAMP_STEP_S",
    "SpecialTokens",
    "WhisperTokenizer",
    "compression_ratio",
    "language_code",
    "load_tokenizer",
]
