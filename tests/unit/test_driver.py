"""Runs over recordings that are cut: order, language and back-pressure."""

import threading
import time
from collections.abc import Callable
from typing import Any

import driver_play as play
import pytest
from driver_play import (
    SECOND,
    Script,
    SlowEngine,
    Source,
    check_events,
    expected_text,
    run,
    silent,
    transcripts,
)

from whisper_jax.driver import Plan
from whisper_jax.requests import (
    Decode,
    DetectLanguage,
    Encode,
    EngineRequest,
    Origin,
    Release,
)
from whisper_jax.speech.regions import Region
from whisper_jax.types import Transcript

BOTH = pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "sequential"])


@pytest.fixture(autouse=True)
def sources_are_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    play.open_sources(monkeypatch)


@BOTH
@pytest.mark.parametrize("detects", [False, True])
@pytest.mark.parametrize("n_windows", [1, 3])
def test_texts_come_whole_and_in_order(parallel: bool, detects: bool, n_windows: int) -> None:
    sizes = [10 * SECOND + 17, 0, 99, 3 * SECOND, 160, 60 * SECOND]
    engine = SlowEngine()
    plan = play.plan(lambda: play.CutEach(100), parallel=parallel, detects=detects)
    events = list(run(engine, [Source(size) for size in sizes], plan, n_windows))
    engine.close()
    found = transcripts(events)
    check_events(events, len(sizes))
    for index, size in enumerate(sizes):
        assert found[index].text == expected_text(size)
        assert found[index].duration == size / SECOND
        assert found[index].error is None
        was_heard = size >= 160
        assert found[index].language == ("de" if was_heard or not detects else "")
        assert found[index].language_probability == (0.9 if was_heard and detects else None)
        assert len(found[index].language_probabilities) == (2 if was_heard and detects else 0)
    assert not engine.held
    assert engine.n_most_held <= n_windows
    assert (engine.n_most_held > 1) == (n_windows > 1)


def test_regions_of_one_recording_are_in_flight_together() -> None:
    engine = SlowEngine()
    plan = play.plan(lambda: play.CutEach(100))
    assert transcripts(run(engine, [Source(60 * SECOND)], plan, 8))[0].text != ""
    engine.close()
    assert engine.n_most_held > 4


@BOTH
def test_the_first_recording_leads_until_its_first_words(parallel: bool) -> None:
    asked: list[tuple[Origin, EngineRequest]] = []

    class Listening(SlowEngine):
        def submit(self, origin: Origin, request: EngineRequest, reply: Callable) -> None:
            asked.append((origin, request))
            super().submit(origin, request, reply)

    engine = Listening()
    plan = play.plan(lambda: play.CutEach(100), parallel=parallel)
    list(run(engine, [Source(5 * SECOND), Source(5 * SECOND)], plan, 8, leads=True))
    engine.close()
    leading = [item for item in asked if item[0].leads]
    assert [type(request) for _, request in leading if not isinstance(request, Release)] == [
        Encode,
        Decode,
    ]
    assert len({origin.program for origin, _ in leading}) == 1


@pytest.mark.parametrize("n", [1, 3])
@BOTH
def test_the_first_region_goes_alone_until_its_language_is_known(parallel: bool, n: int) -> None:
    engine = silent()
    plan = play.plan(lambda: play.CutEach(100), parallel=parallel, detects=True, n=n)
    source = Source(10 * SECOND)
    assert transcripts(run(engine, [source], plan))[0].text == expected_text(10 * SECOND)
    kinds = [type(request) for _, request in engine.log]
    # The windows of the language, the first one again, and only then anything else.
    last = max(i for i, kind in enumerate(kinds) if kind is DetectLanguage)
    assert kinds.count(DetectLanguage) == n
    assert len({origin.program for origin, _ in engine.log[: last + 1]}) == 1
    assert kinds[: last + 1] == [Encode, DetectLanguage] * n
    first = [request for _, request in engine.log if isinstance(request, Encode)][:n]
    starts = [float(window.samples[200 if i else 0]) for i, window in enumerate(first)]
    assert starts == [100 * 160 * i for i in range(n)]


@BOTH
def test_fewer_regions_than_are_wanted_for_the_language(parallel: bool) -> None:
    engine = silent()
    plan = play.plan(lambda: play.CutEach(100), parallel=parallel, detects=True, n=50)
    assert transcripts(run(engine, [Source(3 * SECOND)], plan, 1))[0].language == "de"
    assert sum(isinstance(request, DetectLanguage) for _, request in engine.log) == 3


