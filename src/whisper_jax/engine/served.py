"""A pool with its plan and the requests in it: one model on one engine's thread."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from whisper_jax.engine.pool import Pool
from whisper_jax.engine.scheduler import Batch, Kind, Resize, Scheduler, Steps, Ticket, Work
from whisper_jax.requests import Align, Decode, DetectLanguage, Encode, EngineRequest, EngineResult

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
            case Batch(Kind.DECODE):
                pool.prefill([(slot, cast(Decode, self.request(t))) for t, slot in work.items])
                return []
            case Batch(Kind.ENCODE):
                encoded = pool.encode(
                    [(slot, cast(Encode, self.request(t))) for t, slot in work.items]
                )
                return [(t, result) for (t, _), result in zip(work.items, encoded, strict=True)]
            case Batch(Kind.ALIGN):
                texts = pool.align([(slot, cast(Align, self.request(t))) for t, slot in work.items])
                return [(t, result) for (t, _), result in zip(work.items, texts, strict=True)]
            case Batch():
                scores = pool.detect_language(
                    [(slot, cast(DetectLanguage, self.request(t))) for t, slot in work.items]
                )
                return [(t, result) for (t, _), result in zip(work.items, scores, strict=True)]
        return [(self.scheduler.finish(slot), result) for slot, result in finished]

    def request(self, ticket: Ticket) -> EngineRequest:
        """What a ticket stands for."""
        return self.pending[ticket.number].request

    @property
    def status(self) -> PoolStatus:
        """What goes on in its slots; for any thread."""
        plan = self.scheduler
        return PoolStatus(
            n_slots=plan.n_slots * plan.n_shards,
            n_windows=plan.n_owned,
            n_waiting=plan.n_waiting,
        )
