"""Run a peer over some recordings, in a process and an environment of its own."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, Any, cast

from whisper_jax.bench.peers.environment import PeerError, peer_python
from whisper_jax.bench.peers.settings import PeerSettings
from whisper_jax.bench.peers.weights import peer_model
from whisper_jax.errors import OptionError

_WORKER = Path(__file__).with_name("worker.py")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class PeerFile:
    """A recording for a peer.

    Attributes:
        path: Where it is.
        language: Its language code, or None to let the peer detect it.
        multilingual: Detect it anew in every window, which faster-whisper alone can.
    """

    path: Path
    language: str | None = None
    multilingual: bool = False

    def options(self) -> dict[str, Any]:
        """Arguments of the peer's ``transcribe`` for this recording."""
        given = {"language": self.language}
        return {**given, "multilingual": True} if self.multilingual else given


@dataclass(frozen=True, kw_only=True)
class PeerJob:
    """What a peer is to do.

    Attributes:
        settings: Which system, and how it decodes.
        model: A CTranslate2 model folder; the files of other peers are made from it.
        files: The recordings, in order.
        threads: Threads it may use, and cores it is pinned to (on Linux).
    """

    settings: PeerSettings
    model: Path
    files: tuple[PeerFile, ...]
    threads: int = 2

    def __post_init__(self) -> None:
        if not self.files:
            raise OptionError("no recordings; give a peer at least one")
        if self.threads < 1:
            raise OptionError(f"threads is {self.threads}; give 1 or more")
        switches = any(file.multilingual for file in self.files)
        if switches and not self.settings.is_multilingual:
            raise OptionError(f"{self.settings.system} detects one language a recording")


@dataclass(frozen=True, kw_only=True)
class PeerRun:
    """One time over all files.

    Attributes:
        wall_s: Seconds by the clock, decoding of the files included.
        cpu_s: Seconds of processor time of all its threads: what it would have taken is seen
            here even if other programs were in the way.
    """

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, kw_only=True)
class PeerResult:
    """What came of measuring a `PeerJob`.

    Attributes:
        import_s: Seconds to import the peer.
        load_s: Seconds to load the model.
        first_s: Seconds from then to the first text of the first file: its first segment with
            faster-whisper, all of it with the others, which give nothing before.
        runs: The times over all files that followed, in order.
        texts: The text of each file, from the last run.
        durations_s: Seconds of audio of each file.
        peak_memory_bytes: Most resident memory the process ever had.
        versions: Versions of the peer and of what it computes with, by package.
    """

    import_s: float
    load_s: float
    first_s: float
    runs: tuple[PeerRun, ...]
    texts: tuple[str, ...]
    durations_s: tuple[float, ...]
    peak_memory_bytes: int
    versions: dict[str, str]

    @property
    def steady_s(self) -> float:
        """Median seconds of a run over all files."""
        return median(run.wall_s for run in self.runs)

    @property
    def times_real_time(self) -> float:
        """Seconds of audio for each second of the median run."""
        return sum(self.durations_s) / self.steady_s


@dataclass(frozen=True, kw_only=True)
class PeerText:
    """What came of one file.

    Attributes:
        text: What the peer wrote; empty if it failed.
        duration_s: Seconds of audio; 0 if it failed.
        wall_s: Seconds by the clock.
        cpu_s: Seconds of processor time of all its threads.
        error: Why it failed, or None.
    """

    text: str
    duration_s: float
    wall_s: float
    cpu_s: float
    error: str | None = None


def measure_peer(job: PeerJob, *, runs: int = 1, interpreter: str | None = None) -> PeerResult:
    """Time a peer. The first file is also transcribed once beforehand, to warm up.

    Args:
        job: What to do. A file that fails ends it.
        runs: How often all files are transcribed, one time after the other, in one process.
        interpreter: The Python to make environments with; see `peer_python`.

    Raises:
        CheckpointError: the model folder holds no CTranslate2 model.
        OptionError: ``runs`` is below 1.
        PeerError: the peer could not be installed, or failed; the message ends with what it said.
    """
    if runs < 1:
        raise OptionError(f"runs is {runs}; give 1 or more")
    answer = next(_answers(job, {"kind": "measure", "runs": runs}, interpreter))
    times = tuple(PeerRun(**run) for run in answer.pop("runs"))
    texts, durations = tuple(answer.pop("texts")), tuple(answer.pop("durations_s"))
    return PeerResult(runs=times, texts=texts, durations_s=durations, **answer)


def peer_texts(job: PeerJob, *, interpreter: str | None = None) -> Iterator[PeerText]:
    """What a peer writes for each file, in order, each as soon as it is there.

    A file that fails does not stop the others. What the peer draws at temperatures above 0 begins
    at the same seed in every process.

    Args:
        job: What to do.
        interpreter: The Python to make environments with; see `peer_python`.

    Raises:
        CheckpointError: the model folder holds no CTranslate2 model.
        PeerError: the peer could not be installed, or ended early; the message ends with what it
            said.
    """
    for answer in _answers(job, {"kind": "texts"}, interpreter):
        yield PeerText(**answer)


def _answers(
    job: PeerJob, wanted: dict[str, Any], interpreter: str | None
) -> Iterator[dict[str, Any]]:
    """What the worker answers, line by line."""
    question = {**_message(job, interpreter), **wanted}
    peer = job.settings.peer.name
    return worker_answers(peer, _WORKER, question, threads=job.threads, interpreter=interpreter)


def worker_answers(
    peer: str,
    script: Path,
    question: dict[str, Any],
    *,
    threads: int,
    interpreter: str | None = None,
) -> Iterator[dict[str, Any]]:
    """What a script answers in a peer's environment, line by line.

    Args:
        peer: One of `whisper_jax.bench.peers.environment.PEERS`.
        script: Reads JSON on standard input and writes lines of JSON on standard output.
        question: What it is asked.
        threads: Threads that the peer may use.
        interpreter: See `peer_python`.

    Raises:
        PeerError: The peer could not be installed, or ended early; the message ends with what it
            said.
    """
    # -I: neither PYTHONPATH nor a user's own packages may get between the peer and its own.
    command = [str(peer_python(peer, interpreter=interpreter)), "-I", str(script)]
    with tempfile.TemporaryFile("w+") as asked, tempfile.TemporaryFile("w+") as said:
        json.dump(question, asked)
        asked.seek(0)
        process = subprocess.Popen(
            command,
            env=_environment(threads),
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            encoding="utf-8",
        )
        with process:
            try:
                for line in cast("IO[str]", process.stdout):
                    if line.endswith("\n"):  # else it died while it wrote
                        yield json.loads(line)
            except BaseException:  # the caller wants no more of them, or was interrupted
                process.kill()
                raise
        if process.returncode:
            said.seek(0)
            ended = said.read().strip()[-2000:]
            raise PeerError(f"{peer} failed with code {process.returncode}:\n{ended}")


def _message(job: PeerJob, interpreter: str | None) -> dict[str, Any]:
    settings = job.settings
    return {
        "peer": settings.peer.name,
        "is_batched": settings.is_batched,
        "model": str(peer_model(settings.peer.name, job.model, interpreter=interpreter)),
        "compute_type": settings.compute_type,
        "threads": job.threads,
        "options": settings.options(),
        "files": [{"path": str(file.path), "options": file.options()} for file in job.files],
        "distributions": settings.peer.distributions,
    }


def _environment(n_threads: int) -> dict[str, str]:
    threads = dict.fromkeys(_THREAD_VARIABLES, str(n_threads))
    # A peer that looks for something on the hub would be timed by the network.
    return {**os.environ, **threads, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
