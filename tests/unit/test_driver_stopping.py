"""Runs that do not go well: errors, cancellation, and whatever chance brings."""

import random
import threading
import time
from typing import Any

import driver_play as play
import pytest
from driver_play import (
    SECOND,
    SlowEngine,
    Source,
    check_events,
    expected_text,
    run,
    silent,
    transcripts,
)

from whisper_jax.driver import Event
from whisper_jax.engine.fake import FakeEngine
from whisper_jax.errors import AudioError, CancelledError, EngineError, WhisperJaxError
from whisper_jax.requests import Decode, Decoded, Encode
from whisper_jax.speech.regions import Region
from whisper_jax.types import Transcript

BOTH = pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "sequential"])


@pytest.fixture(autouse=True)
def sources_are_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    play.open_sources(monkeypatch)


@BOTH
def test_errors_end_their_recording_alone(parallel: bool) -> None:
    def hear(window: Encode, _: Decode) -> Decoded:
        if window.n_frames == 77:
            raise EngineError("the device failed")
        return Decoded(tokens=(), token_logprobs=(), sum_logprob=0, no_speech_prob=0)

    class Fails:
        def push(self, samples: object) -> list[Region]:
            raise ZeroDivisionError("oops")

    cutters = {0: play.CutEach(100), 1: Fails(), 2: play.CutEach(77), 3: play.CutEach(100)}
    # Cutters are made in the order in which recordings are first heard: one after the other here.
    made = iter(cutters.values())
    engine = FakeEngine(hear)
    plan = play.plan(lambda: next(made), parallel=parallel)
    found: dict[int, Transcript] = {}
    for index in cutters:
        found |= {index: transcripts(run(engine, [Source(5 * SECOND)], plan))[0]}
    assert found[0].error is None
    assert "please report" in str(found[1].error)
    assert isinstance(found[2].error, EngineError)
    assert found[3].text == expected_text(5 * SECOND)
    assert not engine.held

    sources = [Source(5 * SECOND), AudioError("no such file"), Source(3 * SECOND)]
    plan = play.plan(lambda: play.CutEach(100), parallel=parallel)
    events = list(run(silent(), sources, plan))
    check_events(events, 3)
    found = transcripts(events)
    assert [found[i].text for i in range(3)] == [
        expected_text(5 * SECOND), "", expected_text(3 * SECOND)
    ]  # fmt: skip
    assert isinstance(found[1].error, AudioError)


def test_a_failing_region_stops_the_others_and_keeps_what_was_final_before() -> None:
    n_decoded = 0

    def hear(window: Encode, _: Decode) -> Decoded:
        nonlocal n_decoded
        n_decoded += 1
        if float(window.samples[200]) == 300 * 160:
            raise EngineError("the device failed")
        return Decoded(tokens=(), token_logprobs=(), sum_logprob=0, no_speech_prob=0)

    source = Source(3600 * SECOND)
    engine = FakeEngine(hear)
    events = list(run(engine, [source], play.plan(lambda: play.CutEach(100))))
    check_events(events, 1)
    found = transcripts(events)[0]
    assert isinstance(found.error, EngineError)
    assert found.text in ("", " 0", " 0 100", " 0 100 200")
    assert found.duration < 10
    assert n_decoded < 10
    assert source.n_given < 60 * SECOND
    assert source.n_closed > 0
    assert not engine.held


@BOTH
def test_what_can_be_read_of_a_broken_recording_is_transcribed(parallel: bool) -> None:
    sources = [play.broken(0), play.broken(5 * SECOND + 80)]
    plan = play.plan(lambda: play.CutEach(100), parallel=parallel)
    events = list(run(silent(), sources, plan))
    check_events(events[:0], 0)
    found = transcripts(events)
    assert [found[i].text for i in (0, 1)] == ["", expected_text(5 * SECOND)]
    assert all(isinstance(found[i].error, AudioError) for i in (0, 1))
    assert found[1].duration == pytest.approx(5.005)


@BOTH
@pytest.mark.parametrize("way", ["cancel", "leave"])
def test_stopping_lets_go_of_everything(parallel: bool, way: str) -> None:
    engine = SlowEngine()
    cancel = threading.Event()
    sources = [Source(3600 * SECOND, wait_s=0.001) for _ in range(5)]
    plan = play.plan(lambda: play.CutEach(100), parallel=parallel)
    events = iter(run(engine, sources, plan, 4, cancel if way == "cancel" else None))
    for _ in range(5):
        next(events)
    if way == "leave":
        events.close()
    else:
        cancel.set()
        with pytest.raises(CancelledError):
            list(events)
    # What the engine had begun it may answer, but then it is asked for nothing more.
    deadline = time.monotonic() + 10
    n_answered = -1
    while (engine.held or engine.n_answered != n_answered) and time.monotonic() < deadline:
        n_answered = engine.n_answered
        time.sleep(0.2)
    assert not engine.held
    assert engine.n_answered == n_answered
    engine.close()
    assert all(source.n_closed > 0 for source in sources if source.n_given)
    assert not any("whisper-jax-audio" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_every_recording_ends_once(seed: int) -> None:
    """Random lengths, blocks, delays, failures of device, files and cutters, in both modes."""
    chance = random.Random(seed)
    engine = SlowEngine(seed, fails=lambda: chance.random() < 0.02)

    def make_source() -> Any:
        size = chance.choice([0, 50, 200, SECOND, 7 * SECOND, 40 * SECOND])
        match chance.randrange(8):
            case 0:
                return AudioError("no such file")
            case 1:
                return Source(size, failure=AudioError("cut"), wait_s=0.0005)
            case 2:
                return Source(size, failure=ZeroDivisionError("a defect"))
            case _:
                return Source(size, [chance.randrange(1000, 40_000)], wait_s=0.0005)

    sources = [make_source() for _ in range(25)]
    parallel, detects = chance.random() < 0.7, chance.random() < 0.5
    plan = play.plan(
        lambda: play.CutEach(chance.choice([30, 100, 300]), chance.choice([0, 50, 500])),
        parallel=parallel,
        detects=detects,
        n=chance.choice([1, 1, 4]),
    )
    n_windows = chance.choice([1, 2, 5])
    done = threading.Event()
    events: list[Event] = []

    def work() -> None:
        for event in run(engine, sources, plan, n_windows):
            events.append(event)
            if chance.random() < 0.05:
                time.sleep(0.01)
        done.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(60)
    assert done.is_set(), "it hangs"
    engine.close()
    check_events(events, len(sources))
    assert not engine.held
    assert engine.n_most_held <= n_windows
    for index, source in enumerate(sources):
        found = transcripts(events)[index]
        if isinstance(source, Source):
            assert source.n_closed > 0
            if found.error is None:
                assert found.duration * SECOND == source.n_given
                ends = [segment.end for segment in found.segments]
                starts = [segment.start for segment in found.segments]
                assert [0.0, *ends][: len(starts)] == starts, "nothing is lost or doubled"
                assert ends[-1:] == ([source.n_given // 160 / 100] if starts else [])
                assert bool(starts) == (source.n_given >= 160)
        else:
            assert isinstance(found.error, WhisperJaxError)
