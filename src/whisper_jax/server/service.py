"""Everything behind the paths: one recording from its form to its answer."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from time import perf_counter
from typing import Any, final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from whisper_jax.driver import FileProgress
from whisper_jax.options import Task
from whisper_jax.server import answers
from whisper_jax.server.errors import ApiError, as_api_error, stopping
from whisper_jax.server.events import Told, server_sent
from whisper_jax.server.fields import Asked, read_fields
from whisper_jax.server.guard import note_error
from whisper_jax.server.line import Line
from whisper_jax.server.live.lives import MakeLive, make_live
from whisper_jax.server.live.service import LiveService
from whisper_jax.server.logs import LOGGER, log_event
from whisper_jax.server.metrics import Metrics
from whisper_jax.server.presence import EventStream, client_left, while_there
from whisper_jax.server.rate import Rates
from whisper_jax.server.settings import ServerSettings
from whisper_jax.server.upload import read_form, require_audio
from whisper_jax.server.work import Begun, ModelsLike, Work, WorkEvent
from whisper_jax.types import Transcript


@final
class Service:
    """The models, the line before them, and what is counted.

    Attributes:
        settings: Limits and access.
        metrics: What is counted.
        live: Live streams.
        is_ready: Whether the first model is loaded.
        failure: Why it could not be.
    """

    def __init__(
        self, models: ModelsLike, settings: ServerSettings, make_live: MakeLive = make_live
    ) -> None:
        self.settings = settings
        self._models = models
        self._line = Line(
            max_running=settings.max_running,
            max_waiting=settings.max_waiting,
            max_waiting_per_owner=settings.max_waiting_per_key,
        )
        self.metrics = Metrics(self._line, models)
        self.live = LiveService(models, settings, self.metrics.live, make_live)
        self._rates = Rates(settings.requests_per_minute)
        self._work = Work(models, self._line, max_running=settings.max_running)
        self._stopped = asyncio.Event()
        self.is_ready = False
        self.failure: Exception | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether what is under way has been told to end."""
        return self._stopped.is_set()

    @property
    def n_under_way(self) -> int:
        """Requests that are uploaded, wait or run, and live streams."""
        n_requests = self._line.n_arriving + self._line.n_waiting + self._line.n_running
        return n_requests + self.live.n_under_way

    async def load(self) -> None:
        """Load the first model, beside what else the event loop does."""

        def load() -> None:
            with self._models.use(self.settings.models[0]) as model:
                if self.settings.warms_up:
                    model.warmup()

        start_s = perf_counter()
        try:
            await run_in_threadpool(load)
        except Exception as error:
            LOGGER.exception("the model cannot be loaded")
            self.failure = error
            return
        self.is_ready = True
        seconds = round(perf_counter() - start_s, 2)
        log_event("ready", model=self.settings.models[0], seconds=seconds)

    def stop(self) -> None:
        """End what is under way and refuse what comes."""
        self._stopped.set()
        self._work.stop()
        self.live.cancel()

    async def close(self) -> None:
        """Give everything back."""
        self.stop()
        # Models first: threads that wait for one are told.
        await run_in_threadpool(self._models.close)
        await run_in_threadpool(self._work.close)
        await self.live.close()

    def require_ready(self) -> None:
        """Raises ApiError if no model is there yet, or no more."""
        if self.is_stopping:
            raise stopping()
        if not self.is_ready:
            raise ApiError(503, "the model is being loaded", code="not_ready", retry_after_s=5)

    def admit(self, owner: str) -> None:
        """Count something that an owner begins.

        Raises:
            ApiError: No model is there yet, or they begin too much in a minute.
        """
        self.require_ready()
        self._rates.take(owner)

    async def transcribe(self, request: Request, task: Task) -> Response:
        """The answer to a form with a recording."""
        owner: str = request.state.owner
        self.admit(owner)
        self._line.arrive(owner)
        try:
            form = read_form(request, max_duration_s=self.settings.max_duration_s)
            texts, upload = await self._before_stop(form)
        finally:
            self._line.leave_arrival(owner)
        try:
            asked = read_fields(texts, task)
            model = self.model_of(asked.model)
            await run_in_threadpool(require_audio, upload)
        except BaseException:
            upload.close()
            raise
        request.state.work = {"model": model, "task": task, "file_bytes": upload.n_bytes}
        work = self._noted(request, self._work.follow(asked, model, upload, owner), model, task)
        if asked.streams:
            return await self._streamed(request, asked, work)
        return await while_there(request.receive, _whole(asked, work)) or client_left()

    async def _before_stop[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Do something, unless the server is told to stop meanwhile."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise stopping()
            return task.result()
        finally:
            stopped.cancel()
            task.cancel()
            await asyncio.wait({task, stopped})

    def model_of(self, name: str | None) -> str:
        """The served model that a client means, the first one for None.

        Raises:
            ApiError: There is none of this name.
        """
        model = self.settings.models[0] if name is None else self.settings.model_of(name)
        if model is None:
            known = ", ".join((*self.settings.models, *self.settings.all_aliases))
            raise ApiError(
                404,
                f"the model {name!r} does not exist; there are: {known}",
                param="model",
                code="model_not_found",
            )
        return model

    def is_served(self, name: str) -> bool:
        """Whether there is a model of this name."""
        return self.settings.model_of(name) is not None

    async def _streamed(
        self, request: Request, asked: Asked, work: AsyncGenerator[WorkEvent]
    ) -> Response:
        """Events. Without detail their answer begins with the first text.

        Until then an error still has a status of its own.
        """
        told = Told(asked)
        first: list[dict[str, Any]] | None = []
        if not asked.tells_detail:
            first = await while_there(request.receive, _first(told, work))
        return client_left() if first is None else EventStream(server_sent(told, first, work))

    async def _noted(
        self,
        request: Request,
        work: AsyncGenerator[WorkEvent],
        model: str,
        task: Task,
    ) -> AsyncGenerator[WorkEvent]:
        """The same events, counted."""
        start_s = perf_counter()
        begun_s: float | None = None
        has_text = is_done = False
        try:
            async with aclosing(work):
                async for event in work:
                    if isinstance(event, Begun):
                        begun_s = perf_counter()
                        self.metrics.waited.observe(event.waited_s)
                        request.state.work["waited_s"] = round(event.waited_s, 3)
                    elif isinstance(event, FileProgress) and event.segments and not has_text:
                        has_text = True
                        self.metrics.first_text.observe(perf_counter() - start_s)
                    elif isinstance(event, Transcript):
                        is_done = True
                        self._note_transcript(request, event, model, task, begun_s or start_s)
                    yield event
        except Exception as error:
            is_done = True
            known = as_api_error(error)
            note_error(request.scope, known)
            if known.status == 500:
                LOGGER.exception(
                    "failed", extra={"fields": {"request_id": request.state.request_id}}
                )
            raise
        finally:
            if not is_done:
                self.metrics.cancelled.inc()
                request.state.work["cancelled"] = True

    def _note_transcript(
        self, request: Request, transcript: Transcript, model: str, task: Task, begun_s: float
    ) -> None:
        seconds = perf_counter() - begun_s
        speed = transcript.duration / seconds if seconds > 0 else 0.0
        self.metrics.audio.labels(model, task).inc(transcript.duration)
        self.metrics.speed.labels(model).observe(speed)
        request.state.work |= {"audio_s": round(transcript.duration, 2), "speed": round(speed, 2)}


async def _whole(asked: Asked, work: AsyncGenerator[WorkEvent]) -> Response | None:
    async with aclosing(work):
        async for event in work:
            if isinstance(event, Transcript):
                return answers.answer(event, asked)
    return None


async def _first(told: Told, work: AsyncGenerator[WorkEvent]) -> list[dict[str, Any]]:
    """What is told first, once there is anything to tell."""
    async for event in work:
        if fields := told.events(event):
            return fields
    return []
