"""Engines side by side: where windows go, and when there are several."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from engine_play import DECODE, MadeUpPool, ask, origin, said, window

from whisper_jax.engine.lanes import Lanes
from whisper_jax.engine.scheduler import Kind, Scheduler
from whisper_jax.errors import CancelledError, EngineClosedError, EngineError
from whisper_jax.requests import Origin, Release


@contextmanager
def lanes(*pools: MadeUpPool) -> Iterator[Lanes]:
    engine = Lanes(len(pools))
    limits = dict.fromkeys(Kind, 2)
    made = [(p, Scheduler(slot_buckets=(2, 4), n_shards=1, batch_limits=limits)) for p in pools]
    engine.add_pool("m", made)
    try:
        yield engine
    finally:
        for pool in pools:
            pool.may_run.set()
        engine.close()


def test_each_new_window_goes_where_there_are_fewest() -> None:
    pools = MadeUpPool(), MadeUpPool()
    with lanes(*pools) as engine:
        for program in range(4):
            ask(engine, origin(program), window(10 + program)).result(10)
        assert [sorted(pool.windows.values()) for pool in pools] == [[10, 12], [11, 13]]
        # The lane of program 0 has nothing else to do once 2 is gone: it goes back there.
        ask(engine, origin(2), Release()).result(10)
        ask(engine, origin(0), window(20)).result(10)
        # And 1 moves to that lane, which now has fewer windows than its own.
        ask(engine, origin(0), Release()).result(10)
        ask(engine, origin(1), window(21)).result(10)
        assert sorted(pools[0].windows.values()) == [12, 21]
        assert ask(engine, origin(1), DECODE).result(10) == said(21)
        assert ask(engine, origin(3), DECODE).result(10) == said(13)


def test_a_cancelled_program_is_forgotten_on_its_lane() -> None:
    pools = MadeUpPool(), MadeUpPool()
    with lanes(*pools) as engine:
        pools[1].may_run.clear()
        ask(engine, origin(0), window(1)).result(10)
        ask(engine, origin(1), window(1)).result(10)
        waiting = ask(engine, origin(1), DECODE)
        engine.cancel(origin(1))
        pools[1].may_run.set()
        with pytest.raises(CancelledError):
            waiting.result(10)
        ask(engine, origin(2), window(2)).result(10)
        assert 2 in pools[1].windows.values()


def test_closing_closes_every_lane() -> None:
    with lanes(MadeUpPool(), MadeUpPool()) as engine:
        engine.close()
        for program in range(2):
            with pytest.raises(EngineClosedError):
                ask(engine, origin(program), window(1))


def guest_lanes(n_job: int) -> tuple[Lanes, list[MadeUpPool], list[MadeUpPool]]:
    """Two lanes with small pools, and so many windows of a job."""
    limits = dict.fromkeys(Kind, 2)
    pools = [[MadeUpPool(), MadeUpPool()] for _ in range(2)]
    large, small = (
        [(pool, Scheduler(slot_buckets=(n,), n_shards=1, batch_limits=limits)) for pool in row]
        for row, n in zip(pools, (16, 2), strict=True)
    )
    engine = Lanes(2)
    engine.add_pool("m", large, small)
    for program in range(n_job):
        ask(engine, Origin(program=program, model="m", owner="job"), window(9)).result(10)
    return engine, *pools


def guest(program: int, owner: str = "guest", leads: bool = True) -> Origin:
    return Origin(program=program, model="m", owner=owner, leads=leads)


def windows_in(pools: list[MadeUpPool]) -> list[int]:
    return sorted(n for pool in pools for n in pool.windows.values())


def test_a_guest_of_a_busy_model_gets_a_small_pool() -> None:
    engine, large, small = guest_lanes(8)
    with closing(engine):
        for program in range(100, 106):
            ask(engine, guest(program), window(program)).result(10)
        assert windows_in(small) == [100, 101, 102, 103], "as many as there are slots"
        assert windows_in(large)[-2:] == [104, 105]
        assert ask(engine, guest(100), DECODE).result(10) == said(100)
        # Its next window is not its first: it goes to the others.
        ask(engine, guest(100, leads=False), window(200)).result(10)
        assert 200 in windows_in(large)
        ask(engine, guest(106, "third"), window(106)).result(10)
        assert 106 in windows_in(small)
        status = engine.status("m")
        assert (status.n_slots, status.n_windows, status.n_waiting) == (2 * 16 + 2 * 2, 15, 0)


@pytest.mark.parametrize(
    ("n_job", "who"),
    [
        (7, guest(100)),  # the job has little too
        (8, guest(100, owner="job")),
        (8, guest(100, leads=False)),
    ],
)
def test_others_do_not_get_a_small_pool(n_job: int, who: Origin) -> None:
    engine, large, small = guest_lanes(n_job)
    with closing(engine):
        ask(engine, who, window(100)).result(10)
        assert windows_in(small) == []
        assert windows_in(large)[-1] == 100


def test_a_removed_model_is_gone_from_every_lane() -> None:
    engine, *_ = guest_lanes(8)
    with closing(engine):
        engine.remove_pool("m")
        assert engine.status("m").n_slots == 0
        with pytest.raises(EngineError, match="no pool for model 'm'"):
            ask(engine, guest(0), window(1)).result(10)


SCRIPT = """
import logging, os, sys, tiny
from whisper_jax.engine.threads import has_spare_thread
logging.basicConfig(level=logging.INFO)
if "first" in sys.argv:
    import jax
    jax.devices()
print(has_spare_thread(), "PJRT_NPROC" in os.environ)
with tiny.whisper(batch_size=8) as model:
    print(len(model._engine._engines))
"""


@pytest.mark.parametrize(
    ("used", "threads", "printed"),
    [
        ("", {}, ["True False", "2"]),
        ("first", {}, ["False False", "1"]),
        ("", {"PJRT_NPROC": "1"}, ["False True", "1"]),
        ("", {"PJRT_NPROC": "900"}, ["True True", "2"]),
    ],
)
def test_two_lanes_need_a_thread_more_than_cores(
    used: str, threads: dict[str, str], printed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PJRT_NPROC", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    for name, value in threads.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-c", SCRIPT, used]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[:2] == printed, done.stderr[-2000:]
    assert ("JAX was in use before" in done.stderr) == (used == "first")
