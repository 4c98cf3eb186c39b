"""Tables, drawn for a terminal, as plain text or in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

type Cells = tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        title: What stands above it; may be empty.
        headers: One for each column.
        sections: Rows of as many cells, in groups that are set apart.
        left: Columns that are aligned to the left, the others being figures.
    """

    title: str
    headers: Cells
    sections: tuple[tuple[Cells, ...], ...]
    left: tuple[int, ...] = (0,)

    @property
    def rows(self) -> tuple[Cells, ...]:
        """The rows of all sections."""
        return tuple(row for section in self.sections for row in section)


def rich_grid(grid: Grid) -> Table:
    """The table for a terminal."""
    table = Table(title=grid.title or None, title_justify="left")
    for column, header in enumerate(grid.headers):
        table.add_column(header, justify="left" if column in grid.left else "right")
    for section in grid.sections:
        table.add_section()
        for row in section:
            table.add_row(*row)
    return table


def plain_grid(grid: Grid) -> str:
    """The table as aligned text, for a file or a pipe."""
    rows = [grid.headers, *grid.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(grid.headers))]
    lines = ["  ".join(_padded(row, widths, grid.left)).rstrip() for row in rows]
    return "\n".join([*([grid.title, ""] if grid.title else []), *lines])


def markdown_grid(grid: Grid) -> str:
    """The table in Markdown."""
    rule = ["---" if column in grid.left else "---:" for column in range(len(grid.headers))]
    rows = [grid.headers, rule, *grid.rows]
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    return "\n".join([*([f"{grid.title}:", ""] if grid.title else []), *lines])


def _padded(row: Sequence[str], widths: Sequence[int], left: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if column in left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
