"""A terminal as far as captions need one: what stands where, how it looks, what scrolled up."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_CODE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])")
_BEGUN = re.compile(r"\x1b(\[[?\d;]*)?")
_PLAIN, _DIM, _ITALIC = "0", "2", "3"


@dataclass(frozen=True)
class Cell:
    """A character, with what combines with it, and the codes of its style."""

    text: str = " "
    styles: frozenset[str] = frozenset()

    @property
    def is_tentative(self) -> bool:
        return {_DIM, _ITALIC} <= self.styles


BLANK = Cell()
BEHIND_WIDE = Cell(text="")


class Screen:
    """Takes what a program writes to a terminal.

    Attributes:
        wraps: Whether a line that is too long goes on in the next; else it is an error.
    """

    def __init__(self, n_columns: int = 40, n_rows: int = 10, *, wraps: bool = False) -> None:
        self.wraps = wraps
        self.n_columns, self.n_rows = n_columns, n_rows
        self.history: list[list[Cell]] = []
        self.rows = [self._blank()]
        self._row = self._column = 0
        self._styles: frozenset[str] = frozenset()
        self._begun = ""

    def write(self, text: str) -> None:
        text, self._begun = self._begun + text, ""
        position = 0
        while position < len(text):
            if _BEGUN.fullmatch(text, position):
                self._begun = text[position:]  # the rest of the code is still to come
                return
            code = _CODE.match(text, position)
            if code is not None:
                self._obey(code[1], code[2])
                position = code.end()
            else:
                self._put(text[position])
                position += 1

    @property
    def lines(self) -> list[str]:
        """What the screen shows."""
        return [_text(row) for row in self.rows]

    @property
    def whole(self) -> list[str]:
        """What has scrolled up, and what the screen shows."""
        return [_text(row) for row in [*self.history, *self.rows]]

    def tentative(self) -> str:
        """The text that is dim and italic."""
        return "".join(c.text for row in self.rows for c in row if c.is_tentative)

    def _blank(self) -> list[Cell]:
        return [BLANK] * self.n_columns

    def _obey(self, numbers: str, kind: str) -> None:
        first = int(numbers) if numbers.isdecimal() else None
        match kind:
            case "A":
                self._row = max(0, self._row - (first or 1))
            case "K":
                assert first == 2, "only whole lines are erased"
                self.rows[self._row] = self._blank()
            case "m":
                given = numbers.split(";")
                self._styles = frozenset() if given in ([""], [_PLAIN]) else frozenset(given)
            case "h" | "l":
                assert numbers == "?25", "only the cursor is hidden and shown"
            case _:
                raise AssertionError(f"what is \\x1b[{numbers}{kind}?")

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._column = 0
            self._row += 1
            if self._row == len(self.rows):
                self.rows.append(self._blank())
            if len(self.rows) > self.n_rows:
                self.history.append(self.rows.pop(0))
                self._row -= 1
        else:
            self._draw(character)

    def _draw(self, character: str) -> None:
        row = self.rows[self._row]
        if unicodedata.category(character) in ("Mn", "Me", "Cf"):
            before = row[self._column - 1]
            row[self._column - 1] = Cell(before.text + character, before.styles)
            return
        columns = 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
        if self._column + columns > self.n_columns:
            assert self.wraps, "a line is too long"
            self._put("\n")
            row = self.rows[self._row]
        row[self._column] = Cell(character, self._styles)
        if columns == 2:
            row[self._column + 1] = BEHIND_WIDE
        self._column += columns


def _text(row: Iterable[Cell]) -> str:
    return "".join(cell.text for cell in row).rstrip()
