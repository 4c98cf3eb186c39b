"""LocalAgreement-2 on faster-whisper, as whisper_streaming uses it, in real time.

The policy and its settings are those that Machacek, Dabre and Bojar describe ("Turning Whisper into
Real-Time Transcription System", 2023, arXiv 2307.14743) and whisper_streaming's command has:
whenever there is a second of new audio, everything in the buffer is transcribed again with the
times of words; the words that begin this hypothesis and the one before are committed; a buffer of
more than 15 s is cut where Whisper's segments end.

Runs by itself in the peer's environment, so it needs nothing of this package. `peer` starts it and
documents the job and the answers: JSON on standard input and, a line each, on standard output.
"""

import importlib
import json
import os
import queue
import sys
import threading
import time
from importlib.metadata import version
from typing import Any

_RATE = 16_000
_NO_SPEECH = 0.9  # segments that are less likely speech are left out
_OVERLAP_S, _NEAR_S, _MOST_REPEATED = 0.1, 1.0, 5
_PROMPT_LETTERS = 200

Word = tuple[float, float, str]


class Agreement:
    """Words of which two hypotheses, one after the other, say the same.

    All times are seconds of the stream.

    Attributes:
        committed: All words that were committed.
    """

    def __init__(self) -> None:
        self.committed: list[Word] = []
        self._before: list[Word] = []

    @property
    def committed_s(self) -> float:
        """The end of the last word that was committed."""
        return self.committed[-1][1] if self.committed else 0.0

    @property
    def tentative(self) -> list[Word]:
        """What the last hypothesis says after what was committed."""
        return self._before

    def agree(self, words: list[Word], buffer_s: float) -> list[Word]:
        """Commit what a new hypothesis and the last one begin with; both are of the same buffer.

        Args:
            words: The hypothesis: all words in the buffer.
            buffer_s: Where the buffer begins.
        """
        new = [word for word in words if word[0] > self.committed_s - _OVERLAP_S]
        if new and abs(new[0][0] - self.committed_s) < _NEAR_S:
            new = new[self._n_repeated(new, buffer_s) :]
        n_same = 0
        for one, other in zip(new, self._before, strict=False):
            if one[2] != other[2]:
                break
            n_same += 1
        self.committed += new[:n_same]
        self._before = new[n_same:]
        return new[:n_same]

    def finish(self) -> list[Word]:
        """Commit the rest: nothing more comes."""
        rest, self._before = self._before, []
        self.committed += rest
        return rest

    def _n_repeated(self, new: list[Word], buffer_s: float) -> int:
        """Words at the beginning that are the last committed ones of the buffer, heard again."""
        last = [word[2] for word in self.committed if word[1] > buffer_s]
        texts = [word[2] for word in new]
        for n in range(1, min(_MOST_REPEATED, len(last), len(new)) + 1):
            if last[-n:] == texts[:n]:
                return n
        return 0


class Stream:
    """A stream: its buffer, its hypotheses, and what it shows.

    Args:
        transcribe: Samples and a prompt to words and ends of segments, in seconds of the samples.
        numpy: The library.
        longest_s: A buffer longer than this is cut.
    """

    def __init__(self, transcribe: Any, numpy: Any, longest_s: float) -> None:
        self._transcribe = transcribe
        self._numpy = numpy
        self._longest_s = longest_s
        self._agreement = Agreement()
        self._buffer = numpy.zeros(0, numpy.float32)
        self._start_s = 0.0  # of the buffer

    def update(self, samples: Any) -> "tuple[str, str]":
        """Hear more: what is committed with it, and what is tentative then."""
        self._buffer = self._numpy.concatenate([self._buffer, samples])
        words, ends = self._transcribe(self._buffer, self._prompt())
        moved = [(start + self._start_s, end + self._start_s, text) for start, end, text in words]
        committed = self._agreement.agree(moved, self._start_s)
        if len(self._buffer) / _RATE > self._longest_s:
            self._cut([end + self._start_s for end in ends])
        return _text(committed), _text(self._agreement.tentative)

    def finish(self) -> str:
        """What is committed at the end."""
        return _text(self._agreement.finish())

    def _prompt(self) -> str:
        """The end of what was committed before the buffer begins."""
        before = _text([word for word in self._agreement.committed if word[1] <= self._start_s])
        return before[-_PROMPT_LETTERS:]

    def _cut(self, ends: "list[float]") -> None:
        """Forget what stands before the last end of a segment that was committed."""
        done = [end for end in ends if self._start_s < end <= self._agreement.committed_s]
        if done:
            self._buffer = self._buffer[int((max(done) - self._start_s) * _RATE) :]
            self._start_s = max(done)


