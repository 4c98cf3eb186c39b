"""What `transcribe_batch` takes for the files of a load: what a server is held against."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from whisper_jax.bench.machine import usable_cores
from whisper_jax.bench.plan import Plan
from whisper_jax.bench.results import OURS, Configuration
from whisper_jax.bench.run import RealProcesses
from whisper_jax.bench.serving.client import Upload
from whisper_jax.bench.workload import Recording


def seconds_of_batch(
    uploads: Sequence[Upload], model: str, language: str | None, *, is_greedy: bool
) -> float:
    """Transcribe them in one call, in a process of its own: once to warm up, once by the clock.

    Args:
        uploads: The files.
        model: With what.
        language: What all of them are in; detected if None.
        is_greedy: With one beam, at temperature 0 alone; else by the defaults.
    """
    with tempfile.TemporaryDirectory(prefix="whisper-jax-bench-") as folder:
        recordings: list[Recording] = []
        for upload in uploads:
            path = Path(folder) / upload.name
            path.write_bytes(upload.content)
            recordings.append(Recording(path=path, language=language))
        plan = Plan(
            recordings=tuple(recordings),
            model=model,
            own_defaults=not is_greedy,
            threads=usable_cores(),
            with_limits=False,
        )
        configuration = Configuration(system=OURS, compute_type="auto")
        return RealProcesses(plan, Path(folder)).measure(configuration).steady_s
