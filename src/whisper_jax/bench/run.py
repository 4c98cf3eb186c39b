"""Run a benchmark: each configuration in a fresh process of its own, whole processes in turn.

With several rounds, ours and the peers take turns in each, so that a machine that grows slower or
busier hits both. All processes are pinned to the same cores.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

from whisper_jax.bench.machine import LoadClock
from whisper_jax.bench.neighbour import busy_neighbour
from whisper_jax.bench.peers.environment import peer_python
from whisper_jax.bench.peers.run import PeerFile, PeerJob, measure_peer
from whisper_jax.bench.peers.settings import find_system
from whisper_jax.bench.peers.weights import peer_model
from whisper_jax.bench.plan import Plan
from whisper_jax.bench.results import (
    OURS,
    Configuration,
    Limits,
    Measurement,
    limits_from_json,
)
from whisper_jax.bench.workload import score
from whisper_jax.errors import OptionError, WhisperJaxError

_WORKER = "whisper_jax.bench.worker"


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """The outcome of a benchmark.

    Attributes:
        plan: What was to be measured.
        measurements: One for each process that ran, in the order they ran in.
        limits: The limits of the machine, or None if they could not be measured.
        problems: What could not be run, each with its reason.
    """

    plan: Plan
    measurements: tuple[Measurement, ...]
    limits: Limits | None
    problems: tuple[str, ...]


class Processes(Protocol):
    """What starts the processes; tests bring one that only pretends."""

    def prepare_peer(self, peer: str) -> None:
        """Make the environment of a peer, and the weights that it reads."""
        ...

    def measure(self, configuration: Configuration) -> Measurement:
        """One process over the whole workload."""
        ...

    def measure_limits(self) -> Limits:
        """One process that measures the limits."""
        ...


def run_benchmark(
    plan: Plan, processes: Processes, *, progress: Callable[[str], None]
) -> BenchReport:
    """Measure everything in a plan. What fails is reported, and the rest goes on.

    Args:
        plan: What to measure. Without recordings only the limits are.
        processes: What starts the processes: `RealProcesses`.
        progress: Is told, in a line, what is about to be run.

    Raises:
        OptionError: The model cannot honour an option, such as a recording's language.
    """
    problems: list[str] = []
    limits = _limits(processes, problems, progress) if plan.with_limits else None
    remaining = list(plan.configurations) if plan.recordings else []
    systems = {one.system for one in remaining}
    for peer in (peer for peer in plan.peers if peer in systems):
        progress(f"environment of {peer}")
        try:
            processes.prepare_peer(peer)
        except (WhisperJaxError, OSError) as error:
            problems.append(f"{peer}: {_line(error)}")
            remaining = [one for one in remaining if one.system != peer]
    measurements: list[Measurement] = []
    for number in range(1, plan.runs + 1):
        for configuration in tuple(remaining):
            progress(f"{configuration.label}, run {number} of {plan.runs}")
            try:
                measurements.append(processes.measure(configuration))
            except OptionError:
                raise
            except WhisperJaxError as error:
                problems.append(f"{configuration.label}: {_line(error)}")
                remaining.remove(configuration)
    return BenchReport(
        plan=plan, measurements=tuple(measurements), limits=limits, problems=tuple(problems)
    )


def _limits(
    processes: Processes, problems: list[str], progress: Callable[[str], None]
) -> Limits | None:
    progress("limits of this machine")
    try:
        return processes.measure_limits()
    except OptionError:
        raise
    except WhisperJaxError as error:
        problems.append(f"limits: {_line(error)}")
        return None


class RealProcesses:
    """Starts a fresh process for each measurement of a plan.

    Args:
        plan: What is measured.
        folder: Where the model's files are; the peers read them there.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder

    def prepare_peer(self, peer: str) -> None:
        """See `Processes`."""
        name = find_system(peer).peer
        peer_python(name)
        peer_model(name, self._folder)

    def measure_limits(self) -> Limits:
        """See `Processes`."""
        plan = self._plan
        clock = LoadClock.start()
        answer = self._ask({"kind": "limits", "compute_types": plan.compute_types})
        return replace(limits_from_json(answer), others_cores=clock.others_cores())

    def measure(self, configuration: Configuration) -> Measurement:
        """See `Processes`."""
        is_ours = configuration.system == OURS
        clock = LoadClock.start()
        # Within the clock's time, so that the neighbour does not count as another program.
        with busy_neighbour(self._plan.neighbour):
            measure = self._measure_ours if is_ours else self._measure_peer
            measurement = measure(configuration)
        return replace(measurement, others_cores=clock.others_cores())

    def _measure_ours(self, configuration: Configuration) -> Measurement:
        recordings = self._plan.recordings
        files = [{"path": str(one.path), "language": one.language} for one in recordings]
        answer = self._ask(
            {
                "kind": "transcribe",
                "compute_type": configuration.compute_type,
                "batch_size": configuration.batch_size or self._plan.batch_size,
                "options": self._plan.options,
                "n_devices": self._plan.n_devices,
                "files": files,
            }
        )
        texts, errors = answer.pop("texts"), answer.pop("errors")
        return Measurement(
            configuration=configuration,
            rates=score(recordings, texts),
            failed=tuple(
                f"{one.path.name}: {error}"
                for one, error in zip(recordings, errors, strict=True)
                if error is not None
            ),
            **answer,
        )

    def _measure_peer(self, configuration: Configuration) -> Measurement:
        recordings = self._plan.recordings
        job = PeerJob(
            settings=self._plan.peer_settings(configuration.system, configuration.compute_type),
            model=self._folder,
            files=tuple(PeerFile(path=one.path, language=one.language) for one in recordings),
            threads=self._plan.threads,
        )
        result = measure_peer(job)
        return Measurement(
            configuration=configuration,
            import_s=result.import_s,
            load_s=result.load_s,
            first_s=result.first_s,
            steady_s=result.steady_s,
            cpu_s=result.runs[-1].cpu_s,
            audio_s=sum(result.durations_s),
            peak_memory_bytes=result.peak_memory_bytes,
            rates=score(recordings, result.texts),
            versions=result.versions,
        )

    def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """Have our worker do a job."""
        plan = self._plan
        common = {
            "model": plan.model,
            "device": plan.device,
            "batch_size": plan.batch_size,
            "threads": plan.threads,
        }
        is_cold = plan.cold and job["kind"] == "transcribe"
        with tempfile.TemporaryDirectory(prefix="whisper-jax-bench-") as empty:
            # -P: nothing that lies in the current folder may get between.
            done = subprocess.run(
                [sys.executable, "-P", "-m", _WORKER],
                input=json.dumps({**common, **job}),
                env=_environment(empty if is_cold else None),
                capture_output=True,
                text=True,
                encoding="utf-8",
            )
        if done.returncode:
            said = done.stderr.strip()[-2000:]
            raise WhisperJaxError(f"the process failed with code {done.returncode}:\n{said}")
        answer = cast("dict[str, Any]", json.loads(done.stdout))
        if "error" in answer:
            kind = OptionError if answer["is_option"] else WhisperJaxError
            raise kind(answer["error"])
        return answer


def _environment(compilation_cache: str | None) -> dict[str, str]:
    if compilation_cache is None:
        return dict(os.environ)
    return {
        **os.environ,
        "JAX_COMPILATION_CACHE_DIR": compilation_cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def _line(error: Exception) -> str:
    """An error in one line: what failed, and the last line of what was said about it."""
    lines: Sequence[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}" if lines else repr(error)
