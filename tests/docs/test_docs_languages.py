"""README.zh-CN.md says what README.md says."""

import re
from collections import Counter
from pathlib import Path

import pytest
from pages import ROOT, blocks, table_rows, without_blocks

ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
_HEADING = re.compile(r"^(#+) .+$", re.M)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def levels(page: Path) -> list[int]:
    return [len(marks) for marks in _HEADING.findall(without_blocks(page))]


def sections(page: Path) -> list[str]:
    """What stands under each heading, blocks left out; the first stands before any."""
    return re.split(r"^#+ .+$", without_blocks(page), flags=re.M)


def facts(text: str) -> dict[str, object]:
    """What must not differ between languages: links, quoted words, numbers, sizes of tables."""
    prose = _LINK.sub("]", text)
    return {
        # Each page names the other at its top.
        "links": Counter(_LINK.findall(text)) - Counter(["README.md", "README.zh-CN.md"]),
        "quoted": Counter(re.findall(r"`([^`]+)`", text)),
        "numbers": Counter(re.findall(r"\d+(?:\.\d+)*", prose)),
        "tables": [len(row) for row in table_rows(text)],
    }


def test_headings_have_the_same_levels_in_the_same_order():
    assert levels(CHINESE) == levels(ENGLISH)
    assert len(levels(ENGLISH)) > 5


def test_code_blocks_are_the_same_to_the_byte():
    def of(page: Path) -> list[tuple[str, str, str]]:
        return [(block.kind, block.note, block.body) for block in blocks(page)]

    assert of(CHINESE) == of(ENGLISH)
    assert len(of(ENGLISH)) > 5


@pytest.mark.parametrize("number", range(len(sections(ENGLISH))))
def test_a_section_has_the_same_links_words_and_numbers(number: int):
    assert facts(sections(CHINESE)[number]) == facts(sections(ENGLISH)[number])


def test_each_names_the_other_at_its_top():
    assert "(README.zh-CN.md)" in sections(ENGLISH)[1].partition("\n\n")[2].splitlines()[0]
    assert "(README.md)" in sections(CHINESE)[1].partition("\n\n")[2].splitlines()[0]


def test_differences_are_seen():
    text = "See [here](a.md): `x` is 3.12.\n\n| a | b |\n| --- | --- |\n"
    for other in ("(b.md)", "`y`", "3.11", "| a |\n"):
        left = {"(b.md)": "(a.md)", "`y`": "`x`", "3.11": "3.12", "| a |\n": "| a | b |\n"}[other]
        assert facts(text.replace(left, other)) != facts(text)
