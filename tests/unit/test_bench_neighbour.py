import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from whisper_jax.bench.neighbour import busy_neighbour
from whisper_jax.errors import OptionError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins processes")


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


@LINUX
def test_it_spins_on_the_first_core_until_the_end():
    with busy_neighbour() as pid:
        assert pid is not None
        assert os.sched_getaffinity(pid) == {min(os.sched_getaffinity(0))}
        assert is_running(pid)
    assert not is_running(pid)


@LINUX
def test_it_ends_when_something_goes_wrong():
    with pytest.raises(KeyboardInterrupt), busy_neighbour() as pid:
        raise KeyboardInterrupt
    assert pid is not None
    assert not is_running(pid)


@LINUX
def test_it_does_not_outlive_a_benchmark_that_is_killed():
    program = """
import sys, time
from whisper_jax.bench.neighbour import busy_neighbour
with busy_neighbour() as pid:
    print(pid, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert is_running(pid)
        process.kill()
    deadline_s = time.monotonic() + 60
    while is_running(pid) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not is_running(pid)


def test_without_it_nothing_runs():
    with busy_neighbour(False) as pid:
        assert pid is None


def test_it_needs_linux(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(OptionError, match="Linux alone"), busy_neighbour():
        pass
