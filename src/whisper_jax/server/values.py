"""Values of forms and queries: text, as the option wants it."""

from types import NoneType
from typing import Any, Literal, get_args

from whisper_jax.server.errors import refused


def value_of(name: str, text: str, hint: Any) -> Any:
    """A field's text as the option's type; what is empty or ``none`` is None where that may be.

    Raises:
        ApiError: It is no such value.
    """
    kinds = _kinds(hint)
    word = text.strip().lower()
    if NoneType in kinds and word in ("", "none", "null"):
        return None
    if bool in kinds:
        return truth_of(name, text)
    if str in kinds or tuple in kinds:
        return text
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except (ValueError, OverflowError):
                continue
    raise refused(f"{name} is {text!r}; give a number", name)


def truth_of(name: str, text: str) -> bool:
    """True or false.

    Raises:
        ApiError: It is neither.
    """
    word = text.strip().lower()
    if word in ("true", "1"):
        return True
    if word in ("false", "0", ""):
        return False
    raise refused(f"{name} is {text!r}; give true or false", name)


def _kinds(hint: Any) -> set[Any]:
    """The types that an annotation allows; those of choices are their own."""
    hint = getattr(hint, "__value__", hint)
    origin = getattr(hint, "__origin__", None)
    if origin is Literal:
        return {type(choice) for choice in get_args(hint)}
    if origin is tuple:
        return {tuple}
    arguments = get_args(hint)
    if not arguments:
        return {hint}
    return set().union(*(_kinds(argument) for argument in arguments))
