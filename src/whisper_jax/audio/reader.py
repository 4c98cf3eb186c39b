"""Spans of a recording out of its stream of blocks, in bounded memory."""

import threading
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.container import AudioStream
from whisper_jax.requests import Samples


@final
class SampleReader:
    """Answers `whisper_jax.requests.Read` from an `AudioStream`, moving forward only.

    It holds the samples from the start of the last read that was no peek to the farthest stop
    asked for, and at most one block more. What it gives does not depend on the sizes of the
    blocks, nor on what was prefetched.

    Threads: one may read while others prefetch. A read of what `is_ready`, and `close`, never
    wait for a file or a server.
    """

    def __init__(self, stream: AudioStream) -> None:
        self._stream = stream
        self._source = stream.blocks()
        self._decoding = threading.Lock()  # held while the stream is at work, perhaps for long
        self._state = threading.Lock()  # held for moments, by whoever uses what is below
        self._blocks: deque[NDArray[np.float32]] = deque()
        self._first = 0  # position of the first sample held
        self._next = 0  # position of the next sample to be decoded
        self._floor = 0  # nothing before this position may be asked for
        self._n_read = 0
        self._at_end = False
        self._failure: Exception | None = None
        self._is_closed = False

    @property
    def n_samples_read(self) -> int:
        """How far reads have come: one past the last sample that was given out."""
        return self._n_read

    def is_ready(self, stop: int) -> bool:
        """True if a read up to ``stop`` is answered at once: nothing is left to decode for it."""
        return self._next > stop or self._at_end or self._failure is not None or self._is_closed

    def read(self, start: int, stop: int, *, peek: bool = False) -> Samples:
        """The samples from ``start`` to ``stop``, as many of them as exist.

        What stands before ``start`` is dropped, unless this is a peek. To know whether the
        recording ends just at ``stop``, decoding goes on until one sample beyond it is there.

        Args:
            start: First sample; negative means 0.
            stop: One past the last sample; may be beyond the end.
            peek: Hold what stands before ``start``: it will be read later.

        Returns:
            A copy of the samples, with ``ended`` True if there is none at or after ``stop``.

        Raises:
            AudioError: If reading broke off before ``stop``, or nothing can be decoded.
            ValueError: If ``start`` is before an earlier read's, or the reader is closed.
        """
        start = max(0, start)
        with self._state:
            if start < self._floor:
                raise ValueError(f"read from {start} after samples before {self._floor} were left")
            if not peek:
                self._floor = start
                self._drop()
        self._decode_past(stop)
        with self._state:
            if self._failure is not None and self._next < stop:
                raise self._failure
            samples = copy_span(self._blocks, self._first, start, stop)
            if len(samples) > 0:
                self._n_read = max(self._n_read, start + len(samples))
            return Samples(start=start, samples=samples, ended=self._at_end and self._next <= stop)

    def prefetch(self, stop: int) -> None:
        """Decode up to ``stop`` and drop nothing, so that a read up to there need not wait.

        A recording that breaks off raises in the read that comes to that place, not here.

        Raises:
            ValueError: If the reader is closed.
        """
        self._decode_past(stop)

    def close(self) -> None:
        """Forget what is held and close the stream: if it is at work, as soon as it is not."""
        self._is_closed = True
        with self._state:
            self._blocks.clear()
        self._close_if_idle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _decode_past(self, stop: int) -> None:
        """Decode until a sample at or after ``stop`` is there, or there are no more."""
        while not self.is_ready(stop):
            with self._decoding:
                if not self.is_ready(stop):  # another thread may have decoded it meanwhile
                    self._decode_block()
            if self._is_closed:
                self._close_if_idle()
        if self._is_closed:
            raise ValueError("the reader is closed")

    def _decode_block(self) -> None:
        try:
            block = next(self._source)
        except StopIteration:
            self._at_end = True
        except Exception as error:  # kept: a generator that failed looks like one that ended
            self._failure = error
        else:
            with self._state:
                if not self._is_closed:
                    self._blocks.append(block)
                self._next += len(block)
                self._drop()

    def _close_if_idle(self) -> None:
        # Who finds the stream at work leaves it: the thread at work comes here after it.
        if self._decoding.acquire(blocking=False):
            try:
                self._stream.close()
            finally:
                self._decoding.release()

    def _drop(self) -> None:
        while self._blocks and self._first + len(self._blocks[0]) <= self._floor:
            self._first += len(self._blocks.popleft())


def copy_span(
    blocks: Iterable[NDArray[np.float32]], first: int, start: int, stop: int
) -> NDArray[np.float32]:
    """The samples from ``start`` to ``stop`` out of blocks whose first sample is ``first``."""
    pieces: list[NDArray[np.float32]] = []
    position = first
    for block in blocks:
        if position >= stop:
            break
        pieces.append(block[max(0, start - position) : max(0, stop - position)])
        position += len(block)
    return np.concatenate([np.empty(0, np.float32), *pieces])
