"""Do the job given on standard input with one peer, and print what came of it as JSON.

Runs by itself in the peer's environment, so it needs nothing of this package. `run` starts it and
documents the job and the answer (`PeerJob`, `PeerResult`). Only the answer goes to standard
output; whatever a peer prints goes to standard error.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

_SAMPLE_RATE = 16_000

# (path, language or None) to (parts of the text as they come, seconds of audio)
Transcriber = Callable[[str, "str | None"], "tuple[Iterable[str], float]"]


class _OpenAIWhisper:
    """openai-whisper: a result is the whole text of a file, found window by window."""

    def __init__(self, job: "dict[str, Any]"):
        self.job = job
        self.torch: Any = importlib.import_module("torch")
        self.whisper: Any = importlib.import_module("whisper")
        self.av: Any = importlib.import_module("av")
        self.numpy: Any = importlib.import_module("numpy")

    def load(self) -> Transcriber:
        job = self.job
        self.torch.set_num_threads(job["threads"])
        model = self.whisper.load_model(job["model"], device="cpu")
        options: dict[str, Any] = {
            "fp16": False,
            "temperature": 0.0,
            "without_timestamps": not job["timestamps"],
        }
        if job["beam_size"] > 1:
            options["beam_size"] = job["beam_size"]

        def transcribe(path: str, language: "str | None") -> "tuple[Iterable[str], float]":
            samples = self._read(path)
            text = model.transcribe(samples, language=language, **options)["text"]
            return [text], len(samples) / _SAMPLE_RATE

        return transcribe

    def _read(self, path: str) -> Any:
        # Its own reader starts an ffmpeg program, which many machines do not have.
        resampler = self.av.AudioResampler(format="flt", layout="mono", rate=_SAMPLE_RATE)
        with self.av.open(path) as container:
            blocks = [
                out.to_ndarray()[0]
                for frame in (*container.decode(audio=0), None)
                for out in resampler.resample(frame)
            ]
        return self.numpy.concatenate(blocks)


class _FasterWhisper:
    """faster-whisper: sequential, or batched over the speech of one file at a time."""

    def __init__(self, job: "dict[str, Any]"):
        self.job = job
        self.faster_whisper: Any = importlib.import_module("faster_whisper")

    def load(self) -> Transcriber:
        job = self.job
        model = self.faster_whisper.WhisperModel(
            job["model"],
            device="cpu",
            compute_type=job["compute_type"],
            cpu_threads=job["threads"],
        )
        options: dict[str, Any] = {
            "beam_size": job["beam_size"],
            "temperature": 0.0,
            # Batched, it leaves timestamps out unless it is told not to.
            "without_timestamps": not job["timestamps"],
        }
        if job["batch_size"] is not None:
            model = self.faster_whisper.BatchedInferencePipeline(model)
            options["batch_size"] = job["batch_size"]

        def transcribe(path: str, language: "str | None") -> "tuple[Iterable[str], float]":
            # Each segment is decoded when it is asked for.
            segments, info = model.transcribe(path, language=language, **options)
            return (segment.text for segment in segments), info.duration

        return transcribe


_PEERS = {"openai-whisper": _OpenAIWhisper, "faster-whisper": _FasterWhisper}


def run(job: "dict[str, Any]") -> "dict[str, Any]":
    """The answer to a job: times, texts, memory and versions."""
    started = time.perf_counter()
    peer = _PEERS[job["peer"]](job)
    imported = time.perf_counter()
    transcribe = peer.load()
    loaded = time.perf_counter()
    files = job["files"]
    parts = iter(transcribe(files[0]["path"], files[0]["language"])[0])
    next(parts, None)
    first = time.perf_counter()
    for _ in parts:
        pass  # the rest of the file is warm-up
    runs: list[dict[str, float]] = []
    results: list[tuple[str, float]] = []
    for _ in range(job["runs"]):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        results = [_whole(transcribe(file["path"], file["language"])) for file in files]
        runs.append(
            {
                "wall_s": time.perf_counter() - wall_start,
                "cpu_s": time.process_time() - cpu_start,
            }
        )
    return {
        "import_s": imported - started,
        "load_s": loaded - imported,
        "first_s": first - loaded,
        "runs": runs,
        "texts": [text for text, _ in results],
        "durations_s": [duration for _, duration in results],
        "peak_memory_bytes": peak_memory_bytes(),
        "versions": {name: version(name) for name in job["distributions"]},
    }


def _whole(result: "tuple[Iterable[str], float]") -> "tuple[str, float]":
    parts, duration_s = result
    return "".join(parts), duration_s


def pin(n_threads: int) -> None:
    """Keep to the first so many of the cores that this process may use (Linux alone can)."""
    # Besides the thread counts in the environment: a library that ignores those cannot use more
    # cores than it is given.
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_threads])


def peak_memory_bytes() -> int:
    """Most resident memory that this process ever had."""
    if sys.platform == "linux":
        # Unlike ru_maxrss, VmHWM does not begin with the memory of the process that started this.
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    resource: Any = importlib.import_module("resource")  # Unix alone has it
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    """Read the job, run it, print the answer."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    job = json.load(sys.stdin)
    pin(job["threads"])
    answer = run(job)
    with os.fdopen(answer_to, "w", encoding="utf-8") as out:
        json.dump(answer, out)


if __name__ == "__main__":
    main()
