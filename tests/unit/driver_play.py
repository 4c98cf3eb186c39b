"""What the tests of the driver play with: recordings of positions, scripted cutters, a slow engine.

Sample i of a recording is i (exactly, up to 2**24), so a window tells where it is from.
"""

import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from whisper_jax.audio.container import AudioStream
from whisper_jax.audio.decode import AudioInput
from whisper_jax.driver import EngineLike, Event, FileProgress, Plan, Run
from whisper_jax.engine.fake import FakeEngine
from whisper_jax.errors import AudioError, CancelledError, EngineError
from whisper_jax.programs import Language, Program
from whisper_jax.requests import (
    Clip,
    Decode,
    Decoded,
    DecodeRules,
    DetectLanguage,
    Encode,
    Encoded,
    EngineRequest,
    EngineResult,
    LanguageScores,
    NextClip,
    Origin,
    Progress,
    Read,
    Release,
    Samples,
)
from whisper_jax.speech.regions import Region
from whisper_jax.types import Segment, Transcript

SECOND = 16_000


def positions(n_samples: int) -> NDArray[np.float32]:
    return np.arange(n_samples, dtype=np.float32)


class Source:
    """A stream of positions in blocks; knows how far it was read, and whether it was closed."""

    def __init__(
        self,
        n_samples: int,
        block_sizes: Sequence[int] = (SECOND,),
        failure: Exception | None = None,
        wait_s: float = 0.0,
    ) -> None:
        self.n_given = 0
        self.n_closed = 0
        self.is_being_read = False
        self._n_samples = n_samples
        self._block_sizes = block_sizes
        self._failure = failure
        self._wait_s = wait_s
        self.stream = AudioStream(
            name="positions", duration_s=None, blocks=self._blocks(), close=self._close
        )

    def _blocks(self) -> Iterator[NDArray[np.float32]]:
        number = 0
        while self.n_given < self._n_samples:
            assert not self.is_being_read, "two threads read at once"
            self.is_being_read = True
            if self._wait_s:
                time.sleep(random.random() * self._wait_s)
            size = self._block_sizes[number % len(self._block_sizes)]
            stop = min(self.n_given + size, self._n_samples)
            block = np.arange(self.n_given, stop, dtype=np.float32)
            self.n_given, number = stop, number + 1
            self.is_being_read = False
            yield block
        if self._failure is not None:
            raise self._failure

    def _close(self) -> None:
        assert not self.is_being_read, "closed while it is being read"
        self.n_closed += 1


@dataclass(frozen=True)
class Script:
    """A cutter's regions, each given once so many frames of its stretch have been heard."""

    regions: tuple[Region, ...]
    after: tuple[int, ...]

    def __call__(self) -> "ScriptedCutter":
        return ScriptedCutter(self)


class ScriptedCutter:
    """Ends its script at the end of what it hears."""

    def __init__(self, script: Script) -> None:
        self._waiting = list(zip(script.after, script.regions, strict=True))
        self._n_samples = 0

    def push(self, samples: NDArray[np.float32]) -> list[Region]:
        self._n_samples += len(samples)
        return self._take(lambda after: after * 160 <= self._n_samples)

    def finish(self) -> list[Region]:
        return [r for r in self._take(lambda _: True) if r.start * 160 < self._n_samples]

    def _take(self, is_known: Callable[[int], bool]) -> list[Region]:
        found = []
        while self._waiting and is_known(self._waiting[0][0]):
            found.append(self._waiting.pop(0)[1])
        return found


class CutEach:
    """A cutter that makes a region of each ``n_frames``, given ``n_late`` frames after its end."""

    def __init__(self, n_frames: int, n_late: int = 0) -> None:
        self._n_frames, self._n_late = n_frames, n_late
        self._start, self._n_samples = 0, 0

    def push(self, samples: NDArray[np.float32]) -> list[Region]:
        self._n_samples += len(samples)
        found = []
        while (self._start + self._n_frames + self._n_late) * 160 <= self._n_samples:
            found.append(self._next(self._start + self._n_frames))
        return found

    def finish(self) -> list[Region]:
        found, end = [], self._n_samples // 160
        while self._start < end:
            found.append(self._next(min(end, self._start + self._n_frames)))
        return found

    def _next(self, stop: int) -> Region:
        start, self._start = self._start, stop
        return Region(start=start, stop=stop, speech=((start, stop),))


