"""Where phrases begin in texts that have no spaces: Japanese, Chinese and Thai.

BudouX knows it from small models of its own (https://github.com/google/budoux), so that a line
does not end inside a word that no space shows. Other scripts have no such model.
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from budoux import Parser

_KANA = re.compile(r"[\u3041-\u30ff]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_THAI = re.compile(r"[\u0e01-\u0e5b]")


def phrase_starts(text: str) -> frozenset[int] | None:
    """Where phrases begin in a text; None for scripts whose phrases nobody knows."""
    name = _model_name(text)
    if name is None:
        return None
    position, starts = 0, set[int]()
    for phrase in _parser(name).parse(text):
        starts.add(position)
        position += len(phrase)
    return frozenset(starts)


def _model_name(text: str) -> str | None:
    if _KANA.search(text):
        return "ja"
    if _THAI.search(text):
        return "th"
    han = "".join(_HAN.findall(text))
    if not han:
        return None
    # GB 2312 holds the simplified characters, and those that are the same in both scripts.
    n_simplified = len(han.encode("gb2312", errors="ignore")) // 2
    n_traditional = len(han.encode("big5", errors="ignore")) // 2
    return "zh-hant" if n_traditional > n_simplified else "zh-hans"


@lru_cache(maxsize=4)
def _parser(name: str) -> "Parser":
    # Here and not above: most transcripts need none, and it is read from the disk.
    import budoux

    match name:
        case "ja":
            return budoux.load_default_japanese_parser()
        case "th":
            return budoux.load_default_thai_parser()
        case "zh-hant":
            return budoux.load_default_traditional_chinese_parser()
        case _:
            return budoux.load_default_simplified_chinese_parser()
