"""What is compared, as a user writes it: runs of ours and pools of sets."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from whisper_jax.errors import OptionError
from whisper_jax.evaluate.compare import Pool
from whisper_jax.evaluate.run import OURS
from whisper_jax.options import transcribe_options

# A comma ends a value only where the next option begins: a value may be a list.
_NEXT_OPTION = re.compile(r",\s*(?=\w+\s*=)")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One way of ours.

    Attributes:
        name: What tables call it.
        options: What differs from the defaults.
    """

    name: str = OURS
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if not self.name:
            raise OptionError("a run needs a name: 'NAME: option=value, option=value'")
        if "language" in self.options:
            raise OptionError("the language comes from the manifest; leave it out of the options")
        transcribe_options(self.options)


def parse_run(text: str) -> Run:
    """A run from ``NAME: option=value, option=value``, or from a name alone for the defaults.

    Options are those of `whisper_jax.options.TranscribeOptions`. A value is JSON (``true``,
    ``null``, ``[0, 0.5]``); what is not JSON is text.

    Raises:
        OptionError: It is written otherwise, or the options cannot be honoured.
    """
    name, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for part in _NEXT_OPTION.split(rest) if rest.strip() else ():
        option, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or option in options:
            raise OptionError(
                f"{part.strip()!r} in the run {text!r}; write 'NAME: option=value, option=value',"
                " each option once"
            )
        options[option] = _value(value)
    return Run(name=name.strip(), options=options)


def parse_pool(text: str) -> Pool:
    """A pool from ``NAME=set,set``: see `Pool.patterns`.

    Raises:
        OptionError: It is written otherwise.
    """
    name, _, rest = text.partition("=")
    patterns = tuple(pattern.strip() for pattern in rest.split(",") if pattern.strip())
    if not name.strip() or not patterns:
        raise OptionError(f"{text!r} is no pool; write 'NAME=set,set', where * stands for anything")
    return Pool(name=name.strip(), patterns=patterns)


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
