"""What streams cost while they run: device, processor and memory."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_EVERY_S = 0.25
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What was used.

    Attributes:
        wall_s: Seconds that passed.
        busy_s: Seconds in which the device was at work; programs side by side count each.
        cpu_s: Processor seconds of all threads.
        peak_memory_bytes: Most resident memory of the process meanwhile, seen four times a second;
            None where the system does not tell.
    """

    wall_s: float
    busy_s: float
    cpu_s: float
    peak_memory_bytes: int | None

    @property
    def device_share(self) -> float:
        """Device seconds in a second."""
        return self.busy_s / self.wall_s if self.wall_s else 0.0

    @property
    def cores(self) -> float:
        """Processor seconds in a second."""
        return self.cpu_s / self.wall_s if self.wall_s else 0.0

    def __add__(self, other: "Usage") -> "Usage":
        """One after the other."""
        peaks = [p for p in (self.peak_memory_bytes, other.peak_memory_bytes) if p is not None]
        return Usage(
            wall_s=self.wall_s + other.wall_s,
            busy_s=self.busy_s + other.busy_s,
            cpu_s=self.cpu_s + other.cpu_s,
            peak_memory_bytes=max(peaks, default=None),
        )


class UsageClock:
    """Measures what this process uses while it is open.

    Args:
        busy_s: Tells how many seconds the device has been at work so far.
    """

    def __init__(self, busy_s: Callable[[], float]) -> None:
        self._busy_s = busy_s
        self._peak: int | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._before = self._now()

    def __enter__(self) -> Self:
        self._before = self._now()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    @property
    def usage(self) -> Usage:
        """What has been used since it was opened."""
        pairs = zip(self._now(), self._before, strict=True)
        wall_s, busy_s, cpu_s = (now - before for now, before in pairs)
        return Usage(wall_s=wall_s, busy_s=busy_s, cpu_s=cpu_s, peak_memory_bytes=self._peak)

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), self._busy_s(), time.process_time()

    def _watch(self) -> None:
        while True:
            resident = resident_bytes()
            if resident is not None:
                self._peak = max(self._peak or 0, resident)
            if self._is_over.wait(_EVERY_S):
                return


def resident_bytes() -> int | None:
    """Resident memory of this process; None where the system does not tell."""
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
    except OSError:  # Linux alone has it
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)
