"""Live streams without a model: a word for each second of sound, silence between segments."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import CancelledError
from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    SpeechStarted,
    SpeechStopped,
    StreamEnded,
    Tentative,
)
from whisper_jax.stream.settings import LiveOptions
from whisper_jax.types import Segment, Word

_LOUD = 0.01
_STEP = SAMPLE_RATE // 10


class FakeLive:
    """Takes the place of `whisper_jax.stream.live.Live`."""

    def __init__(self, model: Any = None) -> None:
        self.streams: list[FakeLiveStream] = []
        self.options: dict[str, Any] = {}
        self.is_closed = False
        self.is_prepared = False
        self.on_open: Callable[[FakeLiveStream], None] = lambda stream: None

    def __call__(self, model: Any) -> "FakeLive":
        """What stands for the class: there is one of it."""
        return self

    def __enter__(self) -> "FakeLive":
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed = True

    def prepare(self) -> None:
        self.is_prepared = True

    def open(
        self, on_event: Callable[[LiveEvent], None], *, owner: str = "", **options: Any
    ) -> "FakeLiveStream":
        LiveOptions(**options)
        self.options = options
        self.streams.append(FakeLiveStream(on_event))
        self.on_open(self.streams[-1])
        return self.streams[-1]


class FakeLiveStream:
    """Tells events on the thread that sends."""

    backlog_s = 0.0

    def __init__(self, on_event: Callable[[LiveEvent], None]) -> None:
        self.samples = np.empty(0, np.float32)
        self.on_send: Callable[[FakeLiveStream], None] = lambda stream: None
        self._tell = on_event
        self._n_heard = 0
        self._n_segments = 0
        self._start: int | None = None
        self._words: list[Word] = []
        self._ended = False

    @property
    def received_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE

    def send(self, samples: NDArray[np.float32]) -> None:
        if self._ended:
            raise ValueError("the stream has been finished")
        self.samples = np.concatenate([self.samples, samples])
        while self._n_heard + _STEP <= len(self.samples):
            self._hear(self.samples[self._n_heard : self._n_heard + _STEP])
        self.on_send(self)

    def finish(self) -> None:
        if self._start is not None:
            self._stop()
        self._end(None)

    def cancel(self) -> None:
        self._end(CancelledError("the stream was cancelled"))

    def fail(self, error: Exception) -> None:
        self._end(error)

    def _hear(self, step: NDArray[np.float32]) -> None:
        is_loud = float(np.sqrt(np.mean(np.square(step)))) > _LOUD
        if is_loud and self._start is None:
            self._start, self._words = self._n_heard, []
            self._tell(SpeechStarted(segment=self._n_segments, start_s=self._s(self._start)))
        self._n_heard += _STEP
        if self._start is None:
            return
        if not is_loud:
            self._stop()
        elif (self._n_heard - self._start) % SAMPLE_RATE == 0:
            self._commit()
            text = f" maybe{len(self._words)}"
            heard_s = self._s(self._n_heard)
            self._tell(Tentative(segment=self._n_segments, text=text, heard_s=heard_s))

    def _commit(self) -> None:
        end_s = self._s(self._n_heard)
        word = Word(
            start=max(0.0, end_s - 1),
            end=end_s,
            word=f" word{self._n_segments}.{len(self._words)}",
            probability=0.9,
        )
        self._words.append(word)
        self._tell(
            Committed(
                segment=self._n_segments,
                text=word.word,
                words=(word,),
                language="en",
                heard_s=end_s,
            )
        )

    def _stop(self) -> None:
        start, self._start = self._start or 0, None
        end_s = self._s(self._n_heard)
        self._tell(SpeechStopped(segment=self._n_segments, end_s=end_s))
        if not self._words:
            self._commit()
        segment = Segment(
            id=self._n_segments,
            seek=0,
            start=self._s(start),
            end=end_s,
            text="".join(word.word for word in self._words),
            tokens=(),
            temperature=0.0,
            avg_logprob=-0.1,
            compression_ratio=1.0,
            no_speech_prob=0.0,
            language="en",
            words=tuple(self._words),
        )
        self._n_segments += 1
        self._tell(SegmentDone(segment=segment))

    def _end(self, error: Exception | None) -> None:
        if not self._ended:
            self._ended = True
            self._tell(StreamEnded(error=error))

    def _s(self, n_samples: int) -> float:
        return n_samples / SAMPLE_RATE


def speech(*seconds: float) -> NDArray[np.float32]:
    """Sound for so many seconds, then a second of silence, and so on."""
    tone = np.sin(np.arange(SAMPLE_RATE * 60) * 0.2).astype(np.float32) * 0.3
    silence = np.zeros(SAMPLE_RATE, np.float32)
    parts = [part for s in seconds for part in (tone[: round(s * SAMPLE_RATE)], silence)]
    return np.concatenate(parts)
