"""The line of requests: fair, bounded, and forgetful."""

import asyncio

import pytest

from whisper_jax.server.errors import ApiError
from whisper_jax.server.line import Line, Ticket


def line(max_running: int = 4, max_waiting: int = 100, each: int = 50) -> Line:
    return Line(max_running=max_running, max_waiting=max_waiting, max_waiting_per_owner=each)


def test_nobody_has_all_places():
    waiting = line(max_running=4)
    mine = [waiting.join("a") for _ in range(10)]
    assert [ticket.is_running for ticket in mine].count(True) == 3
    other = waiting.join("b")
    assert other.is_running


def test_a_single_place_is_anybodys():
    waiting = line(max_running=1)
    assert waiting.join("a").is_running


def test_a_free_place_goes_to_who_has_fewest():
    waiting = line(max_running=4)
    mine = [waiting.join("a") for _ in range(3)]
    more = waiting.join("a")
    others = [waiting.join("b") for _ in range(2)]
    assert [others[0].is_running, others[1].is_running, more.is_running] == [True, False, False]
    waiting.leave(mine[0])
    assert others[1].is_running
    assert not more.is_running


def test_owners_take_turns():
    waiting = line(max_running=1)
    first = waiting.join("a")
    tickets = [waiting.join(owner) for owner in "aaabbc"]
    order: list[str] = []
    running: Ticket = first
    while True:
        waiting.leave(running)
        ready = [ticket for ticket in tickets if ticket.is_running and ticket is not running]
        if not ready:
            break
        (running,) = ready
        tickets.remove(running)
        order.append(running.owner)
    assert sorted(order[:3]) == ["a", "b", "c"]
    assert sorted(order) == list("aaabbc")


def test_positions_are_told_as_they_change():
    async def told() -> list[int]:
        waiting = line(max_running=1)
        tickets = [waiting.join("a") for _ in range(3)]
        found: list[int] = []
        async for position in waiting.positions(tickets[2]):
            found.append(position)
            waiting.leave(tickets[len(found) - 1])
        return found

    assert asyncio.run(told()) == [2, 1]


def test_who_leaves_is_forgotten():
    waiting = line(max_running=1)
    tickets = [waiting.join(str(number)) for number in range(5)]
    for ticket in reversed(tickets):
        waiting.leave(ticket)
        waiting.leave(ticket)
    assert (waiting.n_waiting, waiting.n_running) == (0, 0)
    assert not vars(waiting)["_owners"]


def test_arrivals_count_as_waiting():
    waiting = line(each=2, max_waiting=3)
    waiting.arrive("a")
    waiting.arrive("a")
    with pytest.raises(ApiError) as caught:
        waiting.arrive("a")
    assert caught.value.status == 429
    waiting.arrive("b")
    with pytest.raises(ApiError) as caught:
        waiting.arrive("c")
    assert caught.value.status == 503
    waiting.leave_arrival("a")
    waiting.arrive("c")
