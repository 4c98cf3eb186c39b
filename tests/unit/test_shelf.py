"""`Models`: loading on demand, use and memory, with tiny models in place of published ones."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from letters import letter_tokenizer

from whisper_jax import shelf
from whisper_jax.engine.memory import memory_plan
from whisper_jax.engine.policy import CPU
from whisper_jax.engine.weights import PreparedWeights
from whisper_jax.errors import (
    DownloadError,
    EngineClosedError,
    ModelBusyError,
    ModelError,
    OptionError,
    UnknownModelError,
)
from whisper_jax.shelf import Models, ModelStatus
from whisper_jax.types import Transcript

PLAN = memory_plan(tiny.DIMS, tiny.FLOAT32, CPU)
LEAST = PLAN.total(2) + 4 * PLAN.window
"""What a tiny model takes with the fewest slots; two lanes with two slots for guests each."""


class Loads:
    """Counts loads, and may hold them up or let them fail."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.failure: Exception | None = None

    def resolve_model(self, name: str, **_: object) -> Path:
        self.names.append(name)
        assert self.may_go_on.wait(10)
        if self.failure is not None:
            raise self.failure
        return Path(name)


class NothingAhead:
    """No programs are read ahead."""

    def expect(self, *_: object, **__: object) -> None:
        """Do nothing."""


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    made = Loads()
    weights = PreparedWeights(
        dims=tiny.DIMS, folder=None, heads=None, params=tiny.params(), was_kept=False
    )
    monkeypatch.setattr(shelf, "resolve_model", made.resolve_model)
    monkeypatch.setattr(shelf, "prepare_weights", lambda *_: weights)
    monkeypatch.setattr(shelf, "load_tokenizer", lambda *_: letter_tokenizer())
    monkeypatch.setattr(shelf, "put_model", lambda *_: ([tiny.programs()], NothingAhead()))
    monkeypatch.setattr(shelf, "n_lanes_on", lambda *_: 2)
    return made


type Make = Callable[..., Models]


@pytest.fixture
def make(loads: Loads) -> Iterator[Make]:
    made: list[Models] = []

    def make(*names: str, **options: object) -> Models:
        made.append(Models(names, compute_type="float32", **options))  # pyright: ignore[reportArgumentType]
        return made[-1]

    yield make
    for models in made:
        models.close()


def states(models: Models) -> list[str]:
    return [status.state for status in models.status()]


def test_models_are_loaded_when_they_are_used(make: Make, loads: Loads) -> None:
    models = make("a", "b", "a", memory_bytes=100 * LEAST)
    assert models.names == ("a", "b")
    assert states(models) == ["unloaded", "unloaded"]
    with models.use("b") as model:
        assert model.name == "b"
        assert models.status()[1].n_users == 1
    with models.use("b") as again:
        assert again is model
    assert states(models) == ["unloaded", "loaded"]
    assert loads.names == ["b"]
    assert models.status()[1].n_users == 0
    with pytest.raises(UnknownModelError, match="there are: a, b"), models.use("c"):
        pass


def test_two_models_transcribe_at_once_on_one_engine(make: Make) -> None:
    models = make("a", "b", memory_bytes=100 * LEAST)
    noise = tiny.noise(1, 500)[:80_000]
    options = {"language": "en", "beam_size": 1, "temperature": 0, "max_new_tokens": 8}

    def transcribe(name: str) -> str:
        with models.use(name) as model:
            *_, last = model.follow(noise, owner=name, vad_filter=False, **options)
            assert isinstance(last, Transcript)
            return repr(last)

    with ThreadPoolExecutor(4) as threads:
        texts = list(threads.map(transcribe, "abab"))
    assert len(set(texts)) == 1, "it is the same model under two names"
    for status in models.status():
        assert status.counts.windows == 2
        assert status.counts.frames == 1000
        assert (status.n_windows, status.n_waiting) == (0, 0)
        assert status.n_slots > 0


def test_who_asks_meanwhile_waits_for_the_same_load(make: Make, loads: Loads) -> None:
    models = make("a", memory_bytes=LEAST)
    loads.may_go_on.clear()

    def use() -> int:
        with models.use("a") as model:
            return id(model)

    with ThreadPoolExecutor(5) as threads:
        asked = [threads.submit(use) for _ in range(5)]
        while models.status()[0].n_users < 5:
            threading.Event().wait(0.01)
        assert states(models) == ["loading"]
        loads.may_go_on.set()
        assert len({one.result(10) for one in asked}) == 1
    assert loads.names == ["a"]


def test_a_load_that_failed_is_an_error_for_all_who_asked_and_can_be_tried_again(
    make: Make, loads: Loads
) -> None:
    models = make("a", memory_bytes=LEAST)
    loads.may_go_on.clear()
    loads.failure = DownloadError("the hub is down")

    def use() -> None:
        with models.use("a"):
            raise AssertionError

    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(use) for _ in range(3)]
        while models.status()[0].n_users < 3:
            threading.Event().wait(0.01)
        loads.may_go_on.set()
        for one in asked:
            with pytest.raises(DownloadError, match="the hub is down"):
                one.result(10)
    (status,) = models.status()
    assert (status.state, status.n_users, status.memory_bytes) == ("unloaded", 0, 0)
    loads.failure = None
    with models.use("a"):
        assert states(models) == ["loaded"]


