"""The driver of programs: recordings in, events out, with an engine in between.

A program is advanced on whichever thread has its answer: the engine's for what the engine did, a
worker's for samples that had to be decoded. So a finished window is followed by the next one
without a switch of threads wherever its samples are there. What the caller is to know goes
through a queue to the caller's own thread.
"""

import io
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.decode import AudioInput, open_audio
from whisper_jax.audio.mel import peak_level
from whisper_jax.audio.reader import SampleReader
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import AudioError, CancelledError, EngineClosedError, WhisperJaxError
from whisper_jax.programs import Program
from whisper_jax.requests import (
    Encode,
    EngineRequest,
    EngineResult,
    Origin,
    ProgramAnswer,
    Progress,
    Read,
    Release,
)
from whisper_jax.types import Segment, Transcript

_READ_AHEAD = 40 * SAMPLE_RATE
"""Samples decoded beyond a read, ready for the next one: a window and its margins."""
_LEVEL_SAMPLES = 600 * SAMPLE_RATE
"""Samples from the beginning whose level is measured before the first window is encoded. Whisper
scales levels by the loudest of a recording; ten minutes are read in a fraction of a second, and
are what keeps the first segment from waiting for the end of a long recording."""
_JOBS_IN_WAITING = 2
"""Recordings opened beyond those in slots, so that a slot that falls free is filled at once."""
_N_WORKERS = 2
_POLL_S = 0.1

_program_numbers = count()


