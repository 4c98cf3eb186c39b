"""Several live streams on the workers that they share, whatever one of them sends."""

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from letters import letter_tokenizer
from numpy.typing import NDArray

from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import CancelledError
from whisper_jax.stream import live as live_module
from whisper_jax.stream.events import LiveEvent, StreamEnded
from whisper_jax.stream.live import Live

N_MANY_S = 60


class Looks:
    """Takes the place of `VoiceActivity`: hears nothing, and keeps who looked at how much.

    Streams are told apart by the value of their samples.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.is_looking = threading.Semaphore(0)
        self.log: list[tuple[float, int]] = []

    def __call__(self, n_steps: int) -> "Looks":
        return self

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        self.is_looking.release()
        assert self.gate.wait(20)
        self.log.append((float(samples[0]), len(samples)))
        return np.zeros(0, np.float32)

    def finish(self) -> NDArray[np.float32]:
        return np.zeros(0, np.float32)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    found = Looks()
    monkeypatch.setattr(live_module, "VoiceActivity", found)
    return found


def a_live() -> Live:
    model: Any = SimpleNamespace(tokenizer=letter_tokenizer())
    return Live(model)


def sound(seconds: float, value: float) -> NDArray[np.float32]:
    return np.full(round(seconds * SAMPLE_RATE), value, np.float32)


class Ending:
    """Knows when a stream has ended, and why."""

    def __init__(self) -> None:
        self.is_over = threading.Event()
        self.error: Exception | None = None

    def __call__(self, event: LiveEvent) -> None:
        if isinstance(event, StreamEnded):
            self.error = event.error
            self.is_over.set()


def test_minutes_that_are_sent_at_once_hold_up_no_other_stream(looks: Looks) -> None:
    endings = [Ending() for _ in range(3)]
    with a_live() as live:
        first, second, quiet = (live.open(ending) for ending in endings)
        for number, stream in enumerate((first, second), start=1):
            stream.send(sound(N_MANY_S, number))
        for _ in range(2):
            assert looks.is_looking.acquire(timeout=20)  # both workers are at work
        quiet.send(sound(0.5, 3))
        looks.gate.set()
        for stream in (first, second, quiet):
            stream.finish()
        assert all(ending.is_over.wait(20) for ending in endings)
    assert max(n_samples for _, n_samples in looks.log) <= SAMPLE_RATE
    # Each of the two has looked at what it had in hand, and perhaps at one more piece.
    assert looks.log.index((3.0, SAMPLE_RATE // 2)) <= 4
    for number in (1.0, 2.0):
        assert sum(n for value, n in looks.log if value == number) == N_MANY_S * SAMPLE_RATE


def test_messages_that_wait_in_line_do_so_for_one_another(looks: Looks) -> None:
    """A stream that is always sent more than has been looked at does not keep its worker."""
    endings = [Ending() for _ in range(3)]
    with a_live() as live:
        streams = [live.open(ending) for ending in endings]
        for number, stream in enumerate(streams, start=1):
            for _ in range(20):
                stream.send(sound(0.1, number))
        looks.gate.set()
        for stream in streams:
            stream.finish()
        assert all(ending.is_over.wait(20) for ending in endings)
    third = [place for place, (value, _) in enumerate(looks.log) if value == 3.0]
    assert third[0] <= 4
    assert third[9] <= 35  # of 60, when all three take turns


def test_a_stream_that_is_closed_with_much_to_look_at_ends(looks: Looks) -> None:
    ending = Ending()
    live = a_live()
    stream = live.open(ending)
    stream.send(sound(N_MANY_S, 1))
    assert looks.is_looking.acquire(timeout=20)
    closing = threading.Thread(target=live.close)
    closing.start()
    while not live._workers._shutdown:
        threading.Event().wait(0.01)
    looks.gate.set()
    closing.join(20)
    assert ending.is_over.wait(20)
    assert isinstance(ending.error, CancelledError)
    with pytest.raises(ValueError, match="finished"):
        stream.send(sound(1, 1))
