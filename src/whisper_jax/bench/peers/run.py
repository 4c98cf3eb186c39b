"""Run a peer over some recordings, in a process and an environment of its own."""

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from whisper_jax.bench.peers.environment import PeerError, find_peer, peer_python
from whisper_jax.bench.peers.weights import openai_checkpoint
from whisper_jax.errors import OptionError

_WORKER = Path(__file__).with_name("worker.py")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class PeerFile:
    """A recording and its language code, or None to let the peer detect it."""

    path: Path
    language: str | None = None


@dataclass(frozen=True, kw_only=True)
class PeerJob:
    """What a peer is to do, at temperature 0 and with the peer's defaults otherwise.

    Attributes:
        peer: One of `whisper_jax.bench.peers.environment.PEERS`.
        model: A CTranslate2 model folder; openai-whisper's file is made from it.
        files: The recordings, in order. The first is also transcribed once beforehand.
        compute_type: CTranslate2's name of the arithmetic (``float32``, ``int8``);
            openai-whisper knows float32 alone on a CPU.
        threads: Threads it may use, and cores it is pinned to (on Linux).
        beam_size: 1 is greedy.
        batch_size: Windows of one file at a time, which faster-whisper cuts at silences; None
            for the sequential algorithm.
        timestamps: Ask for timestamps, as both peers do by default when sequential.
        runs: How often all files are transcribed, one time after the other, in one process.
    """

    peer: str
    model: Path
    files: tuple[PeerFile, ...]
    compute_type: str = "float32"
    threads: int = 2
    beam_size: int = 1
    batch_size: int | None = None
    timestamps: bool = True
    runs: int = 1

    def __post_init__(self) -> None:
        find_peer(self.peer)
        if not self.files:
            raise OptionError("no recordings; give a peer at least one")
        for name in ("threads", "beam_size", "runs"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.batch_size is not None and self.batch_size < 1:
            raise OptionError(f"batch_size is {self.batch_size}; give 1 or more, or None")
        if self.peer == "openai-whisper":
            if self.compute_type != "float32":
                raise OptionError("openai-whisper computes in float32 on a CPU; use 'float32'")
            if self.batch_size is not None:
                raise OptionError("openai-whisper has no batched algorithm; use batch_size=None")


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
    """What came of a `PeerJob`.

    Attributes:
        import_s: Seconds to import the peer.
        load_s: Seconds to load the model.
        first_s: Seconds from then to the first text of the first file: its first segment, but
            all of it with openai-whisper, which gives nothing before.
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


def run_peer(job: PeerJob, *, interpreter: str | None = None) -> PeerResult:
    """Run a job in the peer's environment, which is made the first time.

    Args:
        job: What to do.
        interpreter: The Python to make environments with; see `peer_python`.

    Raises:
        CheckpointError: the model folder holds no CTranslate2 model.
        PeerError: the peer could not be installed, or failed; the message ends with what it said.
    """
    python = peer_python(job.peer, interpreter=interpreter)
    # -I: neither PYTHONPATH nor a user's own packages may get between the peer and its own.
    command = [str(python), "-I", str(_WORKER)]
    done = subprocess.run(
        command,
        input=json.dumps(_message(job, interpreter)),
        env=_environment(job.threads),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if done.returncode:
        said = done.stderr.strip()[-2000:]
        raise PeerError(f"{job.peer} failed with code {done.returncode}:\n{said}")
    return _result(json.loads(done.stdout))


def _message(job: PeerJob, interpreter: str | None) -> dict[str, Any]:
    model = job.model
    if job.peer == "openai-whisper":
        model = openai_checkpoint(model, interpreter=interpreter)
    files = [{"path": str(file.path), "language": file.language} for file in job.files]
    distributions = find_peer(job.peer).distributions
    return {**asdict(job), "model": str(model), "files": files, "distributions": distributions}


def _environment(n_threads: int) -> dict[str, str]:
    threads = dict.fromkeys(_THREAD_VARIABLES, str(n_threads))
    # A peer that looks for something on the hub would be timed by the network.
    return {**os.environ, **threads, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def _result(answer: dict[str, Any]) -> PeerResult:
    runs = tuple(PeerRun(**run) for run in answer.pop("runs"))
    texts, durations = tuple(answer.pop("texts")), tuple(answer.pop("durations_s"))
    return PeerResult(runs=runs, texts=texts, durations_s=durations, **answer)
