"""From nothing to text: fresh processes that load a model and transcribe one short recording.

Ours is the command line; faster-whisper imports, loads and transcribes in a script of its own.
They take turns, so that a machine that grows slower or busier hits both. A first run of each is
not counted: it compiles, converts, and brings files into memory.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from whisper_jax.bench.peers.environment import peer_python
from whisper_jax.errors import OptionError, WhisperJaxError

PEER = "faster-whisper"

_PEER_SCRIPT = """
import sys
from faster_whisper import WhisperModel

model, compute_type, threads, file, language, greedy = sys.argv[1:]
options = {"beam_size": 1, "temperature": 0.0} if greedy == "greedy" else {}
loaded = WhisperModel(model, device="cpu", compute_type=compute_type, cpu_threads=int(threads))
segments, _ = loaded.transcribe(file, language=language or None, **options)
for segment in segments:
    print(segment.text)
"""


@dataclass(frozen=True, kw_only=True)
class StartPlan:
    """What is to be measured.

    Attributes:
        file: The recording.
        language: Its language; None to have it detected.
        model: Name or path of the model.
        folder: Where its weights stand.
        threads: Of the peer.
        n_runs: Counted processes of each.
        has_peer: Run faster-whisper beside ours.
    """

    file: Path
    language: str | None
    model: str
    folder: Path
    threads: int
    n_runs: int
    has_peer: bool

    def commands(self) -> dict[str, list[str]]:
        """The command of each configuration: greedy, and each program's own defaults."""
        ours = [sys.executable, "-m", "whisper_jax.cli", "transcribe", str(self.file)]
        ours += ["--model", self.model]
        ours += ["--language", self.language] if self.language else []
        greedy = ["--beam-size", "1", "--temperature", "0"]
        commands = {"whisper-jax greedy": [*ours, *greedy], "whisper-jax defaults": ours}
        if self.has_peer:
            script = [str(peer_python(PEER)), "-I", "-c", _PEER_SCRIPT, str(self.folder)]
            about = [str(self.threads), str(self.file), self.language or ""]
            commands |= {
                f"{PEER} int8 greedy": [*script, "int8", *about, "greedy"],
                f"{PEER} float32 defaults": [*script, "float32", *about, "defaults"],
            }
        return commands


@dataclass(frozen=True, kw_only=True)
class StartTimes:
    """What came of a configuration: seconds of each process, from its start to its end."""

    label: str
    seconds: tuple[float, ...]

    def __str__(self) -> str:
        lowest, highest = min(self.seconds), max(self.seconds)
        middle = statistics.median(self.seconds)
        return f"{self.label:<32} {middle:6.2f} s  ({lowest:.2f} to {highest:.2f})"


def measure_starts(
    plan: StartPlan, run: Callable[[Sequence[str]], float] | None = None
) -> list[StartTimes]:
    """Run all configurations in turn.

    Args:
        plan: What to measure.
        run: Runs a command and tells how long it took; a process by default.

    Raises:
        OptionError: The peer cannot read the model's files.
        WhisperJaxError: A process failed.
    """
    if plan.has_peer and not (plan.folder / "model.bin").is_file():
        raise OptionError(f"{PEER} reads CTranslate2's model.bin, and {plan.folder} has none")
    run = run or _run
    commands = plan.commands()
    seconds: dict[str, list[float]] = {label: [] for label in commands}
    for turn in range(plan.n_runs + 1):
        for label, command in commands.items():
            took_s = run(command)
            if turn > 0:
                seconds[label].append(took_s)
    return [StartTimes(label=label, seconds=tuple(all_s)) for label, all_s in seconds.items()]


def _run(command: Sequence[str]) -> float:
    # As on a user's machine: what Python compiles of the sources is kept.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start_s = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    took_s = time.perf_counter() - start_s
    if done.returncode or not done.stdout.strip():
        said = done.stderr.strip()[-2000:]
        raise WhisperJaxError(f"{' '.join(command[:4])} … gave no text:\n{said}")
    return took_s
