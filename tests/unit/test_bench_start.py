"""Starts are measured in turn, and the first of each is not counted."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from whisper_jax.bench.start import StartPlan, measure_starts
from whisper_jax.errors import OptionError


def plan(*, has_peer: bool = False) -> StartPlan:
    return StartPlan(
        file=Path("a.wav"),
        language="en",
        model="base",
        folder=Path("nowhere"),
        threads=2,
        n_runs=3,
        has_peer=has_peer,
    )


def test_the_first_turn_is_not_counted():
    calls: list[bool] = []

    def run(command: Sequence[str]) -> float:
        calls.append("--beam-size" in command)
        return float(len(calls))

    greedy, defaults = measure_starts(plan(), run)
    assert calls == [True, False] * 4
    assert (greedy.seconds, defaults.seconds) == ((3, 5, 7), (4, 6, 8))
    assert str(greedy).split() == ["whisper-jax", "greedy", "5.00", "s", "(3.00", "to", "7.00)"]


def test_the_peer_needs_weights_that_it_can_read():
    with pytest.raises(OptionError, match=r"model\.bin"):
        measure_starts(plan(has_peer=True), lambda _: 1.0)
