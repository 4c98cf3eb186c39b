"""The process's memory between calls: what was freed goes back to the operating system.

XLA's CPU client takes the memory of every call from the C library and frees it after. glibc keeps
an arena for each thread, and the free parts of an arena are of no use to other threads: over hours
a process grows by hundreds of megabytes that nobody uses (figures in docs/performance.md). With
another C library nothing is done.
"""

import threading
from time import monotonic

from whisper_jax.clibrary import glibc

_EVERY_S = 10.0
"""It takes about 20 ms, most of it for the threads that take the pages again."""


class FreeMemory:
    """Gives free memory back now and then; for threads that call it often."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_s = monotonic()

    def give_back(self) -> None:
        """Give it back, if that was not done for some seconds."""
        libc = glibc()
        with self._lock:
            now_s = monotonic()
            if libc is None or now_s - self._last_s < _EVERY_S:
                return
            self._last_s = now_s
        libc.malloc_trim(0)


FREE_MEMORY = FreeMemory()
"""That of this process."""
