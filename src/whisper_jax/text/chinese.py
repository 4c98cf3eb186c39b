"""Chinese in one script: Whisper writes simplified and traditional characters as it heard them.

OpenCC's conversions that change the script alone (t2s, s2t); others would also replace words by
those of one region.
"""

import functools
from collections.abc import Callable
from typing import Final, cast

from whisper_jax.errors import OptionError
from whisper_jax.options import ChineseScript

CHINESE_LANGUAGES: Final = frozenset({"zh", "yue"})
"""Codes of the languages that are written in Chinese characters alone."""

_CONVERSIONS: Final[dict[ChineseScript, str]] = {"simplified": "t2s", "traditional": "s2t"}


@functools.cache
def chinese_converter(script: ChineseScript) -> Callable[[str], str]:
    """A function that writes Chinese text in this script.

    Raises:
        OptionError: The package that does it is not installed.
    """
    try:
        from opencc import OpenCC  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
    except ImportError:
        raise OptionError(
            "chinese_script needs the package opencc; install it with "
            "pip install 'whisper-jax[chinese]'"
        ) from None
    convert = OpenCC(_CONVERSIONS[script]).convert  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return cast("Callable[[str], str]", convert)
