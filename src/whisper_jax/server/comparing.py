"""Two texts of the same speech beside each other: what a second look changed."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from whisper_jax.errors import OptionError
from whisper_jax.server.bodies import read_body
from whisper_jax.server.errors import ApiError, refused
from whisper_jax.stream.difference import Part, difference
from whisper_jax.text.languages import language_code
from whisper_jax.text.units import split_units

MOST_WORDS: Final = 40_000
"""Of each text: four hours of speech. The time grows with the square, and most of it nothing else
can run: half a second for so many, two seconds for twice as many."""
MOST_CHARACTERS: Final = 400_000
"""Of each text: beyond them words are not even counted."""


class CompareRequest(BaseModel):
    """Two texts, and the code or name of their language."""

    model_config = ConfigDict(extra="forbid")

    before: str
    after: str
    language: str


def compared(body: bytes) -> dict[str, Any]:
    """How the texts of a `CompareRequest` differ, as JSON has it.

    Raises:
        ApiError: It is no such JSON, there is no such language, or a text is too long.
    """
    given = read_body(CompareRequest, body)
    try:
        language = language_code(given.language)
    except OptionError as error:
        raise refused(str(error), "language") from error
    for name, text in (("before", given.before), ("after", given.after)):
        if len(text) > MOST_CHARACTERS or len(split_units(text, language)) > MOST_WORDS:
            raise ApiError(
                413,
                f"{name} is longer than the {MOST_WORDS} words that can be compared",
                param=name,
                code="text_too_long",
            )
    found = difference(given.before, given.after, language)
    return {
        "parts": [_part(part) for part in found.parts],
        "n_changed": found.n_changed,
        "n_words": found.n_words,
    }


def _part(part: Part) -> dict[str, Any]:
    return {"before": part.before, "after": part.after, "is_same": part.is_same}
