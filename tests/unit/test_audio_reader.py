"""Spans of a stream: the same whatever its blocks, exact about the end, bounded in memory."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from whisper_jax.audio.container import AudioStream
from whisper_jax.audio.reader import SampleReader
from whisper_jax.errors import AudioError


def ramp(n_samples: int) -> NDArray[np.float32]:
    """Each sample is its own position."""
    return np.arange(n_samples, dtype=np.float32)


class Source:
    """Blocks of the given sizes, then perhaps an error; knows how much was taken from it."""

    def __init__(self, block_sizes: list[int], failure: Exception | None = None) -> None:
        self.n_given = 0
        self.is_closed = False
        self.stream = AudioStream(
            name="ramp",
            duration_s=None,
            blocks=self._blocks(block_sizes, failure),
            close=self.close,
        )

    def _blocks(
        self, block_sizes: list[int], failure: Exception | None
    ) -> Iterator[NDArray[np.float32]]:
        samples = ramp(sum(block_sizes))
        for size in block_sizes:
            start = self.n_given
            self.n_given += size
            yield samples[start : start + size].copy()
        if failure is not None:
            raise failure

    def close(self) -> None:
        self.is_closed = True


def reader_of(*block_sizes: int) -> SampleReader:
    return SampleReader(Source(list(block_sizes)).stream)


@st.composite
def read_plans(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int]], list[int]]:
    """Block sizes, spans to read in order, and how far to prefetch before each."""
    block_sizes = draw(st.lists(st.integers(0, 30), max_size=20))
    starts = sorted(draw(st.lists(st.integers(-5, 350), max_size=8)))
    spans = [(start, start + draw(st.integers(-3, 120))) for start in starts]
    prefetches = [draw(st.integers(-10, 400)) for _ in spans]
    return block_sizes, spans, prefetches


@settings(deadline=None)
@given(read_plans())
def test_reads_do_not_depend_on_blocks_or_prefetching(
    plan: tuple[list[int], list[tuple[int, int]], list[int]],
) -> None:
    block_sizes, spans, prefetches = plan
    whole = ramp(sum(block_sizes))
    reader = SampleReader(Source(block_sizes).stream)
    farthest = 0
    for (start, stop), prefetch in zip(spans, prefetches, strict=True):
        if prefetch % 2:
            reader.prefetch(prefetch)
        answer = reader.read(start, stop)
        expected = whole[max(0, start) : max(0, start, stop)]
        assert answer.start == max(0, start)
        assert answer.samples.dtype == np.float32
        np.testing.assert_array_equal(answer.samples, expected)
        assert answer.ended == (len(whole) <= stop)
        if len(expected):
            farthest = max(farthest, max(0, start) + len(expected))
        assert reader.n_samples_read == farthest


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 200), st.integers(1, 100))
def test_no_more_is_decoded_than_asked_for(block_size: int, start: int, length: int) -> None:
    source = Source([block_size] * 400)
    reader = SampleReader(source.stream)
    stop = start + length
    reader.read(start, stop)
    # One sample beyond the stop is needed to know that the recording goes on.
    assert stop < source.n_given <= stop + block_size
    reader.prefetch(stop)
    assert source.n_given <= stop + block_size


@pytest.mark.parametrize("block_size", [1, 3, 10])
def test_the_end_is_known_exactly(block_size: int) -> None:
    blocks = [block_size] * (30 // block_size)
    assert not reader_of(*blocks).read(0, 29).ended
    assert reader_of(*blocks).read(0, 30).ended
    assert reader_of(*blocks).read(20, 31).ended
    assert reader_of(*blocks, 0).read(0, 30).ended
    assert not reader_of(*blocks, 0, 1).read(0, 30).ended


def test_an_empty_recording() -> None:
    answer = reader_of().read(-200, 480_000)
    assert (answer.start, answer.samples.tolist(), answer.ended) == (0, [], True)


def test_what_was_left_behind_cannot_be_read_again() -> None:
    reader = reader_of(10, 10)
    reader.read(5, 8)
    reader.read(5, 12)
    with pytest.raises(ValueError, match="read from 4 after samples before 5 were left"):
        reader.read(4, 12)


@settings(deadline=None)
@given(read_plans(), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 90)), max_size=8))
def test_peeks_give_the_same_and_leave_nothing_behind(
    plan: tuple[list[int], list[tuple[int, int]], list[int]], peeks: list[tuple[int, int]]
) -> None:
    block_sizes, spans, _ = plan
    whole = ramp(sum(block_sizes))
    reader = SampleReader(Source(block_sizes).stream)
    for index, (start, stop) in enumerate(spans):
        for ahead, length in peeks[index : index + 2]:
            first = max(0, start) + ahead
            answer = reader.read(first, first + length, peek=True)
            np.testing.assert_array_equal(answer.samples, whole[first : first + length])
            assert answer.start == first
        answer = reader.read(start, stop)
        np.testing.assert_array_equal(answer.samples, whole[max(0, start) : max(0, start, stop)])
        assert answer.ended == (len(whole) <= stop)
    reader.read(400, 500)
    with pytest.raises(ValueError, match="were left"):
        reader.read(399, 500, peek=True)


def test_answers_stay_as_they_are() -> None:
    block = ramp(10)
    reader = SampleReader(AudioStream(name="ramp", duration_s=None, blocks=iter([block])))
    answer = reader.read(0, 10)
    answer.samples[:] = 7
    assert reader.read(0, 10).samples.tolist() == ramp(10).tolist()
    assert block.tolist() == ramp(10).tolist()


def test_memory_is_bounded_by_the_span_and_a_block() -> None:
    alive: list[int] = []

    class CountedBlock(np.ndarray):
        def __array_finalize__(self, obj: object) -> None:
            self.counts = False

        def __del__(self) -> None:
            if self.counts:
                alive.pop()

    def blocks() -> Iterator[NDArray[np.float32]]:
        for _ in range(1000):
            block = np.zeros(100, np.float32).view(CountedBlock)
            block.counts = True
            alive.append(1)
            n_most.append(len(alive))
            yield block

    n_most: list[int] = []
    reader = SampleReader(AudioStream(name="zeros", duration_s=None, blocks=blocks()))
    for start in range(0, 40_000, 700):
        reader.read(start, start + 1000)
    reader.read(90_000, 91_000)  # leaping does not gather what is leapt over
    assert max(n_most) <= 10 + 3


def test_a_recording_that_breaks_off() -> None:
    reader = SampleReader(Source([10, 10], AudioError("the cable was cut")).stream)
    reader.prefetch(1000)
    answer = reader.read(0, 20)
    assert answer.samples.tolist() == ramp(20).tolist()
    assert not answer.ended
    for _ in range(2):
        with pytest.raises(AudioError, match="the cable was cut"):
            reader.read(15, 21)
    assert reader.n_samples_read == 20


def test_closing() -> None:
    source = Source([10])
    with SampleReader(source.stream) as reader:
        reader.read(0, 5)
        assert not source.is_closed
    assert source.is_closed
    with pytest.raises(ValueError, match="closed"):
        reader.read(5, 8)
    with pytest.raises(ValueError, match="closed"):
        reader.prefetch(8)


def test_prefetching_on_another_thread() -> None:
    reader = reader_of(*[7] * 3000)
    thread = threading.Thread(
        target=lambda: [reader.prefetch(stop) for stop in range(0, 21_000, 10)]
    )
    thread.start()
    pieces = [reader.read(start, start + 100).samples for start in range(0, 21_000, 100)]
    thread.join()
    np.testing.assert_array_equal(np.concatenate(pieces), ramp(21_000))


def test_what_is_ready() -> None:
    reader = reader_of(10, 10)
    assert not reader.is_ready(0)
    reader.prefetch(5)
    assert reader.is_ready(9)
    assert not reader.is_ready(10)  # whether the recording ends there is not known yet
    reader.prefetch(20)
    assert reader.is_ready(1000)
    failing = SampleReader(Source([10], AudioError("gone")).stream)
    failing.prefetch(1000)
    assert failing.is_ready(1000)


def test_nobody_waits_for_a_slow_server_without_need() -> None:
    asked, answered = threading.Event(), threading.Event()
    closed: list[bool] = []

    def blocks() -> Iterator[NDArray[np.float32]]:
        yield ramp(10)
        asked.set()
        assert answered.wait(10)
        yield ramp(10)

    stream = AudioStream(
        name="slow", duration_s=None, blocks=blocks(), close=lambda: closed.append(True)
    )
    reader = SampleReader(stream)
    failures: list[Exception] = []

    def prefetch() -> None:
        try:
            reader.prefetch(1000)
        except ValueError as error:
            failures.append(error)

    thread = threading.Thread(target=prefetch)
    thread.start()
    assert asked.wait(10)
    # All this happens while the other thread waits for the server.
    assert reader.is_ready(9)
    assert reader.read(0, 9).samples.tolist() == ramp(9).tolist()
    reader.close()
    assert not closed
    answered.set()
    thread.join()
    assert closed
    assert str(failures[0]) == "the reader is closed"