class EngineLike(Protocol):
    """What the driver asks of an engine: the real one, or the fake one that ships for tests."""

    def submit(
        self,
        origin: Origin,
        request: EngineRequest,
        reply: Callable[[EngineResult | Exception], None],
    ) -> None:
        """Ask for work; see `whisper_jax.engine.engine.Engine.submit`."""
        ...

    def cancel(self, origin: Origin) -> None:
        """Forget a program."""
        ...

    def close(self) -> None:
        """Take no more work."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FileProgress:
    """How far one recording is.

    Attributes:
        index: Its place among those given.
        position_s: Seconds that are done.
        duration_s: Its length in seconds as its container tells, or None.
        segments: Segments that have just become final.
        language: The language in use; empty while it is not known.
        done: True for the last report of a recording.
    """

    index: int
    position_s: float
    duration_s: float | None
    segments: tuple[Segment, ...]
    language: str
    done: bool


type Event = FileProgress | tuple[int, Transcript]
"""Progress of a recording, or its index and transcript when it is done."""


@dataclass
class _Job:
    """One recording on its way."""

    index: int
    source: AudioInput
    origin: Origin
    program: Program | None = None
    reader: SampleReader | None = None
    duration_s: float | None = None
    segments: list[Segment] = field(default_factory=list[Segment])
    last: Progress | None = None
    has_permit: bool = False


class Run:
    """Some recordings through one engine: iterate over it for its events.

    Args:
        engine: Where the windows are decoded.
        origin: Model, owner and priority of the work; the program's number is filled in.
        sources: The recordings; taken one by one as they are needed.
        make_program: A fresh program for each, given the recording's level if it is known.
        channel: See `whisper_jax.options.TranscribeOptions.channel`.
        n_mels: Log-mel bins of the model.
        n_windows: Most recordings with a window in a slot at once.
        cancel: Set by the caller to stop; the iteration then raises CancelledError.
    """

    def __init__(
        self,
        engine: EngineLike,
        origin: Origin,
        sources: Iterable[AudioInput],
        make_program: Callable[[float], Program],
        *,
        channel: int | None,
        n_mels: int,
        n_windows: int,
        cancel: threading.Event | None,
    ) -> None:
        self._engine = engine
        self._origin = origin
        self._sources = iter(enumerate(sources))
        self._make_program = make_program
        self._channel = channel
        self._n_mels = n_mels
        self._cancel = cancel
        self._permits = n_windows
        self._most_open = n_windows + _JOBS_IN_WAITING
        self._lock = threading.Lock()
        self._active: dict[int, _Job] = {}
        self._queued: deque[tuple[_Job, EngineRequest]] = deque()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._stopped = False
        self._workers = ThreadPoolExecutor(_N_WORKERS, thread_name_prefix="whisper-jax-audio")

    def __iter__(self) -> Iterator[Event]:
        try:
            self._start_jobs()
            while self._active:
                event = self._next_event()
                if isinstance(event, tuple):
                    del self._active[event[0]]
                    self._start_jobs()
                yield event
        finally:
            self._stop()

    # --- on the caller's thread ------------------------------------------------------------------

    def _start_jobs(self) -> None:
        while len(self._active) < self._most_open:
            index, source = next(self._sources, (-1, None))
            if source is None:
                return
            origin = replace(self._origin, program=next(_program_numbers))
            job = _Job(index, source, origin)
            self._active[index] = job
            self._workers.submit(self._guard, job, partial(self._open, job))

    def _next_event(self) -> Event:
        if self._cancel is None:
            return self._events.get()
        while True:
            if self._cancel.is_set():
                raise CancelledError("cancelled by the caller")
            try:
                return self._events.get(timeout=_POLL_S)
            except queue.Empty:
                continue

    def _stop(self) -> None:
        """Let go of everything; of use after an error or when the caller stops iterating."""
        self._stopped = True
        for job in self._active.values():
            self._cancel_job(job)
        self._workers.shutdown(wait=True, cancel_futures=True)
        for job in self._active.values():
            if job.reader is not None:
                job.reader.close()

    def _cancel_job(self, job: _Job) -> None:
        with suppress(EngineClosedError):
            self._engine.cancel(job.origin)

    # --- on whichever thread has the answer ------------------------------------------------------

    def _guard(self, job: _Job, step: Callable[[], None]) -> None:
        """Run a step of a job; whatever it raises ends that job alone."""
        if self._stopped:
            return
        try:
            step()
        except WhisperJaxError as error:
            self._end(job, self._failed(job, error))
        except Exception as error:
            wrapped = WhisperJaxError(f"unexpected failure: {error!r}; please report it")
            wrapped.__cause__ = error
            self._end(job, self._failed(job, wrapped))
        if self._stopped:
            # This step may have asked for more after `_stop` had cancelled the job.
            self._cancel_job(job)

    def _open(self, job: _Job) -> None:
        peak = float("-inf")
        if _can_be_read_twice(job.source):
            with open_audio(job.source, channel=self._channel) as ahead:
                peak = peak_level(_first_samples(ahead.blocks(), _LEVEL_SAMPLES), self._n_mels)
        job.program = self._make_program(peak)
        stream = open_audio(job.source, channel=self._channel)
        job.duration_s = stream.duration_s
        job.reader = SampleReader(stream)
        self._advance(job, None)

    def _advance(self, job: _Job, answer: ProgramAnswer) -> None:
        """Send an answer to the program and see to what it asks for next."""
        program = job.program
        assert program is not None
        try:
            request = next(program) if answer is None else program.send(answer)
            while isinstance(request, Progress):
                self._note(job, request)
                request = next(program)
        except StopIteration as end:
            self._end(job, end.value)
            return
        if isinstance(request, Read):
            self._read(job, request)
        else:
            self._ask(job, request)

    def _read(self, job: _Job, request: Read) -> None:
        assert job.reader is not None
        if job.reader.is_ready(request.stop):
            self._read_now(job, request)
        else:
            self._workers.submit(self._guard, job, partial(self._read_now, job, request))

    def _read_now(self, job: _Job, request: Read) -> None:
        reader = job.reader
        assert reader is not None
        samples = reader.read(request.start, request.stop)
        if not samples.ended and not self._stopped:
            self._workers.submit(_prefetch, reader, request.stop + _READ_AHEAD)
        self._advance(job, samples)

    def _ask(self, job: _Job, request: EngineRequest) -> None:
        """Hand a request to the engine; a job's first window waits for a permit."""
        with self._lock:
            if isinstance(request, Encode) and not job.has_permit:
                if self._permits == 0:
                    self._queued.append((job, request))
                    return
                self._permits -= 1
                job.has_permit = True
        self._submit(job, request)

    def _submit(self, job: _Job, request: EngineRequest) -> None:
        self._engine.submit(job.origin, request, partial(self._on_reply, job))

    def _on_reply(self, job: _Job, answer: EngineResult | Exception) -> None:
        def step() -> None:
            if isinstance(answer, Exception):
                raise answer
            self._advance(job, answer)

        self._guard(job, step)

    def _note(self, job: _Job, progress: Progress) -> None:
        job.last = progress
        job.segments += progress.segments
        self._events.put(_report(job, progress.segments, done=False))

    def _end(self, job: _Job, transcript: Transcript) -> None:
        if job.reader is not None:
            job.reader.close()
        with suppress(EngineClosedError):
            self._engine.submit(job.origin, Release(), _ignore)
        self._events.put(_report(job, (), done=True))
        self._events.put((job.index, transcript))
        with self._lock:
            following = None
            if job.has_permit:
                if self._queued:
                    following = self._queued.popleft()
                    following[0].has_permit = True
                else:
                    self._permits += 1
        if following is not None:
            next_job, request = following
            self._guard(next_job, partial(self._submit, next_job, request))

    @staticmethod
    def _failed(job: _Job, error: WhisperJaxError) -> Transcript:
        """What was final before the error, and the error."""
        last = job.last
        return Transcript(
            text="".join(segment.text for segment in job.segments),
            segments=tuple(job.segments),
            language=last.language if last else "",
            language_probability=last.language_probability if last else None,
            duration=last.position / SAMPLE_RATE if last else 0.0,
            error=error,
        )


def _report(job: _Job, segments: tuple[Segment, ...], *, done: bool) -> FileProgress:
    position = job.last.position if job.last else 0
    return FileProgress(
        index=job.index,
        position_s=position / SAMPLE_RATE,
        duration_s=job.duration_s,
        segments=segments,
        language=job.last.language if job.last else "",
        done=done,
    )


def _can_be_read_twice(source: AudioInput) -> bool:
    """Whether the recording is at hand and can be read from its beginning again."""
    match source:
        case str() | os.PathLike():
            return os.path.isfile(source)  # neither a URL nor a pipe
        case bytes() | np.ndarray():
            return True
        case io.IOBase():
            return source.seekable()
        case _:
            return False


def _first_samples(blocks: Iterator[NDArray[np.float32]], n: int) -> Iterator[NDArray[np.float32]]:
    """Blocks up to ``n`` samples; where reading breaks off they end, as the next read will tell."""
    with suppress(AudioError):
        for block in blocks:
            yield block[:n]
            n -= len(block)
            if n <= 0:
                return


def _prefetch(reader: SampleReader, stop: int) -> None:
    with suppress(ValueError):  # closed meanwhile: nobody waits for it
        reader.prefetch(stop)


def _ignore(_: EngineResult | Exception) -> None:
    pass
