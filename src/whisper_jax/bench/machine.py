"""The machine that figures were taken on, and what else was running on it."""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from whisper_jax.engine.threads import usable_cores
from whisper_jax.stored.programs import processor_flags

_FLAGS = (
    "avx2",
    "fma",
    "avx512f",
    "avx512_bf16",
    "avx512_fp16",
    "avx512_vnni",
    "amx_tile",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "bf16",
    "i8mm",
    "sve",
)
"""Instruction sets that decide how fast matrices are multiplied."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a speed depends on besides the program.

    Attributes:
        cpu: The processor's name.
        n_cores: Cores of the machine.
        n_usable_cores: Cores that this process may use.
        flags: Instruction sets for fast products that it has (Linux tells).
        memory_bytes: Bytes of memory, or None where the system does not tell.
        system: Operating system and architecture.
        python: Version of Python.
    """

    cpu: str
    n_cores: int
    n_usable_cores: int
    flags: tuple[str, ...]
    memory_bytes: int | None
    system: str
    python: str

    def __str__(self) -> str:
        memory = "" if self.memory_bytes is None else f", {self.memory_bytes / 2**30:.0f} GiB"
        flags = f" ({' '.join(self.flags)})" if self.flags else ""
        cores = f"{self.n_usable_cores} of {self.n_cores} cores"
        return f"{self.cpu}{flags}, {cores}{memory}, {self.system}, Python {self.python}"


def describe_machine() -> Machine:
    """This machine."""
    fields = _cpu_fields(_read("/proc/cpuinfo"))
    present = processor_flags()
    return Machine(
        cpu=fields.get("model name") or platform.processor() or platform.machine(),
        n_cores=os.cpu_count() or 1,
        n_usable_cores=usable_cores(),
        flags=tuple(flag for flag in _FLAGS if flag in present),
        memory_bytes=_memory_bytes(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )


class LoadClock:
    """How many cores other programs kept busy while something ran here.

    Everything this process and its finished children used is taken off what the whole machine
    used, so it is started before a child process and asked after it. Time that a hypervisor gave
    to others counts as theirs. Only Linux tells (``/proc/stat``).
    """

    def __init__(self, busy_s: float | None, own_s: float, wall_s: float) -> None:
        self._busy_s = busy_s
        self._own_s = own_s
        self._wall_s = wall_s

    @classmethod
    def start(cls) -> Self:
        """A clock that begins now."""
        return cls(_machine_busy_s(_read("/proc/stat")), _own_s(), time.perf_counter())

    def others_cores(self) -> float | None:
        """Mean number of cores that others kept busy since the start; None if it is not known."""
        end = LoadClock.start()
        if self._busy_s is None or end._busy_s is None:
            return None
        wall_s = max(end._wall_s - self._wall_s, 1e-9)
        others_s = end._busy_s - self._busy_s - (end._own_s - self._own_s)
        return max(0.0, others_s / wall_s)


def _own_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _machine_busy_s(stat: str) -> float | None:
    """Seconds that the machine's cores were busy, from the text of ``/proc/stat``."""
    if not stat.startswith("cpu "):
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _cpu_fields(cpuinfo: str) -> dict[str, str]:
    """The fields of the first processor in the text of ``/proc/cpuinfo``."""
    first = cpuinfo.split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on every system
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