class _FasterWhisper:
    """The model, shared by all streams: one transcribes after the other."""

    def __init__(self, job: "dict[str, Any]") -> None:
        library: Any = importlib.import_module("faster_whisper")
        ctranslate2: Any = importlib.import_module("ctranslate2")
        ctranslate2.set_random_seed(0)
        self.busy_s = 0.0
        self._job = job
        self._lock = threading.Lock()
        self._model = library.WhisperModel(
            job["model"],
            device="cpu",
            compute_type=job["compute_type"],
            cpu_threads=job["threads"],
        )

    def warm_up(self) -> None:
        """Transcribe a second of silence, which its VAD filter would leave out."""
        silence: Any = importlib.import_module("numpy").zeros(_RATE, "float32")
        list(self._model.transcribe(silence, language="en", beam_size=self._job["beam_size"])[0])

    def transcribe(
        self, samples: Any, prompt: str, language: "str | None"
    ) -> "tuple[list[Word], list[float]]":
        """Words with their times, and ends of segments, in seconds of the samples."""
        with self._lock:
            start_s = time.perf_counter()
            segments, _ = self._model.transcribe(
                samples,
                language=language,
                initial_prompt=prompt,
                beam_size=self._job["beam_size"],
                word_timestamps=True,
                condition_on_previous_text=True,
                vad_filter=self._job["vad"],
            )
            found = list(segments)
            self.busy_s += time.perf_counter() - start_s
        words = [
            (word.start, word.end, word.word)
            for segment in found
            if segment.no_speech_prob <= _NO_SPEECH
            for word in segment.words
        ]
        return words, [segment.end for segment in found]


class _Microphone:
    """A recording as it is being spoken: by the clock, so many milliseconds at once."""

    def __init__(self, samples: Any, start_s: float, speed: float, n_block: int) -> None:
        self._samples = samples
        self._start_s = start_s
        self._speed = speed
        self._n_block = n_block
        self._n_taken = 0

    @property
    def taken_s(self) -> float:
        """Seconds of the recording that were taken."""
        return self._n_taken / _RATE

    @property
    def is_over(self) -> bool:
        """Whether all was taken."""
        return self._n_taken == len(self._samples)

    def take(self, least_s: float) -> Any:
        """All that was spoken since the last time; waits until that is so much, or the end."""
        wanted = min(self._n_taken + int(least_s * _RATE), len(self._samples))
        due_s = self._start_s + self._whole(wanted) / _RATE / self._speed
        time.sleep(max(0.0, due_s - time.perf_counter()))
        spoken = int((time.perf_counter() - self._start_s) * self._speed * _RATE)
        stop = spoken // self._n_block * self._n_block if spoken < len(self._samples) else spoken
        stop = min(max(stop, wanted), len(self._samples))
        samples = self._samples[self._n_taken : stop]
        self._n_taken = stop
        return samples

    def _whole(self, n_samples: int) -> int:
        """So many samples and what belongs to their last block."""
        return min(-(-n_samples // self._n_block) * self._n_block, len(self._samples))


def play(job: "dict[str, Any]", file: "dict[str, Any]", model: Any, tell: Any) -> None:
    """Play a recording into a stream, and tell whenever what it shows changes."""
    numpy: Any = importlib.import_module("numpy")

    def transcribe(samples: Any, prompt: str) -> Any:
        return model.transcribe(samples, prompt, file["language"])

    samples = numpy.fromfile(file["path"], numpy.float32)
    stream = Stream(transcribe, numpy, job["longest_s"])
    start_s = time.perf_counter() + file["starts_after_s"]
    n_block = job["block_ms"] * _RATE // 1000
    microphone = _Microphone(samples, start_s, job["speed"], n_block)
    while not microphone.is_over:
        block = microphone.take(job["interval_s"])
        committed, tentative = stream.update(block)
        about = {"committed": committed, "tentative": tentative, "heard_s": microphone.taken_s}
        tell({"stream": file["stream"], "at_s": time.perf_counter() - start_s, **about})
    about = {"committed": stream.finish(), "tentative": "", "heard_s": None}
    tell({"stream": file["stream"], "at_s": time.perf_counter() - start_s, **about})


def run(job: "dict[str, Any]", tell: Any) -> None:
    """All rounds of a job, the recordings of a round at once; the costs come last."""
    model = _FasterWhisper(job)
    model.warm_up()
    wall_s, cpu_s = 0.0, 0.0
    for files in job["rounds"]:
        start_s, cpu_start_s = time.perf_counter(), time.process_time()
        failures: queue.Queue[Exception] = queue.Queue()
        threads = [
            threading.Thread(target=_attempt, args=(failures, job, file, model, tell))
            for file in files
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not failures.empty():
            raise failures.get()
        wall_s += time.perf_counter() - start_s
        cpu_s += time.process_time() - cpu_start_s
    versions = {name: version(name) for name in job["distributions"]}
    usage = {"wall_s": wall_s, "cpu_s": cpu_s, "busy_s": model.busy_s}
    tell({**usage, "peak_memory_bytes": _peak_memory_bytes(), "versions": versions})


def _attempt(failures: Any, *arguments: Any) -> None:
    try:
        play(*arguments)
    except Exception as error:  # a thread's own would only be printed
        failures.put(error)


def _text(words: "list[Word]") -> str:
    return "".join(word[2] for word in words)


def _peak_memory_bytes() -> "int | None":
    """Most resident memory that this process ever had; None where the system does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            found = [line.split()[1] for line in status if line.startswith("VmHWM:")]
    except OSError:
        return None
    return 1024 * int(found[0]) if found else None


def main() -> None:
    """Read the job, do it, print the answers."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    job = json.load(sys.stdin)
    if sys.platform == "linux":  # as the other peers: no more cores than it is given
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["threads"]])
    lock = threading.Lock()
    with os.fdopen(answer_to, "w", encoding="utf-8") as out:

        def tell(answer: "dict[str, Any]") -> None:
            with lock:
                out.write(json.dumps(answer) + "\n")
                out.flush()

        run(job, tell)


if __name__ == "__main__":
    main()
