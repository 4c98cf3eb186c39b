"""A server watched while it works: memory, open files, slots, requests and files of uploads."""

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Self

from whisper_jax.bench.serving.client import Caller, Client

_EVERY_S = 1.0
_LINE = re.compile(r"^(\w+)(?:\{[^}]*\})? ([-+.\deE]+)$", re.M)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A server at one moment.

    Attributes:
        at_s: Seconds since the beginning.
        memory_bytes: Resident memory of its process.
        n_files: Open files and sockets.
        n_windows: Windows in slots.
        n_requests: Requests that are being sent, wait or are transcribed.
        n_uploads: Files that it keeps of uploads, with and without a name; None if that cannot be
            seen from here.
    """

    at_s: float
    memory_bytes: int
    n_files: int
    n_windows: int
    n_requests: int
    n_uploads: int | None


def read_metrics(text: str) -> dict[str, float]:
    """The values of a page of Prometheus metrics by name, summed over labels."""
    found: dict[str, float] = {}
    for name, value in _LINE.findall(text):
        found[name] = found.get(name, 0.0) + float(value)
    return found


class Watch:
    """Takes a sample every second, on a thread of its own, for as long as it is open.

    Args:
        client: The server.
        caller: Who asks.
        count_uploads: Tells how many files there are of uploads.
    """

    def __init__(
        self,
        client: Client,
        caller: Caller,
        count_uploads: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._client, self._caller, self._count_uploads = client, caller, count_uploads
        self._start_s = perf_counter()
        self._samples: list[Sample] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="whisper-jax-bench-watch")

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What was seen so far; nothing of times in which nobody answered."""
        return tuple(self._samples)

    @property
    def at_s(self) -> float:
        """Seconds since the beginning."""
        return perf_counter() - self._start_s

    def take(self) -> Sample | None:
        """Take a sample now; None if nobody answers."""
        status, content = self._client.get("/metrics", self._caller)
        if status != 200:
            return None
        values = read_metrics(content.decode())
        requests = ("uploading", "waiting", "running")
        return Sample(
            at_s=self.at_s,
            memory_bytes=int(values.get("process_resident_memory_bytes", 0)),
            n_files=int(values.get("process_open_fds", 0)),
            n_windows=int(values.get("whisper_jax_model_windows", 0)),
            n_requests=sum(int(values.get(f"whisper_jax_{n}_requests", 0)) for n in requests),
            n_uploads=self._count_uploads(),
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY_S):
            sample = self.take()
            if sample is not None:
                self._samples.append(sample)


def count_uploads(folder: Path, process_id: int | None) -> int | None:
    """Files of uploads: in a folder, and those without a name that a process keeps open there."""
    if process_id is None:
        return None
    n_named = sum(1 for path in folder.rglob("*") if path.is_file())
    n_unnamed = 0
    with suppress(OSError):  # it has ended, or this is not Linux
        for path in Path(f"/proc/{process_id}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                link = str(path.readlink())
                n_unnamed += link.startswith(f"{folder}/") and link.endswith("(deleted)")
    return n_named + n_unnamed
