"""Audio sent into a stream as a microphone would: by the clock, whatever happens."""

import threading
import time
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import SAMPLE_RATE

_MOST_BACKLOG_S = 30.0
_LOOK_S = 0.02
_GLANCE_S = 0.002
_END_AFTER_S, _END_WITHIN = 60.0, 2.0


class StreamLike(Protocol):
    """What is played into: a `whisper_jax.stream.live.LiveStream`."""

    def send(self, samples: NDArray[np.float32]) -> None:
        """More of it, mono at 16 kHz."""
        ...

    def finish(self) -> None:
        """Nothing more comes."""
        ...

    def cancel(self) -> None:
        """Nobody wants the rest."""
        ...

    @property
    def backlog_s(self) -> float:
        """Seconds that were sent and have not been looked at."""
        ...

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing happens until more is sent."""
        ...


@final
class Pacer:
    """Sends blocks into a stream, each when its last sample is due.

    The times are counted from the beginning, so that a block that is late makes none after it late.

    Args:
        stream: What is played into.
        speed: Seconds of audio in a second. Above 1, a stream that is more than 30 s behind is
            waited for.
        start_s: When the stream begins to be played, as `time.perf_counter` tells it.
        has_ended: Is set when the stream has ended.
        skips_rest: Time in which nothing happens is skipped: a stream by itself does the same at
            the same times, as `now_s` tells them.

    Attributes:
        most_late_s: The longest that a block was sent after it was due.
        waited_s: Seconds that the stream was waited for.
        skipped_s: Seconds that were skipped.
    """

    def __init__(
        self,
        stream: StreamLike,
        speed: float,
        start_s: float,
        has_ended: threading.Event,
        *,
        skips_rest: bool = False,
    ) -> None:
        self.most_late_s = 0.0
        self.waited_s = 0.0
        self.skipped_s = 0.0
        self._skips_rest = skips_rest
        self._stream = stream
        self._speed = speed
        self._start_s = start_s
        self._has_ended = has_ended
        self._n_sent = 0

    @property
    def sent_s(self) -> float:
        """Seconds of audio that were sent."""
        return self._n_sent / SAMPLE_RATE

    def now_s(self) -> float:
        """The time, had nothing been skipped, as `time.perf_counter` tells it."""
        return time.perf_counter() + self.skipped_s

    def send(self, block: NDArray[np.float32]) -> float:
        """Send the next block when it is due; seconds that the stream was waited for after it.

        Raises:
            ValueError: The stream has ended.
        """
        self._n_sent += len(block)
        due_s = self._start_s + self.waited_s + self.sent_s / self._speed
        late_s = self.now_s() - due_s
        self._wait_until(due_s)
        self.most_late_s = max(self.most_late_s, late_s)
        self._stream.send(block)
        waited_s = self._wait() if self._speed > 1 else 0.0
        self.waited_s += waited_s
        return waited_s

    def finish(self) -> None:
        """All has been sent: wait for the stream's end, but not forever."""
        self._stream.finish()
        self._has_ended.wait(_END_AFTER_S + _END_WITHIN * self.sent_s)

    def _wait_until(self, due_s: float) -> None:
        while (ahead_s := due_s - self.now_s()) > 0:
            if self._skips_rest and self._stream.is_at_rest:
                self.skipped_s += ahead_s
                return
            time.sleep(min(ahead_s, _GLANCE_S) if self._skips_rest else ahead_s)

    def _wait(self) -> float:
        """Seconds that it took the stream to come near what was sent."""
        since_s = time.perf_counter()
        while self._stream.backlog_s > _MOST_BACKLOG_S and not self._has_ended.is_set():
            time.sleep(_LOOK_S)
        waited_s = time.perf_counter() - since_s
        return waited_s if waited_s > _LOOK_S else 0.0