def region_program(peak: float, language: Language | None, *, detects: bool) -> Program:
    """Says where each clip begins and ends, by what it hears; one window a clip."""
    n = 0
    known = language
    segments: list[Segment] = []
    while (clip := (yield NextClip())) is not None:
        assert isinstance(clip, Clip)
        assert clip.stop is not None
        for start, stop in clip.detection if detects and known is None else ():
            assert start >= clip.start
            window = yield _window(start, stop, peek=start > clip.start)
            yield _encode(window, start, stop, peak)
            scores = yield DetectLanguage(language_tokens=(1, 2))
            assert isinstance(scores, LanguageScores)
            known = Language(code="de", probability=0.9, probabilities=(("de", 0.9), ("en", 0.1)))
        if detects:
            assert known is not None
            yield _progress(clip.start, (), known)
        window = yield _window(clip.start, clip.stop)
        yield _encode(window, clip.start, clip.stop, peak)
        yield Decode(prompt=(1,), sot_index=0, rules=DecodeRules())
        segment = Segment(
            id=n,
            seek=clip.start,
            start=clip.start / 100,
            end=clip.stop / 100,
            text=f" {clip.start}",
            tokens=(),
            temperature=0,
            avg_logprob=0,
            compression_ratio=1,
            no_speech_prob=0,
            language="de",
        )
        n += 1
        segments.append(segment)
        yield _progress(clip.stop, (segment,), known or Language(code="de"))
    text = "".join(segment.text for segment in segments)
    return Transcript(
        text=text, segments=tuple(segments), language="de", language_probability=None, duration=0
    )


def plan(
    make_cutter: Callable[[], object], *, parallel: bool = True, detects: bool = False, n: int = 1
) -> Plan:
    """What the tests do with recordings."""
    return Plan(
        make_program=lambda peak, language: region_program(peak, language, detects=detects),
        make_cutter=make_cutter,  # pyright: ignore[reportArgumentType]
        look_back_frames=20_000,
        is_parallel=parallel,
        tells_speech=True,
        language=None if detects else "de",
        n_detection=n,
        n_mels=80,
    )


def _window(start: int, stop: int, *, peek: bool = False) -> Read:
    return Read(start=start * 160 - 200, stop=stop * 160 + 40, peek=peek)


def _encode(window: object, start: int, stop: int, peak: float) -> Encode:
    """Hold a window against what the recording has there."""
    assert isinstance(window, Samples)
    first = max(0, start * 160 - 200)
    assert window.start == first
    n = len(window.samples)
    assert n == stop * 160 + 40 - first or (window.ended and n >= stop * 160 - first)
    np.testing.assert_array_equal(window.samples, np.arange(first, first + n, dtype=np.float32))
    return Encode(samples=window.samples, n_frames=min(3000, stop - start), peak=peak)


def _progress(frame: int, segments: tuple[Segment, ...], language: Language) -> Progress:
    return Progress(
        position=frame * 160,
        segments=segments,
        language=language.code,
        language_probability=language.probability,
        language_probabilities=language.probabilities,
    )


