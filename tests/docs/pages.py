"""The pages of the documentation, and the code blocks in them.

A comment on the line before a block says what is special about it:

- ``<!-- not run: reason -->``: the block is not run;
- ``<!-- exit code 1 -->``: the last command of the block ends with this code;
- ``<!-- prints -->``: the block is what the block before it prints;
- ``<!-- file: name -->``: the block is written to a file, for the blocks after it;
- ``<!-- file content: name -->``: the block is what this file holds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh-CN.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]

_BLOCK = re.compile(
    r"^(?:<!-- (?P<note>.*?) -->\n)?```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.M | re.S
)
_COMMENT = re.compile(r"<!-- (.*?) -->", re.S)
_HEADING = re.compile(r"^#+ (.+)$", re.M)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: its language, the comment before it, what is in it, and where."""

    kind: str
    note: str
    body: str
    line: int

    @property
    def is_run(self) -> bool:
        return not self.note.startswith("not run: ")

    def after(self, prefix: str) -> str | None:
        """What the comment says after this prefix; None if it begins otherwise."""
        return self.note.removeprefix(prefix) if self.note.startswith(prefix) else None


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for match in _BLOCK.finditer(text):
        yield Block(
            kind=match["kind"],
            note=match["note"] or "",
            body=match["body"],
            line=text.count("\n", 0, match.start("body")),
        )


def comments(page: Path) -> list[str]:
    return _COMMENT.findall(page.read_text())


def without_blocks(page: Path) -> str:
    return _BLOCK.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make, by GitHub's rule."""
    headings = _HEADING.findall(without_blocks(page))
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def section(page: Path, heading: str) -> str:
    """What stands under a heading, up to the next of the same level."""
    level = heading.partition(" ")[0]
    _, found, rest = page.read_text().partition(f"\n{heading}")
    assert found, f"{page.name} has no heading {heading!r}"
    return rest.partition(f"\n{level} ")[0]


def table_rows(text: str) -> list[list[str]]:
    """The cells of every row of every table, head rows included."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
