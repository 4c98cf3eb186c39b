"""Which request goes to which slot, and what the device does next: plain Python on integers.

One scheduler serves one pool of slots. It knows nothing of audio, tokens or JAX: it is told of
requests and of rows that finished, and answers `next_work`. A slot is addressed as (shard,
index); shards are kept level, and the pool is as large as the smallest bucket of slots that holds
the windows owned.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from whisper_jax.requests import Origin

_MOST_OWNERS = 256
"""Owners whose last turn is remembered; a server meets new ones all the time."""


@dataclass(frozen=True, order=True, slots=True)
class Slot:
    """Where a window lives: a shard of the pool, and an index within it."""

    shard: int
    index: int


class Kind(Enum):
    """What a request wants of the device."""

    ENCODE = "encode"
    LANGUAGE = "language"
    DECODE = "decode"
    ALIGN = "align"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request as the scheduler sees it.

    Attributes:
        number: The request's own number.
        origin: Whose it is.
        kind: What it wants.
        bucket: Requests of one kind with equal buckets may share a call (lengths of windows and
            of prompts).
    """

    number: int
    origin: Origin
    kind: Kind
    bucket: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Do these requests in one call; each has its slot."""

    kind: Kind
    bucket: int
    items: tuple[tuple[Ticket, Slot], ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """Run decode steps over the whole pool; rows of these slots are active."""

    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Resize:
    """Make the pool ``n_slots`` a shard; every owned slot moves as told, old to new."""

    n_slots: int
    moves: tuple[tuple[Slot, Slot], ...]


type Work = Batch | Steps | Resize


@dataclass(frozen=True, slots=True)
class Claim:
    """Who wants the work that would be next.

    Attributes:
        priority: The highest of their priorities.
        owners: They, and on how many windows of each the device would work.
    """

    priority: int
    owners: Counter[str]


@dataclass
class _Owned:
    """A window in a slot: its program's origin, and the decode that is running in it."""

    origin: Origin
    decoding: Ticket | None = None


class LostWindowError(Exception):
    """A request needs a window in a slot, and its program owns none."""


