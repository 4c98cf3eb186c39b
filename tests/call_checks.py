"""How calls are checked; in a module of its own, as there are several named conftest."""

from collections.abc import Callable
from typing import Any

from beartype import beartype


def check_call[F: Callable[..., Any]](function: F) -> F:
    """Check a function's annotations, shapes included, at every call.

    The records' constructors go free: `jax.tree.map` builds the same records of shapes, of
    shardings and of what is not there yet.
    """
    return function if function.__name__ == "__init__" else beartype(function)
