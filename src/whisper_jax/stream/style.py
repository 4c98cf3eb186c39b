"""Whether what was written goes on in a style that is not to be handed on."""

import unicodedata

from whisper_jax.text.words import UNSPACED_LANGUAGES

LOOKED_AT_CHARACTERS = 160
"""Two or three sentences: with fewer, a long one would be taken for a lost style."""
_NO_SIGNS = frozenset("'\"%&*@#/\\")
"""Of Unicode's other punctuation, what does not part a sentence."""


def has_lost_signs(text: str, language: str | None) -> bool:
    """Whether so much text has no punctuation mark, though its language is written with them.

    A model goes on as the text before did. One that begins without capital letters and commas, as
    it may when it hears the first syllables of a sentence, would write the whole stream so.
    Languages that are written without spaces often have no marks at all, and are left alone.

    Args:
        text: The last `LOOKED_AT_CHARACTERS` that were written.
        language: Its code; None if it is not known.
    """
    if len(text) < LOOKED_AT_CHARACTERS or language in UNSPACED_LANGUAGES:
        return False
    return not any(map(_is_mark, text))


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) == "Po" and character not in _NO_SIGNS
