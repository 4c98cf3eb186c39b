"""Transcriptions on threads of their own, told of on the event loop."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, final

from whisper_jax.audio.upload import Upload
from whisper_jax.driver import FileProgress
from whisper_jax.errors import CancelledError, WhisperJaxError
from whisper_jax.server.answers import partial
from whisper_jax.server.errors import stopping
from whisper_jax.server.fields import Asked
from whisper_jax.server.line import Line, Ticket
from whisper_jax.types import Segment, Transcript

if TYPE_CHECKING:
    from whisper_jax.shelf import ModelStatus


_FEW_RUNNING = 4
_WINDOWS = 128
_LEAST_WINDOWS = 8
"""While many requests run, those that come have fewer windows each: of what is to be decoded next,
30 s of samples are held for each window."""


class Follows(Protocol):
    """What is asked of a model: `whisper_jax.transcribe.Whisper.follow`."""

    def follow(
        self,
        audio: Upload,
        *,
        owner: str,
        priority: int = 0,
        cancel: threading.Event | None = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> Generator[FileProgress | Transcript]:
        """Transcribe one recording and tell how far it is."""
        ...

    def warmup(self) -> object:
        """Compile what usual work needs."""
        ...


class ModelsLike(Protocol):
    """What is asked of the models that are served."""

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        ...

    def use(self, name: str) -> AbstractContextManager[Follows]:
        """A model for as long as the context lasts; it is loaded if it is not there."""
        ...

    def status(self) -> "Sequence[ModelStatus]":
        """What goes on, model by model."""
        ...

    def close(self) -> None:
        """End all of them."""
        ...


@dataclass(frozen=True, kw_only=True)
class Queued:
    """A request waits.

    Attributes:
        position: How many requests go before it, and itself.
    """

    position: int


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A request has been let in.

    Attributes:
        waited_s: Seconds that it waited.
    """

    waited_s: float


type WorkEvent = Queued | Begun | FileProgress | Transcript


@final
class _Run:
    """One transcription: a thread that puts what is told into a queue of the event loop."""

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self.cancel = threading.Event()
        self.is_stopped = False
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[FileProgress | Transcript | Exception] = asyncio.Queue()
        self._segments: list[Segment] = []

    def drive(
        self, models: ModelsLike, model: str, asked: Asked, owner: str, batch_size: int | None
    ) -> None:
        """Transcribe; on a thread."""
        try:
            with models.use(model) as whisper:
                if self.cancel.is_set():
                    raise CancelledError("cancelled by the caller")
                for event in whisper.follow(
                    self.upload,
                    owner=owner,
                    cancel=self.cancel,
                    batch_size=batch_size,
                    **vars(asked.options),
                ):
                    self._tell(event)
        except Exception as error:
            self._tell(error)
        finally:
            self.upload.close()

    async def next_event(self) -> FileProgress | Transcript:
        """What is told next.

        Raises:
            ApiError: The server is stopping; it has what was final.
            Exception: What the transcription ended with.
        """
        event = await self._events.get()
        match event:
            case CancelledError() if self.is_stopped:
                raise stopping(partial(self._segments))
            case Exception():
                raise event
            case FileProgress():
                self._segments += event.segments
            case Transcript(error=WhisperJaxError() as error):
                raise error
            case Transcript():
                pass
        return event

    def _tell(self, event: FileProgress | Transcript | Exception) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile: nobody listens
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)


@final
class Work:
    """What is being transcribed, and what waits for it."""

    def __init__(self, models: ModelsLike, line: Line, *, max_running: int) -> None:
        self.line = line
        self._models = models
        self._runs: set[_Run] = set()
        self._threads = ThreadPoolExecutor(max_running, thread_name_prefix="whisper-jax-request")

    async def follow(
        self, asked: Asked, model: str, upload: Upload, owner: str
    ) -> AsyncGenerator[WorkEvent]:
        """Wait for a place, transcribe, and tell what happens; the transcript comes last.

        The upload is deleted in any case. Closing the generator stops the work.

        Raises:
            ApiError: The server is stopping; it has what was final.
            WhisperJaxError: What the transcription ended with.
        """
        start_s = perf_counter()
        ticket = self.line.join(owner)
        run = _Run(upload)
        self._runs.add(run)
        has_begun = False
        try:
            async for position in self.line.positions(ticket):
                yield Queued(position=position)
            yield Begun(waited_s=perf_counter() - start_s)
            if run.is_stopped:
                raise stopping()
            has_begun = True
            self._begin(run, ticket, asked, model)
            while True:
                event = await run.next_event()
                yield event
                if isinstance(event, Transcript):
                    break
        finally:
            run.cancel.set()
            if not has_begun:
                upload.close()
                self._ended(run, ticket)

    def stop(self) -> None:
        """End all that is under way; what was final is told."""
        for run in self._runs:
            run.is_stopped = True
            run.cancel.set()

    def close(self) -> None:
        """Wait for the threads."""
        self._threads.shutdown(wait=True, cancel_futures=False)

    def _begin(self, run: _Run, ticket: Ticket, asked: Asked, model: str) -> None:
        loop = asyncio.get_running_loop()
        n = self.line.n_running
        batch_size = None if n <= _FEW_RUNNING else max(_LEAST_WINDOWS, _WINDOWS // n)
        done = self._threads.submit(run.drive, self._models, model, asked, ticket.owner, batch_size)

        def note(_: object) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._ended, run, ticket)

        # A place is free when its thread is: what was cancelled takes a moment to end.
        done.add_done_callback(note)

    def _ended(self, run: _Run, ticket: Ticket) -> None:
        self._runs.discard(run)
        self.line.leave(ticket)
