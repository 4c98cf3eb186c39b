"""A busy neighbour: a process that never rests, on one of the cores that the systems may use.

A machine is rarely idle. What a system loses to one busy core tells how it shares its work out.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from whisper_jax.errors import OptionError

# It looks for its parent now and then: it must not outlive a benchmark that was killed.
_SPIN = """
import os, sys
parent = int(sys.argv[1])
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


@contextmanager
def busy_neighbour(wanted: bool = True) -> Iterator[int | None]:
    """Keep the first core that this process may use busy.

    Args:
        wanted: False does nothing.

    Yields:
        The id of the process, or None.

    Raises:
        OptionError: The system cannot keep a process to a core; Linux can.
    """
    if not wanted:
        yield None
        return
    check_neighbour()
    core = min(os.sched_getaffinity(0))
    command = [sys.executable, "-I", "-c", _SPIN, str(os.getpid())]
    # It has a group of its own: Ctrl-C is for the benchmark, which ends it below.
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            os.sched_setaffinity(process.pid, {core})
            yield process.pid
        finally:
            process.kill()


def check_neighbour() -> None:
    """Whether there can be one: OptionError if not."""
    if sys.platform != "linux":
        raise OptionError("a neighbour is kept to one core, which Linux alone can do")
