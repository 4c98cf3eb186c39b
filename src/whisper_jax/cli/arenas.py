"""Where the threads of this process take their memory from."""

import os

from whisper_jax.clibrary import glibc

_ARENA_MAX = -8
"""``M_ARENA_MAX`` of glibc's ``mallopt``."""
_N_ARENAS = 3
"""With fewer, threads wait for each other while the command starts; with more, hours take more."""
_VARIABLE = "MALLOC_ARENA_MAX"


def share_arenas() -> None:
    """Have all threads take memory from few arenas, unless the user has counted them.

    glibc gives most threads an arena of their own, and what is free in one is of no use to the
    others. To be called before there are threads; with another C library it does nothing.
    """
    if _VARIABLE in os.environ:
        return
    libc = glibc()
    if libc is not None:
        libc.mallopt(_ARENA_MAX, _N_ARENAS)
