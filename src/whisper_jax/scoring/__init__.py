"""Word, character and mixed error rates as the field counts them.

Start with `error_rate`, or with `code_switched_rate` for speech in several languages.
"""

from whisper_jax.scoring.normaliser import (
    CHARACTER_LANGUAGES,
    is_code_switched,
    is_scored_by_characters,
    normalise,
    primary_languages,
    strip_brackets,
)
from whisper_jax.scoring.rates import (
    ErrorRate,
    KeptUnits,
    Unit,
    code_switched_rate,
    error_rate,
    unit_of,
)

__all__ = [
    "CHARACTER_LANGUAGES",
    "ErrorRate",
    "KeptUnits",
    "Unit",
    "code_switched_rate",
    "error_rate",
    "is_code_switched",
    "is_scored_by_characters",
    "normalise",
    "primary_languages",
    "strip_brackets",
    "unit_of",
]
