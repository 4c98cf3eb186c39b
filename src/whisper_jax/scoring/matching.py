"""Which units of two texts belong together: the alignment that error rates are counted from."""

from collections.abc import Sequence

import jiwer


def matching_units(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int, int]]:
    """Places of the equal units where the fewest edits turn one text into the other.

    Args:
        reference: Words or characters, none of them empty or with white space.
        hypothesis: The same of the other text.

    Returns:
        Pairs of places, the reference's first; both rise.
    """
    return _pairs(reference, hypothesis, ("equal",))


def paired_units(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int, int]]:
    """The same with the substitutions: units that stand in the place of another.

    What is in no pair was left out by the hypothesis, or added by it.
    """
    return _pairs(reference, hypothesis, ("equal", "substitute"))


def _pairs(
    reference: Sequence[str], hypothesis: Sequence[str], types: tuple[str, ...]
) -> list[tuple[int, int]]:
    if not reference or not hypothesis:
        return []
    found = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    return [
        (chunk.ref_start_idx + k, chunk.hyp_start_idx + k)
        for chunk in found.alignments[0]
        if chunk.type in types
        for k in range(chunk.ref_end_idx - chunk.ref_start_idx)
    ]
