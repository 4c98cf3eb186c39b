"""A recording cut into pieces while it is being read: positions, margins and memory.

Where the cuts fall is a cutter's business (`whisper_jax.speech`). Here each of its regions gets
its samples, and nothing is held that no region may need any more.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.container import AudioStream
from whisper_jax.audio.reader import copy_span
from whisper_jax.audio.units import HOP, MARGIN_AFTER, MARGIN_BEFORE, SAMPLE_RATE
from whisper_jax.driver.pieces import Piece
from whisper_jax.errors import AudioError

_STEP_SAMPLES = 30 * SAMPLE_RATE
"""Samples after which a step ends though it made no piece, so that other recordings have a turn."""

type Span = tuple[int, int]


class RegionLike(Protocol):
    """A region as a cutter gives it: see `whisper_jax.speech.regions.Region`."""

    @property
    def start(self) -> int:
        """First 10 ms frame."""
        ...

    @property
    def stop(self) -> int:
        """One past the last frame."""
        ...

    @property
    def speech(self) -> tuple[Span, ...]:
        """Spoken spans within it."""
        ...


class Cutter(Protocol):
    """Finds the regions of a stretch of audio; see `whisper_jax.speech.cutting.Cutting`.

    All frames count from the beginning of the stretch.
    """

    def push(self, samples: NDArray[np.float32]) -> Sequence[RegionLike]:
        """Hear more samples; regions that are final now, in order."""
        ...

    def finish(self) -> Sequence[RegionLike]:
        """The stretch ends here; the remaining regions."""
        ...


@final
class Cutting:
    """Pieces of one recording, in order. Use it from one thread at a time.

    Args:
        stream: The recording, from its beginning.
        ranges: The stretches to be cut, each by itself, as [start, stop) in frames, rising; a
            stop of None is the recording's end.
        make_cutter: Makes a cutter for a stretch.
        look_back_frames: A region begins no more than this before what was heard when it is given.
        tells_speech: Whether pieces say where in them speech is.

    Attributes:
        failure: What reading broke off with, if it did.
    """

    def __init__(
        self,
        stream: AudioStream,
        ranges: Sequence[tuple[int, int | None]],
        make_cutter: Callable[[], Cutter],
        *,
        look_back_frames: int,
        tells_speech: bool,
    ) -> None:
        self.failure: AudioError | None = None
        self._stream = stream
        self._source = stream.blocks()
        self._ranges = deque(ranges)
        self._last_stop = ranges[-1][1]
        self._make_cutter = make_cutter
        self._look_back = look_back_frames * HOP
        self._tells_speech = tells_speech
        self._cutter: Cutter | None = None
        self._found: deque[tuple[int, int, tuple[Span, ...]]] = deque()
        self._blocks: deque[NDArray[np.float32]] = deque()
        self._first = 0  # position of the first sample held
        self._n_read = 0
        self._n_pieces = 0
        self._at_end = False

    @property
    def is_done(self) -> bool:
        """True when there are no more pieces."""
        return not self._found and (self._at_end or not self._ranges)

    @property
    def n_samples(self) -> int:
        """Samples of the recording up to where it was heard, margins excluded."""
        if self._last_stop is None:
            return self._n_read
        return min(self._n_read, self._last_stop * HOP)

    def step(self) -> list[Piece]:
        """Read and cut until there are new pieces, half a minute was read, or all is done."""
        made: list[Piece] = []
        n_left = _STEP_SAMPLES
        while not made and n_left > 0 and not self.is_done:
            n_left -= self._take_block()
            made = self._completed()
            self._drop()
        if self.is_done:
            self._blocks.clear()
            self.close()
        return made

    def close(self) -> None:
        """Let go of the recording."""
        self._stream.close()

    def _take_block(self) -> int:
        """Hear a block; how long it was."""
        try:
            block = next(self._source, None)
        except AudioError as error:
            # What could be read is transcribed before this is reported.
            self.failure = error
            block = None
        if block is None:
            self._at_end = True
            if self._ranges and self._cutter is not None:
                self._find(self._cutter.finish())
            return 0
        begin = self._n_read
        self._blocks.append(block)
        self._n_read += len(block)
        self._hear(block, begin)
        return len(block)

    def _hear(self, block: NDArray[np.float32], begin: int) -> None:
        """Give each stretch its part of a block."""
        end = begin + len(block)
        while self._ranges and self._ranges[0][0] * HOP < end:
            start, stop = self._ranges[0]
            if self._cutter is None:
                self._cutter = self._make_cutter()
            last = end if stop is None else min(end, stop * HOP)
            self._find(self._cutter.push(block[max(0, start * HOP - begin) : last - begin]))
            if stop is None or end < stop * HOP:
                return
            self._find(self._cutter.finish())
            self._cutter = None
            self._ranges.popleft()

    def _find(self, regions: Sequence[RegionLike]) -> None:
        """Note regions of the stretch in hand, in frames of the recording."""
        offset = self._ranges[0][0]
        for region in regions:
            speech = tuple((offset + start, offset + stop) for start, stop in region.speech)
            self._found.append((offset + region.start, offset + region.stop, speech))

    def _completed(self) -> list[Piece]:
        """Pieces of the regions whose samples and margins have been read."""
        made: list[Piece] = []
        while self._found:
            start, stop, speech = self._found[0]
            if self._n_read < _end_of_margin(stop) and not self._at_end:
                break
            self._found.popleft()
            # A cutter's last frames may reach beyond the end.
            stop = min(stop, self._n_read // HOP)
            if start >= stop:
                continue
            speech = tuple((a, min(b, stop)) for a, b in speech if a < stop)
            first = max(0, start * HOP - MARGIN_BEFORE)
            made.append(
                Piece(
                    start=start,
                    stop=stop,
                    speech=speech if self._tells_speech else None,
                    is_first=self._n_pieces == 0,
                    first_sample=first,
                    samples=self._copy(first, _end_of_margin(stop)),
                )
            )
            self._n_pieces += 1
        return made

    def _drop(self) -> None:
        """Forget the blocks that no region still to come reaches back to."""
        floor = self._n_read
        if self._ranges:
            start = self._ranges[0][0] * HOP
            floor = start if self._cutter is None else max(start, floor - self._look_back)
        if self._found:
            floor = min(floor, self._found[0][0] * HOP)
        floor -= MARGIN_BEFORE
        while self._blocks and self._first + len(self._blocks[0]) <= floor:
            self._first += len(self._blocks.popleft())

    def _copy(self, start: int, stop: int) -> NDArray[np.float32]:
        if start < self._first:
            raise ValueError(f"a region begins at sample {start}; held from {self._first} on")
        return copy_span(self._blocks, self._first, start, stop)


def _end_of_margin(stop: int) -> int:
    """One past the last sample that a region up to this frame is heard with."""
    # The reflection at the beginning takes one sample more than its own length.
    return max(stop * HOP + MARGIN_AFTER, MARGIN_BEFORE + 1)
