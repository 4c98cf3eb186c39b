"""Python's collector of cycles, kept from looking through what stays: a fifth of a short run."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Import and load without the collector, and keep what was made out of its sight afterwards.

    It would look again and again through a million objects of modules, none of which is garbage.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