class SlowEngine:
    """Answers on its own thread, in any order, after a while; knows whose windows it holds.

    Args:
        seed: Of the delays and the order.
        fails: Asked for each `Decode` whether it is to fail.
    """

    def __init__(self, seed: int = 0, fails: Callable[[], bool] = lambda: False) -> None:
        self.held: set[int] = set()
        self.n_most_held = 0
        self.n_answered = 0
        self.cancelled: set[int] = set()
        self._fails = fails
        self._random = random.Random(seed)
        self._inbox: queue.SimpleQueue[tuple | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, origin: Origin, request: EngineRequest, reply: Callable) -> None:
        self._inbox.put((origin.program, request, reply))

    def cancel(self, origin: Origin) -> None:
        self._inbox.put((origin.program, None, None))

    def close(self) -> None:
        self._inbox.put(None)
        self._thread.join(10)

    def _serve(self) -> None:
        waiting: list[tuple] = []
        while True:
            try:
                message = self._inbox.get(block=not waiting)
                while message is not None:
                    program, request, _ = message
                    if request is None:
                        self.cancelled.add(program)
                        self.held.discard(program)
                        dropped = [item for item in waiting if item[0] == program]
                        waiting = [item for item in waiting if item[0] != program]
                        for item in dropped:
                            item[2](CancelledError("cancelled"))
                    elif isinstance(request, Release):  # as the real one does, at once
                        self.held.discard(program)
                        message[2](None)
                    else:
                        waiting.append(message)
                    message = self._inbox.get_nowait()
                return
            except queue.Empty:
                pass
            if waiting:
                time.sleep(self._random.random() * 0.001)
                program, request, reply = waiting.pop(self._random.randrange(len(waiting)))
                self.n_answered += 1
                reply(self._answer(program, request))

    def _answer(self, program: int, request: EngineRequest) -> EngineResult | Exception:
        match request:
            case Encode():
                self.held.add(program)
                self.n_most_held = max(self.n_most_held, len(self.held))
                return Encoded(peak=0.0)
            case DetectLanguage():
                return LanguageScores(probabilities=(0.9, 0.1))
            case Decode() if self._fails():
                return EngineError("the device failed")
            case _:
                return Decoded(tokens=(), token_logprobs=(), sum_logprob=0, no_speech_prob=0)


def broken(at: int) -> Source:
    """A recording that breaks off."""
    return Source(at, failure=AudioError("the cable was cut"))


def open_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a recording is a `Source`, or an exception that opening it raises."""

    def open_with_level(source: object, **_: object) -> tuple[AudioStream, float]:
        if isinstance(source, Exception):
            raise source
        assert isinstance(source, Source)
        return source.stream, -1.0

    def open_audio(source: object, **_: object) -> AudioStream:
        return open_with_level(source)[0]

    monkeypatch.setattr("whisper_jax.driver.run.open_with_level", open_with_level)
    monkeypatch.setattr("whisper_jax.driver.run.open_audio", open_audio)


def run(
    engine: EngineLike,
    sources: Iterable[Any],
    plan: Plan,
    n_windows: int = 4,
    cancel: threading.Event | None = None,
    leads: bool = False,
) -> Run:
    recordings: Iterable[AudioInput] = sources
    origin = Origin(program=-1, model="m", leads=leads)
    return Run(engine, origin, recordings, plan, n_windows=n_windows, cancel=cancel)


def transcripts(events: Iterable[Event]) -> dict[int, Transcript]:
    return {event[0]: event[1] for event in events if isinstance(event, tuple)}


def expected_text(n_samples: int, n_frames: int = 100) -> str:
    return "".join(f" {start}" for start in range(0, n_samples // 160, n_frames))


def silent() -> FakeEngine:
    def hear(*_: object) -> Decoded:
        return Decoded(tokens=(), token_logprobs=(), sum_logprob=0, no_speech_prob=0)

    return FakeEngine(hear)


def check_events(events: list[Event], n: int) -> None:
    """Each recording's reports: in order of time, its segments once, the last one done."""
    for index in range(n):
        reports = [e for e in events if isinstance(e, FileProgress) and e.index == index]
        (transcript,) = [e[1] for e in events if isinstance(e, tuple) and e[0] == index]
        assert [report.done for report in reports] == [False] * (len(reports) - 1) + [True]
        told = tuple(segment for report in reports for segment in report.segments)
        assert told == transcript.segments
        assert [segment.id for segment in told] == list(range(len(told)))
        starts = [segment.start for segment in told]
        assert starts == sorted(starts)
        places = [report.position_s for report in reports]
        assert places == sorted(places)
        if transcript.error is None:
            assert places[-1] == transcript.duration
