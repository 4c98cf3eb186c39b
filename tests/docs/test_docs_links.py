"""Links inside the repository lead somewhere; every page can be reached from the README."""

import re
from pathlib import Path

import pytest
from pages import PAGES, ROOT, anchors, without_blocks

ALL_PAGES = [*PAGES, ROOT / "CHANGELOG.md"]


def links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", without_blocks(page))
    return [link for link in found if not link.startswith(("http://", "https://", "mailto:"))]


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link} leads out of the repository"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_every_page_can_be_reached_from_the_readme():
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
        todo += [target for target in targets if target.suffix == ".md" and target.exists()]
    assert set(PAGES) <= seen


def test_links_are_found():
    assert "docs/tutorial.md" in links(ROOT / "README.md")
    assert "options-of-load_model" in anchors(ROOT / "docs" / "reference" / "options.md")
