"""Programs read from disk before they are asked for, while a recording is read and encoded.

What the first window of a pool needs after it was encoded is known before there is a window.
Reading these programs takes about as long as the encoding, on a core that has little else to do.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial

from whisper_jax.engine.device import DevicePool
from whisper_jax.engine.lift import DevicePrograms, NotKeptError
from whisper_jax.engine.policy import DevicePolicy

_log = logging.getLogger(__name__)


class AheadReader:
    """Reads what a first window needs, once for each kind of window. Safe on many threads.

    It begins at once with what all kinds need.

    Args:
        programs: Whose programs.
        policy: How their pools are driven.
        n_slots: Slots of the smallest pool.
    """

    def __init__(self, programs: DevicePrograms, policy: DevicePolicy, n_slots: int) -> None:
        self._n_slots = n_slots
        self._lock = threading.Lock()
        self._begun: set[tuple[int, bool]] = set()
        self._pool = DevicePool(programs.fetching(), policy)
        self._last: threading.Thread | None = None
        self._is_over = False
        self._start(partial(self._pool.fetch, n_slots))

    def expect(self, n_rows: int, *, detects_language: bool) -> None:
        """Read what a kind of window needs besides, as far as it is on disk; returns at once.

        Args:
            n_rows: Texts that are written about a window.
            detects_language: Whether its language is asked for.
        """
        with self._lock:
            if (n_rows, detects_language) in self._begun:
                return
            self._begun.add((n_rows, detects_language))
            if detects_language:
                self._start(self._pool.fetch_language)
            self._start(partial(self._pool.fetch_steps, n_rows))

    def _start(self, task: Callable[[], None]) -> None:
        # One after the other: they share the pool. No daemons: the interpreter must not end while
        # one of them is in the device's library.
        self._last = threading.Thread(
            target=self._run_after, args=(self._last, task), name="whisper-jax-ahead"
        )
        self._last.start()

    def _run_after(self, before: threading.Thread | None, task: Callable[[], None]) -> None:
        if before is not None:
            before.join()
        if self._is_over:
            return
        try:
            task()
        except NotKeptError:
            self._is_over = True  # what is missing is compiled when it is needed
        except Exception:
            self._is_over = True
            _log.exception("programs cannot be read ahead")
