"""Device time shared out between owners, over made-up histories."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_jax.engine.shares import Shares

CREDIT_S = 2.0


def serve(shares: Shares, wanting: list[str], seconds: float) -> str:
    """Serve whoever had least of those who want something."""
    first = min(wanting, key=shares.had_s)
    shares.charge({first: 1}, seconds)
    return first


def test_who_comes_late_goes_first_and_is_soon_one_among_equals() -> None:
    shares = Shares(CREDIT_S)
    for _ in range(1000):
        serve(shares, ["job"], 0.5)
    order = [serve(shares, ["job", "guest"], 0.5) for _ in range(24)]
    assert order[:4] == ["guest"] * 4
    assert Counter(order[6:])["job"] == 9


def test_nobody_saves_time_up() -> None:
    shares = Shares(CREDIT_S)
    shares.charge({"early": 1}, 0.1)
    for _ in range(1000):
        shares.charge({"job": 1}, 0.5)
    assert shares.had_s("early") == shares.had_s("new") == 499.5 - CREDIT_S


def test_time_is_divided_by_windows() -> None:
    shares = Shares(CREDIT_S)
    shares.charge({"a": 3, "b": 1}, 8.0)
    assert (shares.had_s("a") - shares.had_s("b")) == 4.0
    shares.charge({}, 5.0)
    assert shares.had_s("a") == 6.0 - 0.0


def test_owners_who_left_are_forgotten() -> None:
    shares = Shares(CREDIT_S)
    for number in range(5000):
        shares.charge({f"call-{number}": 1, "job": 1}, 1.0)
    assert len(shares._had_s) < 300


@given(
    st.lists(st.tuples(st.integers(1, 7), st.floats(0.01, 1.0)), min_size=50, max_size=200),
)
def test_no_owner_waits_for_longer_than_its_credit_and_a_turn_of_each(
    turns: list[tuple[int, float]],
) -> None:
    # Owner 0 wants something all the time; of the others those whose bit is set.
    shares = Shares(CREDIT_S)
    waited_s = 0.0
    for others, seconds in turns:
        wanting = ["0", *(str(n) for n in range(1, 4) if others >> (n - 1) & 1)]
        served = serve(shares, wanting, seconds)
        waited_s = 0.0 if served == "0" else waited_s + seconds
        assert waited_s <= 3 * (CREDIT_S + 2 * 1.0)


def test_work_for_several_is_as_urgent_as_that_of_who_had_least() -> None:
    shares = Shares(CREDIT_S)
    shares.charge({"a": 1}, 3.0)
    shares.charge({"b": 1}, 5.0)
    assert shares.least_s(["a", "b"]) == pytest.approx(3.0)
