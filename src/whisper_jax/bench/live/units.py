"""Texts in the units that errors are counted in, with the piece of the text that each is from.

Error rates are counted in what normalisation leaves of a text, and that is more than one word at
a time: "twenty nine" becomes 29. So the whole text is normalised, as it is for its error rate,
and so is each piece of it; what both have in common tells which piece the other units are from.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from whisper_jax.scoring import normalise
from whisper_jax.scoring.matching import matching_units


@dataclass(frozen=True, kw_only=True, slots=True)
class SourcedUnits:
    """The units of a text that came in pieces.

    Attributes:
        units: Words, or characters, as they are counted.
        sources: Number of the piece that each is from; they never fall. A unit that several
            pieces make up is the last one's.
    """

    units: tuple[str, ...]
    sources: tuple[int, ...]

    def n_from(self, n_pieces: int) -> int:
        """How many units the first so many pieces have."""
        return bisect_left(self.sources, n_pieces)


def sourced_units(pieces: Sequence[str], language: str) -> SourcedUnits:
    """The units of a text.

    Args:
        pieces: Its parts, with their spaces: joined, they are the text.
        language: Language code or tag; see `whisper_jax.scoring.normalise`.
    """
    whole = normalise("".join(pieces), language).split()
    single = [
        (unit, place)
        for place, piece in enumerate(pieces)
        for unit in normalise(piece, language).split()
    ]
    if not single:  # pieces that are something only together
        return SourcedUnits(units=tuple(whole), sources=(max(len(pieces) - 1, 0),) * len(whole))
    found = {at: k for k, at in matching_units([unit for unit, _ in single], whole)}
    sources: list[int] = []
    ahead = len(single)  # of the pieces' units, the next that is found in the whole
    for at in reversed(range(len(whole))):
        if at in found:
            ahead = found[at]
            sources.append(single[ahead][1])
        else:
            sources.append(single[max(ahead - 1, 0)][1])
    return SourcedUnits(units=tuple(whole), sources=tuple(reversed(sources)))
