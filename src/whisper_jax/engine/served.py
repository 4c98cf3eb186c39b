"""A pool with its plan and the requests in it: one model on one engine's thread."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from whisper_jax.engine.pool import Pool
from whisper_jax.engine.scheduler import Batch, Kind, Resize, Scheduler, Slot, Steps, Ticket, Work
from whisper_jax.requests import Encode, EngineRequest, EngineResult

type Reply = Callable[[EngineResult | Exception], None]
"""Called once, on the engine's thread, with the answer or with the reason there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolStatus:
    """What goes on in the slots of a model.

    Attributes:
        n_slots: Slots there is memory taken for now.
        n_windows: Windows in slots.
        n_waiting: Windows that wait for a slot.
    """

    n_slots: int = 0
    n_windows: int = 0
    n_waiting: int = 0

    def __add__(self, other: "PoolStatus") -> "PoolStatus":
        """Of both together."""
        return PoolStatus(
            n_slots=self.n_slots + other.n_slots,
            n_windows=self.n_windows + other.n_windows,
            n_waiting=self.n_waiting + other.n_waiting,
        )


@dataclass(frozen=True, slots=True)
class Pending:
    """A request that waits for its answer."""

    request: EngineRequest
    reply: Reply


@dataclass
class Served:
    """A pool with its plan and the requests in it.

    Attributes:
        pool: The device's side.
        scheduler: The plan.
        pending: Requests not answered yet, by the number of their ticket.
        windows: What each program has in its slot, to be encoded again if the pool is lost.
        last_turn: Number of the turn in which it was worked for last.
    """

    pool: Pool
    scheduler: Scheduler
    pending: dict[int, Pending] = field(default_factory=dict[int, Pending])
    windows: dict[int, Encode] = field(default_factory=dict[int, Encode])
    last_turn: int = -1

    def run(self, work: Work) -> list[tuple[Ticket, EngineResult]]:
        """Do the work; the requests that are answered by it."""
        pool = self.pool
        match work:
            case Resize():
                finished = pool.resize(work.n_slots, work.moves)
            case Steps():
                finished = pool.run(work.slots)
            case Batch():
                return self._run_batch(work)
        return [(self.scheduler.finish(slot), result) for slot, result in finished]

    def _run_batch(self, work: Batch) -> list[tuple[Ticket, EngineResult]]:
        """One call for requests of a kind; their answers, but decoding is only begun."""
        items: list[tuple[Slot, Any]] = [
            (slot, self.pending[ticket.number].request) for ticket, slot in work.items
        ]
        match work.kind:
            case Kind.ENCODE:
                results = self.pool.encode(items)
            case Kind.LANGUAGE:
                results = self.pool.detect_language(items)
            case Kind.ALIGN:
                results = self.pool.align(items)
            case Kind.DECODE:
                self.pool.prefill(items)
                return []
        return [(ticket, result) for (ticket, _), result in zip(work.items, results, strict=True)]

    @property
    def status(self) -> PoolStatus:
        """What goes on in its slots; for any thread."""
        plan = self.scheduler
        return PoolStatus(
            n_slots=plan.n_slots * plan.n_shards,
            n_windows=plan.n_owned,
            n_waiting=plan.n_waiting,
        )
