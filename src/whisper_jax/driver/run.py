"""Some recordings through one engine: threads, permits, errors and stopping.

A program is advanced on whichever thread has its answer: the engine's for what the engine did, a
worker's for samples that had to be decoded. So a finished window is followed by the next one
without a switch of threads wherever its samples are there. What the caller is to know goes
through a queue to the caller's own thread.

A recording that is cut into regions is cut by workers, only so far ahead that the regions held in
memory are few. One step of it is under way at a time.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from whisper_jax.audio.container import AudioStream
from whisper_jax.audio.decode import AudioInput, open_audio
from whisper_jax.audio.reader import SampleReader
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.driver.events import EngineLike, Event, ignore
from whisper_jax.driver.level import open_with_level
from whisper_jax.driver.plan import Plan
from whisper_jax.driver.recording import Recording, Step
from whisper_jax.driver.task import Task
from whisper_jax.errors import CancelledError, EngineClosedError, WhisperJaxError
from whisper_jax.requests import (
    Clip,
    Encode,
    EngineRequest,
    EngineResult,
    NextClip,
    Origin,
    ProgramAnswer,
    Progress,
    Read,
    Release,
)
from whisper_jax.types import Transcript

_READ_AHEAD = 40 * SAMPLE_RATE
"""Samples decoded beyond a read, ready for the next one: a window and its margins."""
_IN_WAITING = 2
"""Recordings, and regions, beyond those in slots: a slot that falls free is filled at once."""
_N_WORKERS = 2
_POLL_S = 0.1


class Run:
    """Some recordings through one engine: iterate over it for its events.

    Args:
        engine: Where the windows are decoded.
        origin: Model, owner and priority of the work; the program's number is filled in.
        sources: The recordings; taken one by one as they are needed.
        plan: What is to be done with each.
        n_windows: Most programs with a window in a slot at once.
        cancel: Set by the caller to stop; the iteration then raises CancelledError.
    """

    def __init__(
        self,
        engine: EngineLike,
        origin: Origin,
        sources: Iterable[AudioInput],
        plan: Plan,
        *,
        n_windows: int,
        cancel: threading.Event | None,
    ) -> None:
        self._engine = engine
        self._origin = origin
        self._sources = iter(enumerate(sources))
        self._plan = plan
        self._cancel = cancel
        self._permits = n_windows
        self._most_open = n_windows + _IN_WAITING
        # Never held while the engine or a program is called.
        self._lock = threading.Lock()
        self._active: dict[int, Recording] = {}
        self._queued: deque[tuple[Task, EngineRequest]] = deque()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._stopped = False
        self._workers = ThreadPoolExecutor(_N_WORKERS, thread_name_prefix="whisper-jax-audio")

    def __iter__(self) -> Iterator[Event]:
        try:
            self._take_recordings()
            while self._active:
                event = self._next_event()
                if isinstance(event, tuple):
                    with self._lock:
                        del self._active[event[0]]
                    self._take_recordings()
                yield event
        finally:
            self._stop()

    # --- on the caller's thread ------------------------------------------------------------------

    def _take_recordings(self) -> None:
        while len(self._active) < self._most_open:
            index, source = next(self._sources, (-1, None))
            if source is None:
                break
            recording = Recording(index, source, self._origin, self._plan, self._events.put)
            with self._lock:
                self._active[index] = recording
        self._employ_workers()

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
        with self._lock:
            self._stopped = True
        for recording in self._active.values():
            self._cancel_tasks(recording)
        self._workers.shutdown(wait=True, cancel_futures=True)
        for recording in self._active.values():
            recording.is_busy = False
            self._close(recording)

    # --- workers ---------------------------------------------------------------------------------

    def _employ_workers(self) -> None:
        """Open and cut what there is room for, the earliest recordings first."""
        with self._lock:
            recordings = list(self._active.values())
            n_open = sum(recording.n_open for recording in recordings)
            has_room = n_open < self._most_open
            n_uncut = sum(recording.is_being_cut for recording in recordings)
            for recording in recordings:
                if recording.may_cut(has_room):
                    assert recording.cutting is not None
                    self._employ(recording, recording.cutting.step, recording.cut)
                elif not recording.is_opened and self._may_open(n_uncut, has_room):
                    recording.is_opened = True
                    n_uncut += 1
                    self._employ(recording, partial(self._open, recording), recording.opened)

    def _may_open(self, n_uncut: int, has_room: bool) -> bool:
        """Whether a further recording is to be opened."""
        # One after the other where each can fill the device by itself.
        return not self._plan.is_parallel or (has_room and n_uncut < _N_WORKERS)

    def _open(self, recording: Recording) -> tuple[AudioStream, float]:
        plan = self._plan
        if plan.is_parallel:
            # Each region is scaled by itself: that is as accurate (see docs/design.md), and
            # the recording need not be read twice.
            return open_audio(recording.source, channel=plan.channel), float("-inf")
        return open_with_level(recording.source, channel=plan.channel, n_mels=plan.n_mels)

    def _employ[T](
        self, recording: Recording, read: Callable[[], T], note: Callable[[T], list[Step]]
    ) -> None:
        """Have a worker read a recording, and note what it read; to be called with the lock."""
        if not self._stopped:
            recording.is_busy = True
            self._workers.submit(self._work, recording, read, note)

    def _work[T](
        self, recording: Recording, read: Callable[[], T], note: Callable[[T], list[Step]]
    ) -> None:
        steps: list[Step] = []

        def work() -> None:
            found = read()
            with self._lock:
                steps.extend(note(found))

        self._guard(recording, work)
        # Busy until then: programs of later pieces must not come before those of earlier ones.
        self._take_steps(steps)
        with self._lock:
            recording.is_busy = False
        if recording.is_ended or self._stopped:
            # Others left it open, since this worker was reading it.
            self._close(recording)
        self._employ_workers()

    # --- on whichever thread has the answer ------------------------------------------------------

    def _guard(self, recording: Recording, step: Callable[[], None]) -> None:
        """Do something for a recording; whatever it raises ends that recording alone."""
        if self._stopped:
            return
        try:
            if not recording.is_ended:
                step()
        except WhisperJaxError as error:
            self._fail(recording, error)
        except Exception as error:
            wrapped = WhisperJaxError(f"unexpected failure: {error!r}; please report it")
            wrapped.__cause__ = error
            self._fail(recording, wrapped)
        if self._stopped or recording.is_ended:
            # This step may have asked for more after its programs were cancelled.
            self._cancel_tasks(recording)

    def _take_steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            recording = step.task.recording
            self._guard(recording, partial(self._advance, step.task, step.answer))

    def _advance(self, task: Task, answer: ProgramAnswer) -> None:
        """Send an answer to the program and see to what it asks for, until it has to wait."""
        if task.program is None:
            task.program = self._plan.make_program(task.peak, task.language)
        following: list[Step] = []
        while True:
            try:
                request = task.program.send(answer)
            except StopIteration as end:
                following += self._end(task, end.value)
                break
            answer = None
            match request:
                case Progress():
                    following += self._note(task, request)
                case NextClip():
                    is_known, answer, steps = self._next_clip(task)
                    following += steps
                    if not is_known:
                        break
                case Read():
                    if task.must_wait(request):
                        self._read_later(task, request)
                        break
                    answer = self._read(task, request)
                case _:
                    self._ask(task, request)
                    break
        self._take_steps(following)

    def _note(self, task: Task, progress: Progress) -> list[Step]:
        with self._lock:
            return [] if task.recording.is_ended else task.recording.note(task, progress)

    def _next_clip(self, task: Task) -> tuple[bool, Clip | None, list[Step]]:
        with self._lock:
            if task.recording.is_ended:
                return False, None, []
            found = task.recording.next_clip(task)
        self._employ_workers()
        return found

    def _read_later(self, task: Task, request: Read) -> None:
        def read() -> None:
            self._advance(task, self._read(task, request))

        with self._lock:
            if not self._stopped:
                self._workers.submit(self._guard, task.recording, read)

    def _read(self, task: Task, request: Read) -> ProgramAnswer:
        samples = task.read(request)
        reader = task.reader
        if reader is not None and not samples.ended and not request.peek:
            with self._lock:
                if not self._stopped:
                    self._workers.submit(_prefetch, reader, request.stop + _READ_AHEAD)
        return samples

    def _ask(self, task: Task, request: EngineRequest) -> None:
        """Hand a request to the engine; a program's first window waits for a permit."""
        with self._lock:
            if task.recording.is_ended:
                return
            if isinstance(request, Encode) and not task.has_permit:
                if self._permits == 0:
                    self._queued.append((task, request))
                    return
                self._permits -= 1
                task.has_permit = True
        self._submit(task, request)

    def _submit(self, task: Task, request: EngineRequest) -> None:
        self._engine.submit(task.origin, request, partial(self._on_reply, task))

    def _on_reply(self, task: Task, answer: EngineResult | Exception) -> None:
        def step() -> None:
            if isinstance(answer, Exception):
                raise answer
            self._advance(task, answer)

        self._guard(task.recording, step)

    # --- endings ---------------------------------------------------------------------------------

    def _end(self, task: Task, transcript: Transcript) -> list[Step]:
        """A program has ended."""
        with suppress(EngineClosedError):
            self._engine.submit(task.origin, Release(), ignore)
        recording = task.recording
        with self._lock:
            permitted = self._take_permits([task])
            steps = [] if recording.is_ended else recording.done(task, transcript)
        self._close_ended(recording)
        self._submit_permitted(permitted)
        self._employ_workers()
        return steps

    def _fail(self, recording: Recording, error: WhisperJaxError) -> None:
        """Something went wrong: the recording ends, and all its programs."""
        with self._lock:
            if recording.is_ended:
                return
            recording.fail(error)
            self._queued = deque(item for item in self._queued if item[0].recording != recording)
            permitted = self._take_permits(recording.tasks)
        self._cancel_tasks(recording)
        self._close_ended(recording)
        self._submit_permitted(permitted)
        self._employ_workers()

    def _take_permits(self, tasks: Iterable[Task]) -> list[tuple[Task, EngineRequest]]:
        """Take the permits of programs that ended; requests that may be made now."""
        permitted: list[tuple[Task, EngineRequest]] = []
        for task in tasks:
            if not task.has_permit:
                continue
            task.has_permit = False
            if self._queued:
                permitted.append(self._queued.popleft())
                permitted[-1][0].has_permit = True
            else:
                self._permits += 1
        return permitted

    def _submit_permitted(self, permitted: Sequence[tuple[Task, EngineRequest]]) -> None:
        for task, request in permitted:
            self._guard(task.recording, partial(self._submit, task, request))

    def _cancel_tasks(self, recording: Recording) -> None:
        with self._lock:
            tasks = list(recording.tasks)
        for task in tasks:
            with suppress(EngineClosedError):
                self._engine.cancel(task.origin)

    def _close_ended(self, recording: Recording) -> None:
        if recording.is_ended:
            self._close(recording)

    def _close(self, recording: Recording) -> None:
        """Let go of the file, unless a worker is reading it: then the worker does."""
        with self._lock:
            close = recording.take_close()
        if close is not None:
            close()


def _prefetch(reader: SampleReader, stop: int) -> None:
    with suppress(ValueError):  # closed meanwhile: nobody waits for it
        reader.prefetch(stop)
