"""Models held for live streams, and the places that streams take."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.server.errors import ApiError
from whisper_jax.server.work import Follows, ModelsLike
from whisper_jax.stream.events import LiveEvent
from whisper_jax.stream.settings import LiveOptions

MAX_BACKLOG_S = 30.0
"""Audio that may wait to be looked at; while there is more, a client is not read from."""
_RETRY_AFTER_S = 10
_LOADING_THREADS = 8


class LiveStreamLike(Protocol):
    """What is asked of a stream: `whisper_jax.stream.live.LiveStream`."""

    def send(self, samples: NDArray[np.float32]) -> None:
        """More audio."""
        ...

    def commit(self) -> None:
        """The segment under way ends."""
        ...

    def clear(self) -> None:
        """What has not been committed is forgotten."""
        ...

    def finish(self) -> None:
        """Nothing more comes."""
        ...

    def cancel(self) -> None:
        """Nothing more is wanted."""
        ...

    @property
    def received_s(self) -> float:
        """Seconds of audio sent."""
        ...

    @property
    def backlog_s(self) -> float:
        """Of these, what has not been looked at yet."""
        ...


class LiveLike(Protocol):
    """What is asked of live streams on a model: `whisper_jax.stream.live.Live`."""

    def open(
        self,
        on_event: Callable[[LiveEvent], None],
        *,
        owner: str = "",
        priority: int = 1,
        **options: Any,
    ) -> LiveStreamLike:
        """Begin a stream."""
        ...

    def close(self) -> None:
        """End all of them."""
        ...


def send_to(stream: LiveStreamLike, samples: NDArray[np.float32]) -> None:
    """Send audio, unless the stream has just ended; that will be told."""
    with suppress(ValueError):
        stream.send(samples)


type MakeLive = Callable[[Any], LiveLike]


def make_live(model: Any) -> LiveLike:
    """Live streams on a model; JAX is loaded with them."""
    from whisper_jax.stream.live import Live

    return Live(model)


@final
class _Model:
    """A model that somebody holds."""

    def __init__(self, loading: "asyncio.Future[LiveLike]", held: ExitStack) -> None:
        self.loading = loading
        self.held = held
        self.n_holds = 0


@final
class Hold:
    """A model held for a client, as long as it needs it."""

    def __init__(self, live: LiveLike, release: Callable[[], None]) -> None:
        self._live = live
        self._release = release
        self._is_held = True

    def open(
        self, on_event: Callable[[LiveEvent], None], owner: str, options: LiveOptions
    ) -> LiveStreamLike:
        """Begin a stream.

        Args:
            on_event: Called on the event loop.
            owner: Whose stream it is.
            options: How to transcribe it.

        Raises:
            OptionError: The model cannot do that.
        """
        loop = asyncio.get_running_loop()

        def tell(event: LiveEvent) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile: nobody listens
                loop.call_soon_threadsafe(on_event, event)

        return self._live.open(tell, owner=owner, **vars(options))

    def release(self) -> None:
        """It is no longer needed, and its streams have ended; a second call does nothing."""
        if self._is_held:
            self._is_held = False
            self._release()


@final
class Lives:
    """One `Live` for each model that has streams. To be used on one event loop."""

    def __init__(self, models: ModelsLike, make: MakeLive) -> None:
        self._models = models
        self._make = make
        self._held: dict[str, _Model] = {}
        self._threads = ThreadPoolExecutor(_LOADING_THREADS, thread_name_prefix="whisper-jax-live")
        self._closing: set[asyncio.Future[None]] = set()

    async def hold(self, name: str) -> Hold:
        """A model, loaded if need be; it stays in memory until it is released.

        Raises:
            WhisperJaxError: It cannot be had.
        """
        model = self._held.get(name)
        if model is None:
            model = self._held[name] = self._load(name)
        model.n_holds += 1
        try:
            # Others may wait for it too.
            live = await asyncio.shield(model.loading)
        except BaseException:
            self._release(name, model)
            raise
        return Hold(live, lambda: self._release(name, model))

    async def close(self) -> None:
        """Wait for the threads; everything has been released."""
        while self._closing:
            await asyncio.wait(self._closing)
        self._threads.shutdown(wait=False)

    def _load(self, name: str) -> _Model:
        held = ExitStack()

        def load() -> LiveLike:
            model: Follows = held.enter_context(self._models.use(name))
            live = self._make(model)
            held.callback(live.close)
            return live

        loading = asyncio.get_running_loop().run_in_executor(self._threads, load)
        # Everybody who waited may have left: then nobody asks why it failed.
        loading.add_done_callback(lambda done: done.cancelled() or done.exception())
        return _Model(loading, held)

    def _release(self, name: str, model: _Model) -> None:
        model.n_holds -= 1
        if model.n_holds == 0:
            if self._held.get(name) is model:
                del self._held[name]
            closing = asyncio.ensure_future(self._let_go(model))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _let_go(self, model: _Model) -> None:
        await asyncio.wait({model.loading})
        await asyncio.get_running_loop().run_in_executor(self._threads, model.held.close)


@final
class Places:
    """How many streams there may be, in all and of one owner."""

    def __init__(self, most: int, most_per_owner: int) -> None:
        self._most = most
        self._most_per_owner = most_per_owner
        self._taken: Counter[str] = Counter()

    @property
    def n_taken(self) -> int:
        """Streams there are."""
        return self._taken.total()

    def take(self, owner: str) -> None:
        """Count a stream that begins; `give_back` ends it.

        Raises:
            ApiError: There are too many.
        """
        self.require(owner)
        self._taken[owner] += 1

    def require(self, owner: str) -> None:
        """Raises ApiError if no stream may begin now."""
        if self._taken[owner] >= self._most_per_owner:
            raise ApiError(
                429,
                f"{self._most_per_owner} streams of yours are under way; end one of them",
                code="too_many_streams",
                retry_after_s=_RETRY_AFTER_S,
            )
        if self.n_taken >= self._most:
            raise ApiError(
                503,
                "too many streams are under way; try again later",
                code="overloaded",
                retry_after_s=_RETRY_AFTER_S,
            )

    def give_back(self, owner: str) -> None:
        """A stream has ended."""
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]
