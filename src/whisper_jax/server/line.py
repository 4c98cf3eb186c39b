"""Who is next: places for requests that are transcribed, and a fair line for those that wait."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import final

from whisper_jax.server.errors import ApiError

_RETRY_AFTER_S = 5


@dataclass(eq=False)
class Ticket:
    """A request's place in the line.

    Attributes:
        owner: Whose request it is.
        is_running: Whether it has been let in.
        changed: Set whenever its position may have changed.
    """

    owner: str
    is_running: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class _Owner:
    """One owner's requests.

    Attributes:
        n_arriving: Being uploaded.
        waiting: Uploaded, in order.
        running: Let in.
        last_turn: When one was let in last, by the count of all that were.
    """

    n_arriving: int = 0
    waiting: deque[Ticket] = field(default_factory=deque[Ticket])
    running: set[Ticket] = field(default_factory=set[Ticket])
    last_turn: int = 0


@final
class Line:
    """Places and waiting requests of all owners. To be used on one event loop.

    A place that falls free goes to the owner who has the fewest, and among equals to the one
    who has waited for a turn longest. Nobody has all places: some are kept for owners to come, so
    that a request of theirs need not wait for the end of somebody's hours of audio.
    """

    def __init__(self, *, max_running: int, max_waiting: int, max_waiting_per_owner: int) -> None:
        self._max_running = max_running
        self._max_per_owner = max(1, max_running - max(1, max_running // 4))
        self._max_waiting = max_waiting
        self._max_waiting_per_owner = max_waiting_per_owner
        self._owners: dict[str, _Owner] = {}
        self._n_turns = 0

    @property
    def n_arriving(self) -> int:
        """Requests that are being uploaded."""
        return sum(owner.n_arriving for owner in self._owners.values())

    @property
    def n_waiting(self) -> int:
        """Requests that wait for a place."""
        return sum(len(owner.waiting) for owner in self._owners.values())

    @property
    def n_running(self) -> int:
        """Requests that have a place."""
        return sum(len(owner.running) for owner in self._owners.values())

    def arrive(self, name: str) -> None:
        """Count a request that is about to be uploaded; `leave_arrival` or `join` ends it.

        Raises:
            ApiError: Too many are in the line already.
        """
        owner = self._owners.setdefault(name, _Owner())
        if owner.n_arriving + len(owner.waiting) >= self._max_waiting_per_owner:
            self._forget(name)
            raise ApiError(
                429,
                f"{self._max_waiting_per_owner} requests of yours are waiting already; wait for "
                "the answer to one of them",
                code="too_many_waiting",
                retry_after_s=_RETRY_AFTER_S,
            )
        if self.n_arriving + self.n_waiting >= self._max_waiting:
            self._forget(name)
            raise ApiError(
                503,
                "too many requests are waiting; try again later",
                code="overloaded",
                retry_after_s=_RETRY_AFTER_S,
            )
        owner.n_arriving += 1

    def leave_arrival(self, name: str) -> None:
        """An upload has ended, well or not."""
        self._owners[name].n_arriving -= 1
        self._forget(name)

    def join(self, name: str) -> Ticket:
        """Wait for a place, or take one at once if there is one."""
        ticket = Ticket(owner=name)
        self._owners.setdefault(name, _Owner()).waiting.append(ticket)
        self._admit()
        return ticket

    async def positions(self, ticket: Ticket) -> AsyncIterator[int]:
        """How many requests go before it, and itself: whenever that changes, until it is let in."""
        told = 0
        while not ticket.is_running:
            # Cleared before it is looked at: what changes from here on is not missed.
            ticket.changed.clear()
            position = self._position(ticket)
            if position != told:
                told = position
                yield position
            await ticket.changed.wait()

    def leave(self, ticket: Ticket) -> None:
        """It is done, or given up; a second call does nothing."""
        owner = self._owners.get(ticket.owner)
        if owner is None:
            return
        owner.running.discard(ticket)
        if ticket in owner.waiting:
            owner.waiting.remove(ticket)
        self._forget(ticket.owner)
        self._admit()

    def _position(self, ticket: Ticket) -> int:
        """The place in the line if all owners take turns."""
        index = self._owners[ticket.owner].waiting.index(ticket)
        others = (owner for name, owner in self._owners.items() if name != ticket.owner)
        return index + 1 + sum(min(index, len(owner.waiting)) for owner in others)

    def _admit(self) -> None:
        while self.n_running < self._max_running:
            ready = [
                owner
                for owner in self._owners.values()
                if owner.waiting and len(owner.running) < self._max_per_owner
            ]
            if not ready:
                break
            owner = min(ready, key=lambda owner: (len(owner.running), owner.last_turn))
            ticket = owner.waiting.popleft()
            ticket.is_running = True
            owner.running.add(ticket)
            self._n_turns += 1
            owner.last_turn = self._n_turns
        for owner in self._owners.values():
            for ticket in (*owner.waiting, *owner.running):
                ticket.changed.set()

    def _forget(self, name: str) -> None:
        """Keep nothing of an owner who has nothing here."""
        owner = self._owners[name]
        if not (owner.n_arriving or owner.waiting or owner.running):
            del self._owners[name]