def test_the_model_unused_for_longest_makes_room(make: Make, loads: Loads) -> None:
    models = make("a", "b", "c", memory_bytes=2 * LEAST)
    for name in "abac":
        with models.use(name):
            pass
    assert states(models) == ["loaded", "unloaded", "loaded"]
    with models.use("b"), models.use("c"):
        assert states(models) == ["unloaded", "loaded", "loaded"]
    assert loads.names == ["a", "b", "c", "b"]


def test_what_was_done_before_is_counted_after_a_model_came_back(make: Make) -> None:
    models = make("a", "b", memory_bytes=LEAST)
    with models.use("a") as model:
        model._counts[0].frames = 700
    with models.use("b"):
        assert models.status()[0].counts.frames == 700
    with models.use("a") as model:
        model._counts[1].frames = 50
        assert models.status()[0].counts.frames == 750


def test_a_model_in_use_is_never_evicted_and_who_needs_its_memory_waits(make: Make) -> None:
    models = make("a", "b", memory_bytes=LEAST)
    with models.use("a"):
        with pytest.raises(ModelBusyError, match="try again later"), models.use("b", wait_s=0.1):
            pass
        assert states(models) == ["loaded", "unloaded"]
    in_use, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with models.use("a") as model:
            in_use.set()
            assert may_end.wait(10)
            assert model.transcribe(np.zeros(0, np.float32)).text == ""

    def wait() -> list[str]:
        with models.use("b"):
            return states(models)

    with ThreadPoolExecutor(2) as threads:
        held = threads.submit(hold)
        assert in_use.wait(10)
        waiting = threads.submit(wait)
        assert not threading.Event().wait(0.2)
        assert not waiting.done()
        may_end.set()
        held.result(10)
        assert waiting.result(10) == ["unloaded", "loaded"]


def test_who_waited_long_is_let_in_before_others_go_on(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "_PATIENCE_S", 0.05)
    models = make("a", "b", memory_bytes=LEAST)
    stop = threading.Event()

    def keep_using() -> None:
        # Two of these overlap: the model is never idle by itself.
        while not stop.is_set():
            with models.use("a"):
                threading.Event().wait(0.05)

    with ThreadPoolExecutor(3) as threads:
        busy = [threads.submit(keep_using) for _ in range(3)]
        while states(models)[0] != "loaded":
            threading.Event().wait(0.01)
        with models.use("b", wait_s=20):
            assert states(models)[1] == "loaded"
            stop.set()
        for one in busy:
            one.result(20)


def test_each_model_gets_its_part_of_the_memory(make: Make) -> None:
    most = PLAN.total(8) + 4 * PLAN.window
    models = make("a", "b", memory_bytes=2 * most)
    with models.use("a"), models.use("b"):
        statuses = models.status()
    assert [status.most_windows for status in statuses] == [8, 8]
    assert [status.memory_bytes for status in statuses] == [most, most]
    (alone,) = make("a", memory_bytes=200 * most).status()
    assert alone.memory_bytes == 0
    models = make("a", batch_size=3, memory_bytes=200 * most)
    with models.use("a"):
        assert models.status()[0].most_windows == 3


def test_a_model_larger_than_the_memory_says_how_much_it_needs(make: Make) -> None:
    models = make("a", memory_bytes=LEAST - 1)
    with pytest.raises(ModelError, match=f"takes {LEAST // 1_000_000} MB"), models.use("a"):
        pass


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_models_take_no_more_than_the_memory_there_is(data: st.DataObject, make: Make) -> None:
    names = "abcd"[: data.draw(st.integers(1, 4))]
    memory_bytes = data.draw(st.integers(LEAST, 6 * LEAST))
    models = make(*names, memory_bytes=memory_bytes)
    held: list = []
    for _ in range(data.draw(st.integers(1, 12))):
        if held and data.draw(st.booleans()):
            held.pop(data.draw(st.integers(0, len(held) - 1)))[1].__exit__(None, None, None)
            continue
        name = data.draw(st.sampled_from(names))
        using = models.use(name, wait_s=0)
        in_use = {held_name for held_name, _ in held}
        try:
            using.__enter__()
        except ModelBusyError:
            assert name not in in_use
        else:
            held.append((name, using))
        by_name: dict[str, ModelStatus] = {status.name: status for status in models.status()}
        assert sum(status.memory_bytes for status in by_name.values()) <= memory_bytes
        assert all(by_name[name].state == "loaded" for name, _ in held)
        assert all(s.memory_bytes >= LEAST for s in by_name.values() if s.state == "loaded")
    for _, using in held:
        using.__exit__(None, None, None)
    assert all(status.n_users == 0 for status in models.status())
    models.close()


def test_closed_models_say_so(make: Make) -> None:
    models = make("a", memory_bytes=LEAST)
    with models.use("a") as model:
        models.close()
        with pytest.raises(EngineClosedError):
            model.transcribe(np.zeros(16_000, np.float32), vad_filter=False)
    with pytest.raises(EngineClosedError, match="have been closed"), models.use("a"):
        pass


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ((), {}, "give the name"),
        (("a",), {"memory_bytes": 0}, "1 or more"),
        (("a",), {"batch_size": 0}, "1 or more"),
        (("a",), {"device": "abacus"}, "no device 'abacus'"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    make: Make, names: tuple[str, ...], options: dict, message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        make(*names, **options)


def test_the_devices_of_a_cpu_share_its_memory() -> None:
    from whisper_jax.engine.memory import usable_bytes

    cpu, gpu = (type("Device", (), {"platform": name})() for name in ("cpu", "cuda"))
    assert usable_bytes([cpu, cpu], 100) == 50
    assert usable_bytes([gpu, gpu], 100) == 100
