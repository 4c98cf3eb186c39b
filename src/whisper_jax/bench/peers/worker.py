"""Do the job given on standard input with one peer, and print what came of it as JSON lines.

Runs by itself in the peer's environment, so it needs nothing of this package. `run` starts it and
documents the jobs and the answers (`PeerJob`; `PeerResult` in a line, or a `PeerText` a line).
Only answers go to standard output; whatever a peer prints goes to standard error.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import Any

_SAMPLE_RATE = 16_000
_SEED = 0

# (path, options of this file) to (parts of the text as they come, seconds of audio)
Transcriber = Callable[[str, "dict[str, Any]"], "tuple[Iterable[str], float]"]


class _Reader:
    """Decodes a recording, float32 at 16 kHz, for peers that want samples.

    Their own readers start an ffmpeg program, which many machines do not have.
    """

    def __init__(self) -> None:
        self.av: Any = importlib.import_module("av")
        self.numpy: Any = importlib.import_module("numpy")

    def __call__(self, path: str) -> Any:
        resampler = self.av.AudioResampler(format="flt", layout="mono", rate=_SAMPLE_RATE)
        with self.av.open(path) as container:
            blocks = [
                out.to_ndarray()[0]
                for frame in (*container.decode(audio=0), None)
                for out in resampler.resample(frame)
            ]
        return self.numpy.concatenate(blocks)


class _OpenAIWhisper:
    """openai-whisper: a result is the whole text of a file, found window by window."""

    def __init__(self, job: "dict[str, Any]"):
        self.job = job
        self.torch: Any = importlib.import_module("torch")
        self.whisper: Any = importlib.import_module("whisper")
        self.read = _Reader()

    def load(self) -> Transcriber:
        job = self.job
        self.torch.set_num_threads(job["threads"])
        model = self.whisper.load_model(job["model"], device="cpu")

        def transcribe(path: str, options: "dict[str, Any]") -> "tuple[Iterable[str], float]":
            self.torch.manual_seed(_SEED)
            samples = self.read(path)
            text = model.transcribe(samples, **job["options"], **options)["text"]
            return [text], len(samples) / _SAMPLE_RATE

        return transcribe


class _FasterWhisper:
    """faster-whisper: sequential, or batched over the speech of one file at a time."""

    def __init__(self, job: "dict[str, Any]"):
        self.job = job
        self.faster_whisper: Any = importlib.import_module("faster_whisper")
        self.ctranslate2: Any = importlib.import_module("ctranslate2")

    def load(self) -> Transcriber:
        job = self.job
        # It seeds its threads when they start, and cannot be told again for each file.
        self.ctranslate2.set_random_seed(_SEED)
        model = self.faster_whisper.WhisperModel(
            job["model"],
            device="cpu",
            compute_type=job["compute_type"],
            cpu_threads=job["threads"],
        )
        if job["is_batched"]:
            model = self.faster_whisper.BatchedInferencePipeline(model)

        def transcribe(path: str, options: "dict[str, Any]") -> "tuple[Iterable[str], float]":
            # Each segment is decoded when it is asked for.
            segments, info = model.transcribe(path, **job["options"], **options)
            return (segment.text for segment in segments), info.duration

        return transcribe


class _OpenVINO:
    """OpenVINO GenAI: one window after the other; a result is the whole text of a file."""

    def __init__(self, job: "dict[str, Any]"):
        self.job = job
        self.openvino_genai: Any = importlib.import_module("openvino_genai")
        self.read = _Reader()

    def load(self) -> Transcriber:
        job = self.job
        settings = {"INFERENCE_NUM_THREADS": job["threads"]}
        if job["compute_type"] != "default":
            settings["INFERENCE_PRECISION_HINT"] = job["compute_type"]
        model = self.openvino_genai.WhisperPipeline(job["model"], "CPU", **settings)

        def transcribe(path: str, options: "dict[str, Any]") -> "tuple[Iterable[str], float]":
            config = model.get_generation_config()
            if config.is_multilingual:
                config.task = "transcribe"
                if options["language"] is not None:
                    config.language = f"<|{options['language']}|>"
            for name, value in job["options"].items():
                setattr(config, name, value)
            samples = self.read(path)
            return [str(model.generate(samples, config))], len(samples) / _SAMPLE_RATE

        return transcribe


class _Transformers:
    """transformers: windows of all of a file in batches; a result is the whole text of a file."""

    def __init__(self, job: "dict[str, Any]"):
        self.job = job
        self.torch: Any = importlib.import_module("torch")
        self.transformers: Any = importlib.import_module("transformers")
        self.read = _Reader()

    def load(self) -> Transcriber:
        job = self.job
        self.torch.set_num_threads(job["threads"])
        pipeline = self.transformers.pipeline(
            "automatic-speech-recognition",
            model=job["model"],
            dtype=getattr(self.torch, job["compute_type"]),
            device="cpu",
            chunk_length_s=30,
            batch_size=8,
            # Without them it loses words where its windows overlap.
            return_timestamps=True,
        )
        is_multilingual = pipeline.model.generation_config.is_multilingual

        def transcribe(path: str, options: "dict[str, Any]") -> "tuple[Iterable[str], float]":
            samples = self.read(path)
            told = {**job["options"], **options}
            if not is_multilingual:  # it will be told neither language nor task
                told = {key: told[key] for key in told if key not in ("language", "task")}
            audio = {"raw": samples, "sampling_rate": _SAMPLE_RATE}
            text = pipeline(audio, generate_kwargs=told)["text"]
            return [text], len(samples) / _SAMPLE_RATE

        return transcribe


class _WhisperCpp:
    """whisper.cpp: one window after the other; a result is the whole text of a file."""

    def __init__(self, job: "dict[str, Any]"):
        self.job = job
        self.pywhispercpp: Any = importlib.import_module("pywhispercpp.model")
        self.read = _Reader()

    def load(self) -> Transcriber:
        job = self.job
        model = self.pywhispercpp.Model(
            job["model"],
            params_sampling_strategy=int("beam_search" in job["options"]),
            redirect_whispercpp_logs_to=None,
            n_threads=job["threads"],
            print_progress=False,
            **job["options"],
        )

        def transcribe(path: str, options: "dict[str, Any]") -> "tuple[Iterable[str], float]":
            samples = self.read(path)
            # Without a language it detects one.
            segments = model.transcribe(samples, language=options["language"] or "")
            return [f" {segment.text}" for segment in segments], len(samples) / _SAMPLE_RATE

        return transcribe


_PEERS = {
    "openai-whisper": _OpenAIWhisper,
    "faster-whisper": _FasterWhisper,
    "openvino-genai": _OpenVINO,
    "transformers": _Transformers,
    "whisper.cpp": _WhisperCpp,
}


def measure(job: "dict[str, Any]") -> "Iterator[dict[str, Any]]":
    """One answer: times, texts, memory and versions."""
    started = time.perf_counter()
    peer = _PEERS[job["peer"]](job)
    imported = time.perf_counter()
    transcribe = peer.load()
    loaded = time.perf_counter()
    files = job["files"]
    parts = iter(transcribe(files[0]["path"], files[0]["options"])[0])
    next(parts, None)
    first = time.perf_counter()
    for _ in parts:
        pass  # the rest of the file is warm-up
    runs: list[dict[str, float]] = []
    results: list[tuple[str, float]] = []
    for _ in range(job["runs"]):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        results = [_whole(transcribe(file["path"], file["options"])) for file in files]
        runs.append(
            {
                "wall_s": time.perf_counter() - wall_start,
                "cpu_s": time.process_time() - cpu_start,
            }
        )
    yield {
        "import_s": imported - started,
        "load_s": loaded - imported,
        "first_s": first - loaded,
        "runs": runs,
        "texts": [text for text, _ in results],
        "durations_s": [duration for _, duration in results],
        "peak_memory_bytes": peak_memory_bytes(),
        "versions": {name: version(name) for name in job["distributions"]},
    }


def write_texts(job: "dict[str, Any]") -> "Iterator[dict[str, Any]]":
    """An answer for each file, as soon as it is there."""
    transcribe = _PEERS[job["peer"]](job).load()
    for file in job["files"]:
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        text, duration_s, error = "", 0.0, None
        try:
            text, duration_s = _whole(transcribe(file["path"], file["options"]))
        except Exception as raised:  # whatever it is, the other files may be fine
            error = f"{type(raised).__name__}: {raised}"
        yield {
            "text": text,
            "duration_s": duration_s,
            "wall_s": time.perf_counter() - wall_start,
            "cpu_s": time.process_time() - cpu_start,
            "error": error,
        }


_JOBS = {"measure": measure, "texts": write_texts}


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
    with os.fdopen(answer_to, "w", encoding="utf-8") as out:
        for answer in _JOBS[job["kind"]](job):
            out.write(json.dumps(answer) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
