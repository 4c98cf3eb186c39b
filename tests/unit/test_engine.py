"""The engine's thread with a pool that is made up: answers, cancellation, failure, fairness."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from engine_play import DECODE, MadeUpPool, ask, origin, said, window

from whisper_jax.engine.engine import Engine
from whisper_jax.engine.scheduler import Kind, Scheduler
from whisper_jax.engine.served import PoolStatus
from whisper_jax.errors import CancelledError, EngineClosedError, EngineError
from whisper_jax.requests import (
    Decode,
    DecodeRules,
    DetectLanguage,
    Encoded,
    EngineResult,
    LanguageScores,
    Origin,
    Release,
)


@contextmanager
def serving(pool: MadeUpPool, n_slots: int = 4) -> Iterator[Engine]:
    engine = Engine()
    limits = dict.fromkeys(Kind, 2)
    engine.add_pool(
        "m",
        pool,
        Scheduler(
            slot_buckets=tuple(size for size in (2, 4, 8) if size <= n_slots),
            n_shards=1,
            batch_limits=limits,
        ),
    )
    try:
        yield engine
    finally:
        pool.may_run.set()
        engine.close()


def test_many_programs_are_answered_each_with_its_own_window() -> None:
    with serving(MadeUpPool()) as engine:
        for first in range(0, 12, 4):
            programs = range(first, first + 4)
            encoded = [ask(engine, origin(p), window(p + 1)) for p in programs]
            assert all(future.result(10) == Encoded(peak=1.0) for future in encoded)
            decoded = [ask(engine, origin(p), DECODE) for p in programs]
            assert [future.result(10) for future in decoded] == [said(p + 1) for p in programs]
            assert all(ask(engine, origin(p), Release()).result(10) is None for p in programs)


def test_a_window_can_be_decoded_again_until_it_is_released() -> None:
    with serving(MadeUpPool()) as engine:
        ask(engine, origin(0), window(2)).result(10)
        language = DetectLanguage(language_tokens=(7,))
        assert ask(engine, origin(0), language).result(10) == LanguageScores(probabilities=(1.0,))
        for _ in range(3):
            assert ask(engine, origin(0), DECODE).result(10) == said(2)
        ask(engine, origin(0), Release()).result(10)
        with pytest.raises(EngineError, match="no longer in a slot"):
            ask(engine, origin(0), DECODE).result(10)


def test_cancelling_answers_the_open_request_and_frees_the_slot() -> None:
    pool = MadeUpPool()
    with serving(pool, n_slots=2) as engine:
        pool.may_run.clear()
        for program in range(2):
            ask(engine, origin(program), window(3)).result(10)
        open_request = ask(engine, origin(0), DECODE)
        waiting = ask(engine, origin(2), window(5))
        engine.cancel(origin(0))
        pool.may_run.set()
        with pytest.raises(CancelledError):
            open_request.result(10)
        assert waiting.result(10) == Encoded(peak=1.0)
        assert ask(engine, origin(2), DECODE).result(10) == said(5)


def test_a_failing_device_ends_what_it_held_and_serves_what_comes_next() -> None:
    pool = MadeUpPool()
    with serving(pool) as engine:
        ask(engine, origin(0), window(1)).result(10)
        ask(engine, origin(1), window(1)).result(10)
        pool.fails = True
        with pytest.raises(EngineError, match="out of memory"):
            ask(engine, origin(0), DECODE).result(10)
        pool.fails = False
        with pytest.raises(EngineError, match="encode it again"):
            ask(engine, origin(1), DECODE).result(10)
        ask(engine, origin(1), window(4)).result(10)
        assert ask(engine, origin(1), DECODE).result(10) == said(4)


def test_closing_answers_everything_and_refuses_the_rest() -> None:
    pool = MadeUpPool()
    with serving(pool) as engine:
        pool.may_run.clear()
        ask(engine, origin(0), window(1000)).result(10)
        running = ask(engine, origin(0), DECODE)
        queued = [ask(engine, origin(p), window(1)) for p in range(1, 9)]
        closer = threading.Thread(target=engine.close)
        closer.start()
        pool.may_run.set()
        closer.join(10)
        assert not closer.is_alive()
        for future in [running, *queued]:
            assert isinstance(future.exception(10), EngineClosedError | type(None))
        assert isinstance(running.exception(10), EngineClosedError)
        with pytest.raises(EngineClosedError):
            engine.submit(origin(0), DECODE, lambda _: None)
        engine.close()


def test_a_wrong_request_is_answered_with_the_reason() -> None:
    with serving(MadeUpPool()) as engine:
        with pytest.raises(EngineError, match="no pool for model 'x'"):
            ask(engine, origin(0, model="x"), window(1)).result(10)
        ask(engine, origin(0), window(1)).result(10)
        long_prompt = Decode(prompt=(1,) * 449, sot_index=0, rules=DecodeRules())
        with pytest.raises(EngineError, match="too long"):
            ask(engine, origin(0), long_prompt).result(10)


def test_a_reply_that_raises_does_not_stop_the_engine(caplog: pytest.LogCaptureFixture) -> None:
    with serving(MadeUpPool()) as engine:

        def bad_reply(_: EngineResult | Exception) -> None:
            raise ZeroDivisionError

        engine.submit(origin(0), window(1), bad_reply)
        ask(engine, origin(1), window(2)).result(10)
        assert ask(engine, origin(1), DECODE).result(10) == said(2)
    assert "a reply failed" in caplog.text


def test_two_models_share_the_thread_by_priority() -> None:
    first, second = MadeUpPool(), MadeUpPool()
    with serving(first) as engine:
        limits = dict.fromkeys(Kind, 2)
        engine.add_pool("n", second, Scheduler(slot_buckets=(2,), n_shards=1, batch_limits=limits))
        urgent = Origin(program=1, model="n", priority=1)
        ask(engine, origin(0), window(20)).result(10)
        ask(engine, urgent, window(3)).result(10)
        first.may_run.clear()
        slow = ask(engine, origin(0), DECODE)
        fast = ask(engine, urgent, DECODE)
        first.may_run.set()
        assert fast.result(10) == said(3)
        assert slow.result(10) == said(20)
        assert second.calls.count("run") == 3


def add_small(engine: Engine, model: str, pool: MadeUpPool) -> None:
    limits = dict.fromkeys(Kind, 2)
    engine.add_pool(model, pool, Scheduler(slot_buckets=(2,), n_shards=1, batch_limits=limits))


@pytest.mark.parametrize("owners", [("a", "a"), ("a", "b")])
def test_two_models_take_turns_whoever_asks(owners: tuple[str, str]) -> None:
    first, second = MadeUpPool(), MadeUpPool()
    second.calls = first.calls
    with serving(first) as engine:
        add_small(engine, "n", second)
        asked = [Origin(program=n, model="mn"[n], owner=owners[n]) for n in range(2)]
        for who, n in zip(asked, (40, 8), strict=True):
            ask(engine, who, window(n)).result(10)
        first.may_run.clear()
        long, short = (ask(engine, who, DECODE) for who in asked)
        first.may_run.set()
        assert short.result(10) == said(8)
        assert not long.done() or first.calls.count("run") == 48
        assert long.result(10) == said(40)


def test_a_pool_can_be_removed_and_added_again() -> None:
    first, second = MadeUpPool(), MadeUpPool()
    with serving(first) as engine:
        add_small(engine, "n", second)
        gone = Origin(program=1, model="n")
        ask(engine, gone, window(3)).result(10)
        first.may_run.clear()
        second.may_run.clear()
        waiting = ask(engine, gone, DECODE)
        threading.Timer(0.1, second.may_run.set).start()
        engine.remove_pool("n")
        with pytest.raises(EngineClosedError, match="'n' has been closed"):
            waiting.result(10)
        assert not second.windows
        with pytest.raises(EngineError, match="no pool for model 'n'"):
            ask(engine, gone, window(3)).result(10)
        add_small(engine, "n", second)
        ask(engine, gone, window(4)).result(10)
        assert engine.status("n") == PoolStatus(n_slots=2, n_windows=1)
        engine.remove_pool("unknown")
        first.may_run.set()
        ask(engine, origin(0), window(2)).result(10)
    engine.remove_pool("m")  # of a closed engine: nothing is left to do


def test_slots_give_their_memory_back_once_nothing_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("whisper_jax.engine.engine._REST_AFTER_S", 0.05)
    pool = MadeUpPool()
    with serving(pool) as engine:
        ask(engine, origin(0), window(2)).result(10)
        threading.Event().wait(0.3)
        assert engine.status("m").n_windows == 1, "it may still be asked for"
        ask(engine, origin(0), Release()).result(10)
        deadline = threading.Event()
        while engine.status("m").n_slots and not deadline.wait(0.02):
            pass
        assert not pool.windows
        ask(engine, origin(1), window(5)).result(10)
        assert ask(engine, origin(1), DECODE).result(10) == said(5)


@pytest.mark.parametrize("most_slots", [2, 4, 8])
def test_out_of_memory_halves_the_slots_and_loses_nothing(
    most_slots: int, caplog: pytest.LogCaptureFixture
) -> None:
    pool = MadeUpPool()
    pool.most_slots = most_slots

    def program(number: int) -> list[EngineResult]:
        windows[number].result(20)
        texts = [ask(engine, origin(number), DECODE).result(20) for _ in range(2)]
        ask(engine, origin(number), Release()).result(20)
        return texts

    with serving(pool, n_slots=8) as engine, ThreadPoolExecutor(12) as threads:
        # All before one is given back: else a quick machine may never need all slots at once.
        windows = [ask(engine, origin(number), window(3 + number)) for number in range(12)]
        texts = list(threads.map(program, range(12)))
    assert texts == [[said(3 + number)] * 2 for number in range(12)]
    assert ("going on with" in caplog.text) == (most_slots < 8)
    assert pool.n_slots <= most_slots


def test_out_of_memory_with_the_fewest_slots_is_an_error() -> None:
    pool = MadeUpPool()
    pool.most_slots = 1
    with serving(pool, n_slots=4) as engine:
        ask(engine, origin(0), window(5)).result(10)
        with pytest.raises(EngineError, match="RESOURCE_EXHAUSTED"):
            ask(engine, origin(0), DECODE).result(10)
        pool.most_slots = 2
        ask(engine, origin(0), window(5)).result(10)
        assert ask(engine, origin(0), DECODE).result(10) == said(5)


def test_a_program_can_be_cancelled_while_its_lost_window_waits_for_a_slot() -> None:
    pool = MadeUpPool()
    pool.most_slots = 2
    pool.may_run.clear()
    with serving(pool) as engine:
        for program in range(4):
            ask(engine, origin(program), window(3 + program)).result(10)
        decodes = [ask(engine, origin(program), DECODE) for program in range(4)]
        pool.may_run.set()
        # The first two own both slots that are left.
        assert [decode.result(10) for decode in decodes[:2]] == [said(3), said(4)]
        engine.cancel(origin(2))
        with pytest.raises(CancelledError):
            decodes[2].result(10)
        ask(engine, origin(0), Release()).result(10)
        assert decodes[3].result(10) == said(6)