@dataclass
class Scheduler:
    """The plan of one pool.

    Attributes:
        slot_buckets: Allowed numbers of slots a shard, rising; the last is the pool's limit.
        n_shards: Shards of the pool.
        batch_limits: Most requests a shard in one call, by kind.
        patience: Calls of steps with slots to spare before the pool shrinks: a program between
            two windows owns none for a moment.
    """

    slot_buckets: tuple[int, ...]
    n_shards: int
    batch_limits: dict[Kind, int]
    patience: int = 4
    n_slots: int = field(default=0, init=False)
    _owned: dict[Slot, _Owned] = field(default_factory=dict[Slot, _Owned], init=False)
    _slot_of: dict[int, Slot] = field(default_factory=dict[int, Slot], init=False)
    _waiting: dict[Kind, list[Ticket]] = field(
        default_factory=lambda: {kind: [] for kind in Kind}, init=False
    )
    _served: dict[str, int] = field(default_factory=dict[str, int], init=False)
    _slack_calls: int = field(default=0, init=False)
    _clock: "itertools.count[int]" = field(default_factory=itertools.count, init=False)

    def submit(self, ticket: Ticket) -> None:
        """Queue a request.

        Raises:
            LostWindowError: It needs a window, and its program owns none.
        """
        program = ticket.origin.program
        if ticket.kind is Kind.ENCODE:
            self._free(program)
        elif program not in self._slot_of:
            raise LostWindowError
        self._waiting[ticket.kind].append(ticket)

    def withdraw(self, program: int) -> list[Ticket]:
        """Free the program's slot and forget its requests; returns those not answered."""
        dropped: list[Ticket] = []
        for kind, queue in self._waiting.items():
            dropped += [ticket for ticket in queue if ticket.origin.program == program]
            self._waiting[kind] = [t for t in queue if t.origin.program != program]
        running = self._free(program)
        return dropped + ([running] if running else [])

    def finish(self, slot: Slot) -> Ticket:
        """The decode in this slot is done: the window stays. Returns its ticket."""
        owned = self._owned[slot]
        ticket = owned.decoding
        if ticket is None:
            raise ValueError(f"nothing is being decoded in {slot}")
        owned.decoding = None
        return ticket

    def reset(self) -> list[Ticket]:
        """The pool's memory is lost: forget every window; returns the requests not answered."""
        dropped = [ticket for queue in self._waiting.values() for ticket in queue]
        dropped += [owned.decoding for owned in self._owned.values() if owned.decoding]
        self._waiting = {kind: [] for kind in Kind}
        self._owned.clear()
        self._slot_of.clear()
        self.n_slots = 0
        return dropped

    def halve(self) -> int | None:
        """Allow half as many slots from now on; how many a shard, or None if there is no fewer.

        To be called after `reset`: windows in slots are not moved.
        """
        fewer = tuple(size for size in self.slot_buckets if 2 * size <= self.slot_buckets[-1])
        if not fewer:
            return None
        self.slot_buckets = fewer
        return fewer[-1]

    def slot_of(self, program: int) -> Slot | None:
        """Where the program's window is, if it has one."""
        return self._slot_of.get(program)

    @property
    def n_owned(self) -> int:
        """Windows in slots."""
        return len(self._owned)

    @property
    def n_waiting(self) -> int:
        """Windows that wait for a slot."""
        return len(self._waiting[Kind.ENCODE])

    def claim(self) -> Claim | None:
        """Who wants the work that would be next; None if there is none."""
        kind = self._next_kind()
        if kind is None:
            origins = [ticket.origin for ticket in self._decoding().values()]
        else:
            origins = [next(self._in_order(kind)).origin]
        if not origins:
            return None
        priority = max(origin.priority for origin in origins)
        return Claim(priority, Counter(origin.owner for origin in origins))

    def next_work(self) -> Work | None:
        """What the device should do now; None if nobody wants anything.

        Rank decides first (`Origin.rank`), unless it would keep an owner from the slots that are
        its share. Among equals what lets more rows decode together comes first: windows into free
        slots, then language, prompts, alignment, then steps.
        """
        kind = self._next_kind()
        if kind is None:
            decoding = tuple(sorted(self._decoding()))
            if not decoding:
                return None
            return self._shrink() or Steps(decoding)
        if kind is Kind.ENCODE:
            # Room for those of lower rank is made when it is their turn: steps of few slots are
            # shorter.
            wanted = min(self.n_owned + self._n_of_top_rank(kind), self._most_slots())
            if self._bucket_for(wanted) > self.n_slots:
                return self._resize(wanted)
            return self._encode_batch()
        return self._in_place_batch(kind)

    def _next_kind(self) -> Kind | None:
        """The kind of request to serve now; None for decode steps, or for nothing."""
        ready = [kind for kind in Kind if self._waiting[kind]]
        if Kind.ENCODE in ready and len(self._owned) >= self._most_slots():
            ready.remove(Kind.ENCODE)
        if not ready:
            return None
        best = max(ready, key=lambda kind: self._top_rank(self._waiting[kind]))
        first = next(self._in_order(best)).origin
        slots = self._slots_of_owners()
        if any(_waits_for(first, t.origin, slots) for t in self._decoding().values()):
            return None
        return best

    def _encode_batch(self) -> Batch:
        items: list[tuple[Ticket, Slot]] = []
        free = self._free_slots()
        in_shard: Counter[int] = Counter()
        bucket: int | None = None
        for ticket in self._in_order(Kind.ENCODE):
            bucket = ticket.bucket if bucket is None else bucket
            if ticket.bucket != bucket:
                continue
            open_slots = [s for s in free if in_shard[s.shard] < self.batch_limits[Kind.ENCODE]]
            if not open_slots:
                break
            slot = min(open_slots, key=lambda s: (self._load(s.shard), s))
            free.remove(slot)
            in_shard[slot.shard] += 1
            self._owned[slot] = _Owned(ticket.origin)
            self._slot_of[ticket.origin.program] = slot
            self._note_served(ticket.origin.owner)
            items.append((ticket, slot))
        self._drop_served(Kind.ENCODE, items)
        return Batch(Kind.ENCODE, bucket or 0, tuple(items))

    def _in_place_batch(self, kind: Kind) -> Batch:
        """Requests on windows that are in their slots already: language, prompts, alignment."""
        queue = list(self._in_order(kind))
        bucket = queue[0].bucket
        items: list[tuple[Ticket, Slot]] = []
        in_shard: Counter[int] = Counter()
        for ticket in queue:
            slot = self._slot_of[ticket.origin.program]
            if ticket.bucket != bucket or in_shard[slot.shard] >= self.batch_limits[kind]:
                continue
            in_shard[slot.shard] += 1
            items.append((ticket, slot))
            if kind is Kind.DECODE:
                self._owned[slot].decoding = ticket
        self._drop_served(kind, items)
        return Batch(kind, bucket, tuple(items))

    def _in_order(self, kind: Kind) -> Iterator[Ticket]:
        """By priority; then fewest slots of the owner, who leads, longest not served, arrival."""
        slots = self._slots_of_owners()

        def place(ticket: Ticket) -> tuple[int, int, bool, int, int]:
            origin = ticket.origin
            turn = self._served.get(origin.owner, -1)
            return -origin.priority, slots[origin.owner], not origin.leads, turn, ticket.number

        waiting = list(self._waiting[kind])
        while waiting:
            # Each one taken counts for its owner before the next is chosen.
            first = min(waiting, key=place)
            waiting.remove(first)
            slots[first.origin.owner] += 1
            yield first

    def _note_served(self, owner: str) -> None:
        self._served.pop(owner, None)
        self._served[owner] = next(self._clock)
        if len(self._served) > _MOST_OWNERS:
            del self._served[next(iter(self._served))]  # the one not served for longest

    def _slots_of_owners(self) -> Counter[str]:
        return Counter(owned.origin.owner for owned in self._owned.values())

    def _shrink(self) -> Resize | None:
        has_slack = self._bucket_for(self.n_owned) < self.n_slots
        self._slack_calls = self._slack_calls + 1 if has_slack else 0
        return self._resize(self.n_owned) if self._slack_calls > self.patience else None

    def _resize(self, n_windows: int) -> Resize | None:
        """The step to the bucket for so many windows, or None if the pool has that size."""
        n_slots = self._bucket_for(n_windows)
        if n_slots == self.n_slots:
            return None
        moves: list[tuple[Slot, Slot]] = []
        for shard in range(self.n_shards):
            old = sorted(slot for slot in self._owned if slot.shard == shard)
            moves += [(slot, Slot(shard, index)) for index, slot in enumerate(old)]
        self._owned = {new: self._owned[old] for old, new in moves}
        self._slot_of = {owned.origin.program: slot for slot, owned in self._owned.items()}
        self.n_slots = n_slots
        self._slack_calls = 0
        return Resize(n_slots, tuple(moves))

    def _bucket_for(self, n_windows: int) -> int:
        """Slots a shard for so many windows; never fewer than the fullest shard holds."""
        fullest = max((self._load(shard) for shard in range(self.n_shards)), default=0)
        needed = max(fullest, -(-n_windows // self.n_shards))
        return next((size for size in self.slot_buckets if size >= needed), self.slot_buckets[-1])

    def _most_slots(self) -> int:
        return self.slot_buckets[-1] * self.n_shards

    def _free_slots(self) -> list[Slot]:
        every = (Slot(s, i) for s in range(self.n_shards) for i in range(self.n_slots))
        return [slot for slot in every if slot not in self._owned]

    def _load(self, shard: int) -> int:
        return sum(slot.shard == shard for slot in self._owned)

    def _decoding(self) -> dict[Slot, Ticket]:
        return {s: owned.decoding for s, owned in self._owned.items() if owned.decoding}

    def _n_of_top_rank(self, kind: Kind) -> int:
        waiting = self._waiting[kind]
        top = self._top_rank(waiting)
        return sum(ticket.origin.rank == top for ticket in waiting)

    @staticmethod
    def _top_rank(tickets: Iterable[Ticket]) -> tuple[int, bool]:
        return max(ticket.origin.rank for ticket in tickets)

    def _drop_served(self, kind: Kind, items: list[tuple[Ticket, Slot]]) -> None:
        served = {ticket.number for ticket, _ in items}
        self._waiting[kind] = [t for t in self._waiting[kind] if t.number not in served]

    def _free(self, program: int) -> Ticket | None:
        slot = self._slot_of.pop(program, None)
        return self._owned.pop(slot).decoding if slot is not None else None


def _waits_for(waiting: Origin, decoding: Origin, slots: Counter[str]) -> bool:
    """Whether a request is held back until a text that is being decoded is done."""
    if decoding.rank <= waiting.rank:
        return False
    if decoding.priority > waiting.priority or decoding.owner == waiting.owner:
        return True
    # Owners whose calls follow one another closely would keep others out for ever.
    return slots[decoding.owner] <= slots[waiting.owner]
