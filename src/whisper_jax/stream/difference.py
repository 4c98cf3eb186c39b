"""What a second look at a recording changed: two texts of the same speech, word by word.

Pure functions without JAX; a page of live captions shows with them what the final transcript has
in place of what was shown live.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from whisper_jax.scoring.matching import matching_units
from whisper_jax.text.units import split_units, unit_key


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A stretch of words: the same in both texts, or one in place of the other.

    All ``before`` put together are the first text, all ``after`` the second, but for white space.

    Attributes:
        before: The words of the first text; empty if some were added.
        after: The words of the second text; empty if some were left out.
        is_same: Whether they are the same words; case and signs may differ.
    """

    before: str
    after: str
    is_same: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Two texts beside each other.

    Attributes:
        parts: What is the same and what is not, in turn.
        n_changed: Words (characters, in languages without spaces) that were replaced, left out
            or added.
        n_words: Words of the first text, or of the second if it has more.
    """

    parts: tuple[Part, ...]
    n_changed: int
    n_words: int

    @property
    def changes(self) -> tuple[Part, ...]:
        """The parts that are not the same."""
        return tuple(part for part in self.parts if not part.is_same)


def difference(before: str, after: str, language: str) -> Difference:
    """How two texts of the same speech differ, with the fewest words changed.

    Case, punctuation and the script of Chinese do not count, as in `unit_key`.

    Args:
        before: The first text, say what was committed live.
        after: The second text, say the final transcript.
        language: Code of their language; it says whether words or characters are compared.
    """
    old, new = _Units(before, language), _Units(after, language)
    pairs = matching_units(old.keys, new.keys)
    parts: list[Part] = []
    n_changed = 0
    i = j = 0
    for k, (a, b) in enumerate([*pairs, (len(old.keys), len(new.keys))]):
        if (i, j) != (a, b):
            parts.append(Part(before=old.text(i, a), after=new.text(j, b), is_same=False))
            n_changed += max(a - i, b - j)
        if k < len(pairs):
            parts.append(Part(before=old.text(a, a + 1), after=new.text(b, b + 1), is_same=True))
        i, j = a + 1, b + 1
    return Difference(
        parts=tuple(_joined(parts)),
        n_changed=n_changed,
        n_words=max(len(old.keys), len(new.keys)),
    )


class _Units:
    """A text in units that can be compared; what is only signs belongs to the unit before it."""

    def __init__(self, text: str, language: str) -> None:
        key = unit_key(language)
        self.keys: list[str] = []
        self._texts: list[str] = []
        opening = ""
        for unit in split_units(" ".join(text.split()), language):
            found = key(unit)
            if found:
                self.keys.append(found)
                self._texts.append(opening + unit)
                opening = ""
            elif self._texts:
                self._texts[-1] += unit
            else:
                opening += unit

    def text(self, start: int, stop: int) -> str:
        return "".join(self._texts[start:stop])


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Neighbours that are the same as one part."""
    joined: list[Part] = []
    for part in parts:
        if joined and joined[-1].is_same and part.is_same:
            last = joined.pop()
            part = Part(
                before=last.before + part.before, after=last.after + part.after, is_same=True
            )
        joined.append(part)
    return joined
