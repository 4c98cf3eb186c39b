"""Word and character error rates as the field counts them.

Start with `error_rate`.
"""

from whisper_jax.scoring.normaliser import (
    CHARACTER_LANGUAGES,
    is_scored_by_characters,
    normalise,
    primary_languages,
    strip_brackets,
)
from whisper_jax.scoring.rates import ErrorRate, Unit, error_rate, unit_of

__all__ = [
    "CHARACTER_LANGUAGES",
    "ErrorRate",
    "Unit",
    "error_rate",
    "is_scored_by_characters",
    "normalise",
    "primary_languages",
    "strip_brackets",
    "unit_of",
]
