"""Live streams without a model: a word for every second of speech, speech by its level."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from served import CountingModels, Served, serving

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

RATE = 16_000
LEVEL = 0.05
"""Louder seconds are speech."""


class FakeStream:
    """Looks at whole seconds; a pause is a second that is not loud.

    The word for second 3 is `` w3``. A word is committed when the next second has been heard, and
    tentative before. All events come on the thread that calls, as `Live` may do it.
    """

    def __init__(self, live: "FakeLive", tell: Callable[[LiveEvent], None], options: LiveOptions):
        self.options = options
        self.live = live
        self.gate = live.gate
        self._tell = tell
        self._lock = threading.RLock()
        self._rest = np.empty(0, np.float32)
        self._n_received = 0
        self._n_looked_at = 0
        self._segment: int | None = None
        self._n_segments = 0
        self._words: list[Word] = []
        self._pending: Word | None = None
        self._start_s = 0.0
        self.state = "open"
        self.heard: list[np.ndarray] = []

    @property
    def received_s(self) -> float:
        return self._n_received / RATE

    @property
    def backlog_s(self) -> float:
        return (self._n_received - self._n_looked_at) / RATE

    def send(self, samples: np.ndarray) -> None:
        with self._lock:
            if self.state != "open":
                raise ValueError("finished")
            assert samples.dtype == np.float32
            self.heard.append(samples)
            self._n_received += len(samples)
            self._rest = np.concatenate([self._rest, samples])
        self.look()

    def look(self) -> None:
        """Look at what there is, if the gate is open."""
        with self._lock:
            while self.gate.is_set() and len(self._rest) >= RATE:
                second, self._rest = self._rest[:RATE], self._rest[RATE:]
                self._look_at(second)

    def _look_at(self, second: np.ndarray) -> None:
        at = self._n_looked_at // RATE
        self._n_looked_at += RATE
        if self.live.failure is not None:
            self._end(self.live.failure)
        elif float(np.abs(second).mean()) > LEVEL:
            self._hear_word(at)
        elif self.options.detects_pauses:
            self._stop(float(at))

    def _hear_word(self, at: int) -> None:
        if self._segment is None:
            self._segment, self._start_s = self._n_segments, float(at)
            self._n_segments += 1
            self._tell(SpeechStarted(segment=self._segment, start_s=self._start_s))
        self._commit_pending(at + 1.0)
        self._pending = Word(start=at + 0.1, end=at + 0.9, word=f" w{at}", probability=0.5)
        self._tell(Tentative(segment=self._segment, text=self._pending.word, heard_s=at + 1.0))

    def _commit_pending(self, heard_s: float) -> None:
        if self._pending is None or self._segment is None:
            return
        word, self._pending = self._pending, None
        self._words.append(word)
        language = self.options.language or "en"
        self._tell(
            Committed(
                segment=self._segment,
                text=word.word,
                words=(word,),
                language=language,
                heard_s=heard_s,
            )
        )

    def _stop(self, end_s: float) -> None:
        if self._segment is None:
            return
        self._tell(SpeechStopped(segment=self._segment, end_s=end_s))
        self._commit_pending(end_s)
        words, self._words = tuple(self._words), []
        segment = Segment(
            id=self._segment,
            seek=0,
            start=self._start_s,
            end=end_s,
            text="".join(word.word for word in words),
            tokens=(),
            temperature=0.0,
            avg_logprob=-0.1,
            compression_ratio=1.0,
            no_speech_prob=0.0,
            language=self.options.language or "en",
            words=words,
        )
        self._segment = None
        self._tell(SegmentDone(segment=segment))

    def commit(self) -> None:
        with self._lock:
            self._stop(self._n_looked_at / RATE)

    def clear(self) -> None:
        with self._lock:
            self._pending = None
            self._n_looked_at += len(self._rest)
            self._rest = self._rest[:0]
            self._stop(self._n_looked_at / RATE)

    def finish(self) -> None:
        with self._lock:
            if self.state != "open":
                return
            self.state = "finished"
            self._stop(self._n_looked_at / RATE)
            self._end(None)

    def cancel(self) -> None:
        with self._lock:
            if self.state != "ended":
                self._end(CancelledError("cancelled by the caller"))

    def _end(self, error: Exception | None) -> None:
        self.state = "ended"
        self._n_looked_at = self._n_received
        self._rest = self._rest[:0]
        self._tell(StreamEnded(error=error))


class FakeLive:
    """Such streams.

    Attributes:
        gate: While it is clear, audio waits to be looked at.
        streams: All that were opened.
        owners: Whose they are.
        failure: What ends a stream that is sent a second.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.streams: list[FakeStream] = []
        self.owners: list[str] = []
        self.failure: Exception | None = None
        self.n_closed = 0

    def open(
        self,
        on_event: Callable[[LiveEvent], None],
        *,
        owner: str = "",
        priority: int = 1,
        **options: Any,
    ) -> FakeStream:
        stream = FakeStream(self, on_event, LiveOptions(**options))
        self.streams.append(stream)
        self.owners.append(owner)
        return stream

    def close(self) -> None:
        self.n_closed += 1

    def open_gate(self) -> None:
        """Look at all that waits."""
        self.gate.set()
        for stream in self.streams:
            stream.look()


@contextmanager
def serving_live(**settings: Any) -> Iterator[tuple[Served, FakeLive]]:
    """A server whose streams are these."""
    live = FakeLive()
    models = CountingModels(settings.pop("names", ("counting", "other")))
    with serving(models, make_live=lambda _: live, **settings) as served:
        yield served, live


def speech(*levels: float, rate: int = RATE) -> np.ndarray:
    """Seconds of a tone, each with its level: int16 [n]."""
    tone = np.sin(2 * np.pi * 220 * np.arange(rate) / rate)
    return np.concatenate([(tone * level * 32767).astype("<i2") for level in levels])


def events_of(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Those of a type."""
    return [message for message in messages if message["type"] == kind]
