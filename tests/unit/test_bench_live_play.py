"""Recordings played into streams, by the clock."""

import time
from typing import Any

import pytest
from live_bench_fake import TEXT, KnowingLive, track

from whisper_jax.bench.live.play import play


def test_blocks_are_sent_when_they_are_due_and_not_before() -> None:
    live = KnowingLive(TEXT)
    (played,) = play(live, [track(2.01)], {}, block_ms=40, speed=2.0)
    (stream,) = live.streams
    assert stream.blocks == [640] * 50 + [160]
    shown_s = [at_s for at_s, event in played.events if type(event).__name__ == "Tentative"]
    # The first word ends 0.7 s in the recording, at twice its speed, and is shown at once.
    assert 0.35 < shown_s[0] < 0.36 + played.most_late_s + 0.5
    assert played.clock.played_at_s(2.0) == 1.0


def test_time_in_which_nothing_happens_is_skipped_and_counted() -> None:
    class Resting:
        """Is at work for 50 ms after each tenth block."""

        def open(self, on_event: Any, **options: Any) -> Any:
            stream = KnowingLive(TEXT).open(on_event, **options)
            busy_until_s = 0.0

            class Stream:
                @property
                def is_at_rest(self) -> bool:
                    return time.perf_counter() >= busy_until_s

                def send(self, samples: Any) -> None:
                    nonlocal busy_until_s
                    stream.send(samples)
                    if len(stream.blocks) % 10 == 0:
                        busy_until_s = time.perf_counter() + 0.05

                def __getattr__(self, name: str) -> Any:
                    return getattr(stream, name)

            return Stream()

    start_s = time.perf_counter()
    (played,) = play(Resting(), [track(60.0)], {}, skips_rest=True)
    passed_s = time.perf_counter() - start_s
    shown_s = [at_s for at_s, event in played.events if type(event).__name__ == "Tentative"]
    assert 0.7 <= shown_s[0] < 0.75 + played.most_late_s
    assert played.events[-1][0] >= 60
    # Of each 0.4 s, the time of one block is waited for.
    assert 50 < played.skipped_s < 60
    assert passed_s + played.skipped_s >= 60
    assert passed_s < 30


def test_streams_are_played_side_by_side_and_begin_apart() -> None:
    live = KnowingLive(TEXT)
    played = play(live, [track(2.0)] * 3, {}, speed=8.0)
    assert len({stream.thread for stream in live.streams}) == 3
    assert [one["owner"] for one in live.opened] == ["stream 0", "stream 1", "stream 2"]
    assert [type(one.events[-1][1]).__name__ for one in played] == ["StreamEnded"] * 3


def test_who_plays_fast_waits_for_a_stream_that_is_behind() -> None:
    class SlowLive:
        def open(self, on_event: Any, **options: Any) -> Any:
            stream = KnowingLive(TEXT).open(on_event, **options)
            behind = iter([0.0] * 10 + [31.0] * 10)

            class Slow:
                def __getattr__(self, name: str) -> Any:
                    return next(behind, 0.0) if name == "backlog_s" else getattr(stream, name)

            return Slow()

    (played,) = play(SlowLive(), [track(2.0)], {}, speed=8.0)
    (wait,) = played.clock.waits
    assert wait[0] == pytest.approx(11 * 0.04)
    assert wait[1] >= 0.2
    assert played.clock.played_at_s(2.0) == pytest.approx(0.25 + wait[1])


def test_a_stream_that_breaks_off_is_told_and_not_waited_for() -> None:
    live = KnowingLive(TEXT)

    def cut(on_event: Any, **options: Any) -> Any:
        stream = live.open(on_event, **options)
        stream.cancel()
        return stream

    class Cutting:
        open = staticmethod(cut)

    (played,) = play(Cutting(), [track(60.0)], {})
    assert len(live.streams[0].blocks) == 0
    assert played.events[-1][0] < 30