def test_a_language_is_sought_further_if_the_first_region_has_none() -> None:
    asked: list[tuple[int, bool]] = []

    def make_program(peak: float, language: Any) -> Any:
        whole = play.region_program(peak, language, detects=language is None)
        request = next(whole)
        clip = yield request
        asked.append((clip.start, language is None))
        if clip.start < 200:  # nothing is heard in it
            assert (yield request) is None
            return Transcript(
                text="", segments=(), language="", language_probability=None, duration=0
            )
        answer = clip
        while True:
            try:
                answer = yield whole.send(answer)
            except StopIteration as end:
                return end.value

    plan = play.plan(lambda: play.CutEach(100), detects=True)
    plan = Plan(**{**{f: getattr(plan, f) for f in plan.__slots__}, "make_program": make_program})
    found = transcripts(run(silent(), [Source(5 * SECOND)], plan))[0]
    assert asked == [(0, True), (100, True), (200, True), (300, False), (400, False)]
    assert (found.text, found.language) == (" 200 300 400", "de")


class Gate(SlowEngine):
    """Holds every `Decode` back until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[tuple] = []
        self._guard = threading.Lock()
        self._is_open = False

    def submit(self, origin: Origin, request: Any, reply: Callable) -> None:
        with self._guard:
            if isinstance(request, Decode) and not self._is_open:
                self._kept.append((origin, request, reply))
                return
        super().submit(origin, request, reply)

    def open(self) -> None:
        with self._guard:
            self._is_open = True
        for item in self._kept:
            super().submit(*item)


@pytest.mark.parametrize("detects", [False, True])
@BOTH
def test_a_recording_is_read_only_so_far_ahead(parallel: bool, detects: bool) -> None:
    """Ten hours, of which nothing is done yet."""
    engine = Gate()
    plan = play.plan(lambda: play.CutEach(1000), parallel=parallel, detects=detects)
    sources = [Source(36_000 * SECOND) for _ in range(3)]
    events = iter(run(engine, sources, plan, 4))
    thread = threading.Thread(target=lambda: next(events))
    thread.start()
    deadline = time.monotonic() + 10
    n_before = -1
    while time.monotonic() < deadline:
        n_given = sum(source.n_given for source in sources)
        if n_given == n_before and n_given > 0:
            break
        n_before = n_given
        time.sleep(0.3)
    # 4 in slots and 2 in waiting; one more of each recording that is being cut.
    assert sum(source.n_given for source in sources) <= (4 + 2 + 2) * 10 * SECOND
    assert sum(source.n_given > 0 for source in sources) == (2 if parallel else 3)
    engine.open()
    thread.join(10)
    n_given = sum(source.n_given for source in sources)
    for _ in range(40):
        next(events)
    assert sum(source.n_given for source in sources) > n_given, "it goes on"
    events.close()
    engine.close()
    assert all(source.n_closed for source in sources if source.n_given)


def test_the_earliest_recordings_come_first() -> None:
    engine = SlowEngine()
    plan = play.plan(lambda: play.CutEach(100))
    events = list(run(engine, [Source(40 * SECOND) for _ in range(6)], plan, 4))
    engine.close()
    order = [event[0] for event in events if isinstance(event, tuple)]
    assert {0, 1} == set(order[:2])
    assert {4, 5} == set(order[-2:])


def test_a_slow_consumer_does_not_stop_the_work() -> None:
    engine = silent()
    events = iter(run(engine, [Source(SECOND) for _ in range(6)], play.plan(play_cutter), 4))
    next(events)
    deadline = time.monotonic() + 5
    while len(engine.log) < 3 * 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(engine.log) == 3 * 6, "all six are done before the second event is asked for"
    events.close()


def play_cutter() -> play.CutEach:
    return play.CutEach(100)


def test_silence_between_regions_counts_as_done() -> None:
    regions = (
        Region(start=100, stop=200, speech=((120, 180),)),
        Region(start=5000, stop=5100, speech=((5000, 5100),)),
    )
    script = Script(regions, (300, 5200))
    events = list(run(silent(), [Source(70 * SECOND)], play.plan(script)))
    check_events(events, 1)
    found = transcripts(events)[0]
    assert [(s.start, s.end) for s in found.segments] == [(1, 2), (50, 51)]
    assert found.duration == 70
