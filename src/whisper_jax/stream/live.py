"""Live streams on one model: threads around `whisper_jax.stream.session`.

A stream is an actor: what is sent to it is noted, and a worker looks at it as soon as one is free;
never two at once. A worker takes one message of a stream, and the stream waits in line again: who
sends minutes at once holds up nobody. A stream has one update on the engine at a time. The engine
takes turns between streams, so many of them are updated less often, all alike.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from time import perf_counter
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.driver.steps import StepsRun
from whisper_jax.errors import CancelledError, OptionError, WhisperJaxError
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs import check_options
from whisper_jax.speech.vad import VoiceActivity
from whisper_jax.stream.events import LiveEvent, StreamEnded
from whisper_jax.stream.session import StreamSession
from whisper_jax.stream.settings import LiveOptions
from whisper_jax.stream.updates import Heard, Listener
from whisper_jax.transcribe import Whisper

_N_WORKERS = 2
_VAD_STEPS = 4
"""128 ms: a pause is noticed so much later at most. One step at a time costs four times as much."""
_MOST_SAMPLES = SAMPLE_RATE
"""What a worker looks at before it turns to the next stream."""
_PRIORITY = 1
"""Before recordings, which nobody listens to."""
_stream_numbers = count()

type OnEvent = Callable[[LiveEvent], None]


@final
class Live:
    """Live streams on one model; they share its slots with everything else that it does.

    Args:
        model: A model that is ready; it is not closed with this.
    """

    def __init__(self, model: Whisper) -> None:
        self._model = model
        self._workers = ThreadPoolExecutor(_N_WORKERS, thread_name_prefix="whisper-jax-live")
        self._lock = threading.Lock()
        self._streams: set[LiveStream] = set()

    def open(
        self, on_event: OnEvent, *, owner: str = "", priority: int = _PRIORITY, **options: Any
    ) -> "LiveStream":
        """Open a stream.

        Args:
            on_event: Called for one event after the other, on threads of this object's own. It
                must be quick.
            owner: For whom, as in `whisper_jax.transcribe.Whisper.follow`; each stream for itself
                if empty.
            priority: Whose updates go first, whoever makes them: the greater number. Recordings
                have 0 unless they are given another.
            options: Fields of `whisper_jax.stream.settings.LiveOptions`.

        Raises:
            OptionError: An option cannot be honoured.
        """
        live = live_options(options)
        model = check_options(self._model.tokenizer, model_options(live))
        stream = LiveStream(
            self._model,
            StreamSession(self._model.tokenizer, live, model),
            Listener(self._model.tokenizer, model),
            on_event,
            workers=self._workers,
            owner=owner or f"stream-{next(_stream_numbers)}",
            priority=priority,
            adapts=live.adapts,
            on_end=self._forget,
        )
        with self._lock:
            self._streams.add(stream)
        return stream

    def prepare(self) -> None:
        """Compile what a stream needs, or read it from disk, before somebody speaks."""
        self._model.warmup(for_stream=True)
        VoiceActivity(_VAD_STEPS).push(np.zeros(SAMPLE_RATE, np.float32))

    def close(self) -> None:
        """Cancel all streams; the model stays."""
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.cancel()
        self._workers.shutdown(wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _forget(self, stream: "LiveStream") -> None:
        with self._lock:
            self._streams.discard(stream)


@final
class LiveStream:
    """One stream; made by `Live.open`. Any thread may call its methods, which return at once."""

    def __init__(
        self,
        model: Whisper,
        session: StreamSession,
        listener: Listener,
        on_event: OnEvent,
        *,
        workers: ThreadPoolExecutor,
        owner: str,
        priority: int,
        adapts: bool,
        on_end: "Callable[[LiveStream], None]",
    ) -> None:
        self._model = model
        self._session = session
        self._listener = listener
        self._on_event = on_event
        self._workers = workers
        self._owner, self._priority = owner, priority
        self._adapts = adapts
        self._on_end = on_end
        self._activity = VoiceActivity(_VAD_STEPS)
        self._lock = threading.Lock()
        self._inbox: deque[_Message] = deque()
        self._is_at_work = False
        self._is_finished = False
        self._n_received = 0
        self._n_looked_at = 0
        # Used by the worker alone, of whom there is one at a time.
        self._run: StepsRun[Heard] | None = None
        self._begun_s = 0.0
        self._last_took_s = 0.0
        self._has_all = False
        self._has_ended = False

    @property
    def received_s(self) -> float:
        """Seconds of audio that were sent."""
        return self._n_received / SAMPLE_RATE

    @property
    def backlog_s(self) -> float:
        """Seconds of it that nothing has looked at yet."""
        return (self._n_received - self._n_looked_at) / SAMPLE_RATE

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing happens until more is sent."""
        with self._lock:
            return not self._is_at_work and self._run is None

    def send(self, samples: NDArray[np.float32]) -> None:
        """The stream goes on.

        Args:
            samples: float32 [n], mono, 16 kHz.

        Raises:
            ValueError: After `finish`, or they are of another shape.
        """
        if samples.ndim != 1:
            raise ValueError(f"samples have {samples.ndim} dimensions; give one, mono")
        with self._lock:
            if self._is_finished:
                raise ValueError("the stream has been finished")
            self._n_received += len(samples)
        starts = range(0, len(samples), _MOST_SAMPLES)
        # Copies, not views: what is kept of the last second must not keep all that came with it.
        self._put(*(np.array(samples[k : k + _MOST_SAMPLES], np.float32) for k in starts))

    def commit(self) -> None:
        """The segment under way ends with what has been sent so far."""
        self._put("commit")

    def clear(self) -> None:
        """Forget what has been sent and not been committed."""
        self._put("clear")

    def finish(self) -> None:
        """Nothing more comes: the rest is committed, and `StreamEnded` follows."""
        with self._lock:
            self._is_finished = True
        self._put("finish")

    def cancel(self) -> None:
        """Stop: `StreamEnded` follows with CancelledError."""
        with self._lock:
            self._is_finished = True
        self._put(CancelledError("the stream was cancelled"))

    # --- the actor -------------------------------------------------------------------------------

    def _put(self, *messages: "_Message") -> None:
        with self._lock:
            self._inbox += messages
            if self._is_at_work or not self._inbox:
                return
            self._is_at_work = True
        self._wait_in_line()

    def _wait_in_line(self) -> bool:
        """Wait for a worker; False if there are none any more."""
        try:
            self._workers.submit(self._work)
        except RuntimeError:  # `Live` is being closed, and has cancelled this stream
            return False
        return True

    def _work(self) -> None:
        self._take_one()
        while self._has_more():
            if self._wait_in_line():
                return
            self._take_one()

    def _has_more(self) -> bool:
        with self._lock:
            self._is_at_work = bool(self._inbox)
            return self._is_at_work

    def _take_one(self) -> None:
        with self._lock:
            message = self._inbox.popleft()
        try:
            if not self._has_ended:
                self._handle(message)
        except WhisperJaxError as error:
            self._end(error)
        except Exception as error:
            wrapped = WhisperJaxError(f"unexpected failure: {error!r}; please report it")
            wrapped.__cause__ = error
            self._end(wrapped)

    def _handle(self, message: "_Message") -> None:
        session = self._session
        match message:
            case np.ndarray():
                self._hear(message)
            case Heard():
                self._run = None
                self._last_took_s = perf_counter() - self._begun_s
                self._tell(session.take(message))
            case "commit":
                self._tell(session.commit())
            case "clear":
                self._tell(session.clear())
            case "finish":
                rest = np.zeros(0, np.float32)
                self._tell(session.hear(rest, self._activity.finish().tolist()))
                self._tell(session.finish())
                self._has_all = True
            case Exception():
                raise message
        self._update()
        self._n_looked_at = session.n_looked_at

    def _hear(self, samples: NDArray[np.float32]) -> None:
        probabilities = self._activity.push(samples)
        self._tell(self._session.hear(samples, probabilities.tolist()))

    def _update(self) -> None:
        """Begin an update if one is due and none is under way."""
        if self._run is None:
            # While the device is busy updates take long, and are asked for less often.
            least_s = self._last_took_s if self._adapts else 0.0
            update = self._session.next_update(least_s)
            if update is not None:
                self._begun_s = perf_counter()
                self._run = self._model.perform(
                    self._listener.listen(update),
                    self._put,
                    owner=self._owner,
                    priority=self._priority,
                )
                self._run.start()
            elif self._has_all and self._session.is_idle:
                self._end(None)

    def _tell(self, events: list[LiveEvent]) -> None:
        for event in events:
            self._on_event(event)

    def _end(self, error: Exception | None) -> None:
        self._has_ended = True
        run, self._run = self._run, None
        if run is not None:
            run.cancel()
        with self._lock:
            self._is_finished = True
            self._inbox.clear()
        self._on_end(self)
        self._on_event(StreamEnded(error=error))


type _Message = NDArray[np.float32] | Heard | str | Exception


def live_options(given: dict[str, Any]) -> LiveOptions:
    """Options by name; a wrong name is an OptionError, too."""
    try:
        return LiveOptions(**given)
    except TypeError as error:
        raise OptionError(f"{error}; see whisper_jax.stream.settings.LiveOptions") from error


def model_options(live: LiveOptions) -> TranscribeOptions:
    """What a stream's options are for the model."""
    return TranscribeOptions(
        language=live.language,
        task=live.task,
        beam_size=live.beam_size,
        initial_prompt=live.initial_prompt,
        carry_initial_prompt=live.initial_prompt is not None,
        hotwords=live.hotwords,
        without_timestamps=True,
    )
