"""One configuration of ours in a process of its own: ``python -m whisper_jax.bench.worker``.

Reads a job as JSON on standard input and answers in JSON on standard output; whatever else is
printed goes to standard error. A process of its own, and imports only once the clock runs, so
that import, load, compilation and memory are those of a user's first call.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from whisper_jax.bench.peers.worker import peak_memory_bytes, pin
from whisper_jax.errors import OptionError, WhisperJaxError

if TYPE_CHECKING:
    from whisper_jax.engine.device import DeviceCounts
    from whisper_jax.transcribe import Whisper

_COMPILE_EVENTS = "/jax/core/compile/"
_PROGRAM_COMPILED = "/jax/core/compile/backend_compile_duration"
_CACHE_HIT = "/jax/compilation_cache/cache_hits"
_DISTRIBUTIONS = ("whisper-jax", "jax", "jaxlib", "numpy")

type Interval = tuple[float, float]


class CompileWatch:
    """What JAX's monitoring says of compilation in this process."""

    def __init__(self) -> None:
        self.n_compiled = 0
        self.n_from_cache = 0
        self._intervals: dict[int, list[Interval]] = {}

    def start(self) -> None:
        """Listen from now on."""
        from jax import monitoring

        monitoring.register_event_duration_secs_listener(self.took)
        monitoring.register_event_listener(self.happened)

    def took(self, event: str, duration_secs: float, **_: str | int) -> None:
        """Something ended that took so long."""
        if event.startswith(_COMPILE_EVENTS):
            end_s = time.perf_counter()
            own = self._intervals.setdefault(threading.get_ident(), [])
            own.append((end_s - duration_secs, end_s))
            self.n_compiled += event == _PROGRAM_COMPILED

    def happened(self, event: str, **_: str | int) -> None:
        """Something happened."""
        self.n_from_cache += event == _CACHE_HIT

    @property
    def seconds(self) -> float:
        """Seconds in which a thread was compiling; what lies within another counts once."""
        return sum(union_s(intervals) for intervals in self._intervals.values())


def union_s(intervals: Sequence[Interval]) -> float:
    """Seconds that are in at least one of the intervals."""
    total_s, covered_to = 0.0, float("-inf")
    for start_s, end_s in sorted(intervals):
        total_s += max(0.0, end_s - max(start_s, covered_to))
        covered_to = max(covered_to, end_s)
    return total_s


def counts_between(before: "DeviceCounts", after: "DeviceCounts") -> dict[str, Any]:
    """Tokens, occupancy and device seconds of the time between two states of the counts."""
    row_steps = after.row_steps - before.row_steps
    active = after.active_row_steps - before.active_row_steps
    seconds = {name: s - before.seconds.get(name, 0.0) for name, s in after.seconds.items()}
    return {
        "n_tokens": after.tokens - before.tokens,
        "occupancy": active / row_steps if row_steps else None,
        "device_s": {name: s for name, s in seconds.items() if s > 0},
    }


def transcribe_job(job: dict[str, Any]) -> dict[str, Any]:
    """Load a model, transcribe all files to warm up, then again against the clock."""
    start_s = time.perf_counter()
    from whisper_jax.loading import load_model

    imported_s = time.perf_counter()
    watch = CompileWatch()
    watch.start()
    model = load_model(
        job["model"],
        device=job["device"],
        compute_type=job["compute_type"],
        batch_size=job["batch_size"],
        n_devices=job["n_devices"],
    )
    loaded_s = time.perf_counter()
    with model:
        first_s = _first_s(model, job["files"][0], job["options"])
        _transcribe_all(model, job["files"], job["options"])
        n_warm, before = watch.n_compiled, model.counts
        steady_start_s, cpu_start_s = time.perf_counter(), time.process_time()
        results = _transcribe_all(model, job["files"], job["options"])
        steady_s, cpu_s = time.perf_counter() - steady_start_s, time.process_time() - cpu_start_s
        counts = counts_between(before, model.counts)
    return {
        "import_s": imported_s - start_s,
        "load_s": loaded_s - imported_s,
        "first_s": first_s,
        "compile_s": watch.seconds,
        "n_compiled": watch.n_compiled,
        "n_from_cache": watch.n_from_cache,
        "n_compiled_late": watch.n_compiled - n_warm,
        "steady_s": steady_s,
        "cpu_s": cpu_s,
        **counts,
        "texts": [text for text, _, _ in results],
        "audio_s": sum(duration_s for _, duration_s, _ in results),
        "errors": [error for _, _, error in results],
        "peak_memory_bytes": peak_memory_bytes(),
        "versions": {name: version(name) for name in _DISTRIBUTIONS},
    }


def limits_job(job: dict[str, Any]) -> dict[str, Any]:
    """Measure the limits of the machine and the parts of the model."""
    from whisper_jax.bench.limits import measure_limits

    return asdict(
        measure_limits(job["model"], job["compute_types"], job["batch_size"], job["device"])
    )


_JOBS = {"transcribe": transcribe_job, "limits": limits_job}


def _first_s(model: "Whisper", file: dict[str, Any], options: dict[str, Any]) -> float | None:
    """Seconds to the first segment of a file; None if there is none."""
    start_s = time.perf_counter()
    segments = model.segments(file["path"], language=file["language"], **options)
    try:
        for _ in segments:
            return time.perf_counter() - start_s
    except OptionError:
        raise
    except WhisperJaxError:
        pass  # it is reported with the other results
    return None


def _transcribe_all(
    model: "Whisper", files: Sequence[dict[str, Any]], options: dict[str, Any]
) -> list[tuple[str, float, str | None]]:
    """Text, seconds of audio and error of each file; one batch for each language given."""
    indices: dict[str | None, list[int]] = {}
    for index, file in enumerate(files):
        indices.setdefault(file["language"], []).append(index)
    results: dict[int, tuple[str, float, str | None]] = {}
    for language, group in indices.items():
        paths = [files[index]["path"] for index in group]
        transcripts = model.transcribe_batch(paths, on_error="return", language=language, **options)
        for index, one in zip(group, transcripts, strict=True):
            error = None if one.error is None else str(one.error)
            results[index] = ("" if error else one.text, one.duration, error)
    return [results[index] for index in range(len(files))]


def main() -> None:
    """Read the job, do it, print the answer or what went wrong."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    job = json.load(sys.stdin)
    pin(job["threads"])
    try:
        answer = _JOBS[job["kind"]](job)
    except WhisperJaxError as error:
        answer = {"error": str(error), "is_option": isinstance(error, OptionError)}
    with os.fdopen(answer_to, "w", encoding="utf-8") as out:
        json.dump(answer, out)


if __name__ == "__main__":
    main()
