"""The C library of this process, where it is glibc."""

import ctypes
from functools import cache


@cache
def glibc() -> ctypes.CDLL | None:
    """The C library of this process, if it is glibc."""
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018 - is looked up
    except (OSError, AttributeError, TypeError):  # TypeError: Windows has no such handle
        return None
    return libc
