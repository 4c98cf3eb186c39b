"""The scheduler over thousands of made-up schedules, and a few told by hand."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper_jax.engine.scheduler import (
    Batch,
    Claim,
    Kind,
    LostWindowError,
    Resize,
    Scheduler,
    Slot,
    Steps,
    Ticket,
)
from whisper_jax.requests import Origin

LIMITS = {Kind.ENCODE: 2, Kind.LANGUAGE: 4, Kind.DECODE: 4, Kind.ALIGN: 3}


def scheduler(buckets: tuple[int, ...] = (2, 4, 8), n_shards: int = 1) -> Scheduler:
    return Scheduler(slot_buckets=buckets, n_shards=n_shards, batch_limits=LIMITS)


def origin(program: int, owner: str = "", priority: int = 0) -> Origin:
    return Origin(program=program, model="m", owner=owner, priority=priority)


@dataclass
class Client:
    """A program of a made-up schedule: what it asks for, one after the other."""

    origin: Origin
    script: list[Kind]
    bucket: int
    gives_up_after: int | None
    n_answers: int = 0
    waits: bool = False


@dataclass
class World:
    """A device that does as it is told, and the checks on what it is told."""

    plan: Scheduler
    clients: dict[int, Client]
    steps_needed: list[int]
    tickets: dict[int, Ticket] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)
    holds: dict[Slot, int] = field(default_factory=dict)
    rows: dict[Slot, int] = field(default_factory=dict)

    def play(self) -> None:
        for client in self.clients.values():
            self.ask(client)
        for _ in range(20_000):
            work = self.plan.next_work()
            if work is None:
                break
            self.do(work)
        assert self.plan.next_work() is None
        assert set(self.tickets) == self.answered
        assert all(client.n_answers == len(client.script) for client in self.clients.values())

    def ask(self, client: Client) -> None:
        program = client.origin.program
        if client.n_answers == client.gives_up_after:
            dropped = self.plan.withdraw(program)
            self.let_go(program)
            assert all(ticket.number not in self.answered for ticket in dropped)
            client.script = client.script[: client.n_answers]
        if client.n_answers == len(client.script):
            assert not self.plan.withdraw(program)
            self.let_go(program)
            return
        kind = client.script[client.n_answers]
        if kind is Kind.ENCODE:
            self.let_go(program)
        ticket = Ticket(len(self.tickets), client.origin, kind, client.bucket)
        self.tickets[ticket.number] = ticket
        self.plan.submit(ticket)

    def let_go(self, program: int) -> None:
        for slot in [slot for slot, holder in self.holds.items() if holder == program]:
            del self.holds[slot]
            self.rows.pop(slot, None)

    def answer(self, ticket: Ticket) -> None:
        assert ticket.number not in self.answered, "answered twice"
        self.answered.add(ticket.number)
        client = self.clients[ticket.origin.program]
        client.n_answers += 1
        self.ask(client)

    def do(self, work: Batch | Steps | Resize) -> None:
        match work:
            case Resize():
                moves = dict(work.moves)
                assert set(moves) == set(self.holds), "every window moves along"
                assert len(set(moves.values())) == len(moves), "two windows in one slot"
                assert all(new.index < work.n_slots for new in moves.values())
                assert all(new.shard == old.shard for old, new in work.moves)
                self.holds = {moves[slot]: program for slot, program in self.holds.items()}
                self.rows = {moves[slot]: left for slot, left in self.rows.items()}
            case Batch():
                self.do_batch(work)
            case Steps():
                assert set(work.slots) == set(self.rows), "all rows go on together"
                finished = []
                for slot in work.slots:
                    self.rows[slot] -= 1
                    if self.rows[slot] <= 0:
                        finished.append(slot)
                for slot in finished:
                    del self.rows[slot]
                    self.answer(self.plan.finish(slot))

    def do_batch(self, work: Batch) -> None:
        per_shard = [slot.shard for _, slot in work.items]
        assert work.items
        assert all(per_shard.count(shard) <= LIMITS[work.kind] for shard in per_shard)
        for ticket, slot in work.items:
            assert ticket.kind is work.kind
            assert slot.index < self.plan.n_slots
            if work.kind is Kind.ENCODE:
                assert slot not in self.holds, "a slot is never shared"
                assert ticket.origin.program not in self.holds.values()
                self.holds[slot] = ticket.origin.program
            else:
                assert self.holds[slot] == ticket.origin.program
                assert ticket.bucket == work.bucket
            if work.kind is Kind.DECODE:
                self.rows[slot] = self.steps_needed[ticket.number % len(self.steps_needed)]
        if work.kind is not Kind.DECODE:
            for ticket, _ in work.items:
                self.answer(ticket)


@st.composite
def clients(draw: st.DrawFn) -> dict[int, Client]:
    in_place = st.lists(st.sampled_from([Kind.LANGUAGE, Kind.DECODE, Kind.ALIGN]), max_size=3)
    made = {}
    for program in range(draw(st.integers(1, 14))):
        windows = draw(st.lists(in_place, min_size=1, max_size=3))
        script = [kind for window in windows for kind in (Kind.ENCODE, *window)]
        made[program] = Client(
            origin(program, draw(st.sampled_from("abc")), draw(st.integers(0, 2))),
            script,
            draw(st.sampled_from([4, 64])),
            draw(st.none() | st.integers(0, len(script))),
        )
    return made


@settings(max_examples=1000, deadline=None)
@given(
    clients(),
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
    st.sampled_from([(2,), (2, 4), (2, 4, 8)]),
    st.integers(1, 3),
)
def test_every_request_is_answered_once_and_no_slot_is_shared(
    made: dict[int, Client], steps: list[int], buckets: tuple[int, ...], n_shards: int
) -> None:
    World(scheduler(buckets, n_shards), made, steps).play()


def encode(plan: Scheduler, number: int, who: Origin) -> None:
    plan.submit(Ticket(number, who, Kind.ENCODE))


def next_batch(plan: Scheduler) -> Batch:
    work = plan.next_work()
    while isinstance(work, Resize):
        work = plan.next_work()
    assert isinstance(work, Batch)
    return work


def test_a_cancelled_program_frees_its_slot_for_the_next() -> None:
    plan = scheduler(buckets=(2,))
    for program in range(3):
        encode(plan, program, origin(program))
    assert [t.number for t, _ in next_batch(plan).items] == [0, 1]
    assert plan.next_work() is None, "no slot is left"
    plan.withdraw(0)
    ((ticket, slot),) = next_batch(plan).items
    assert (ticket.number, slot) == (2, Slot(0, 0))


def test_a_finished_decode_keeps_its_window() -> None:
    plan = scheduler()
    encode(plan, 0, origin(0))
    next_batch(plan)
    for number in (1, 2):
        plan.submit(Ticket(number, origin(0), Kind.DECODE))
        ((_, slot),) = next_batch(plan).items
        assert plan.next_work() == Steps((slot,))
        assert plan.finish(slot).number == number


def test_work_on_a_window_that_is_gone_is_refused() -> None:
    plan = scheduler()
    encode(plan, 0, origin(0))
    next_batch(plan)
    plan.withdraw(0)
    with pytest.raises(LostWindowError):
        plan.submit(Ticket(1, origin(0), Kind.DECODE))


def test_priority_goes_first_and_owners_take_turns() -> None:
    plan = scheduler(buckets=(2, 4, 8))
    for number in range(4):
        encode(plan, number, origin(number, owner="bulk"))
    encode(plan, 4, origin(4, owner="guest"))
    encode(plan, 5, origin(5, owner="live", priority=1))
    order = [t.number for _ in range(3) for t, _ in next_batch(plan).items]
    assert order == [5, 0, 4, 1, 2, 3]


def test_who_leads_is_decoded_before_others_are_encoded_in_a_small_pool() -> None:
    plan = scheduler(buckets=(2, 4, 8))
    leader = Origin(program=9, model="m", leads=True)
    for program in range(5):
        encode(plan, program, origin(program))
    encode(plan, 9, leader)
    assert plan.next_work() == Resize(2, ())
    assert next_batch(plan).items[0][0].origin == leader
    plan.submit(Ticket(20, leader, Kind.DECODE))
    works = []
    while (work := plan.next_work()) != Steps((Slot(0, 0),)):
        works.append(work)
        assert isinstance(work, Batch)
    assert [t.number for work in works for t, _ in work.items] == [20]
    plan.finish(Slot(0, 0))
    assert plan.next_work() == Resize(8, tuple((Slot(0, i), Slot(0, i)) for i in range(2)))


def test_calls_that_follow_one_another_do_not_keep_another_owner_out() -> None:
    """Each call of the guest leads; the job has a window in its share of the slots all the same."""
    plan = scheduler(buckets=(4,))
    for number in range(8):
        encode(plan, number, origin(number, owner="job"))
    decoding: dict[Slot, int] = {}
    most_of = dict.fromkeys(("job", "guest"), 0)
    next_number = 100
    n_served = {"job": 0, "guest": 0}
    for _ in range(400):
        if plan.n_waiting < 8:
            owner = "guest" if next_number % 3 else "job"
            who = Origin(program=next_number, model="m", owner=owner, leads=owner == "guest")
            encode(plan, next_number, who)
            next_number += 1
        match plan.next_work():
            case Batch(Kind.ENCODE) as batch:
                for ticket, _ in batch.items:
                    n_served[ticket.origin.owner] += 1
                    plan.submit(Ticket(10_000 + ticket.number, ticket.origin, Kind.DECODE))
            case Batch() as batch:
                decoding |= {slot: ticket.origin.program for ticket, slot in batch.items}
            case Steps() as steps:
                first = steps.slots[0]
                plan.finish(first)
                plan.withdraw(decoding.pop(first))
            case _:
                pass
        held = plan._slots_of_owners()
        most_of = {owner: max(most, held[owner]) for owner, most in most_of.items()}
    assert min(n_served.values()) > 0.8 * max(n_served.values()) / 2
    assert most_of["guest"] >= 2


def test_the_claim_names_the_owners_of_what_is_done_next() -> None:
    plan = scheduler()
    assert plan.claim() is None
    for number, owner in enumerate("aab"):
        encode(plan, number, origin(number, owner=owner, priority=int(owner == "b")))
    assert plan.claim() == Claim(1, Counter("b"))
    while plan.n_waiting:
        next_batch(plan)
    assert plan.claim() is None
    for number in range(3):
        plan.submit(Ticket(10 + number, origin(number, owner="aab"[number]), Kind.DECODE))
    next_batch(plan)
    assert plan.claim() == Claim(0, Counter("aab"))


def test_the_pool_is_the_smallest_bucket_and_shrinks_when_windows_leave() -> None:
    plan = scheduler(buckets=(2, 4, 8))
    for program in range(5):
        encode(plan, program, origin(program))
    assert plan.next_work() == Resize(8, ())
    for _ in range(3):
        next_batch(plan)
    for program in range(4):
        plan.withdraw(program)
    plan.submit(Ticket(9, origin(4), Kind.DECODE))
    assert next_batch(plan).kind is Kind.DECODE
    works = [plan.next_work() for _ in range(plan.patience + 2)]
    assert works[:-2] == [Steps((Slot(0, 4),))] * plan.patience
    assert works[-2:] == [Resize(2, ((Slot(0, 4), Slot(0, 0)),)), Steps((Slot(0, 0),))]


def test_shards_are_kept_level() -> None:
    plan = scheduler(buckets=(2, 4), n_shards=2)
    for program in range(4):
        encode(plan, program, origin(program))
    slots = [slot for _ in range(1) for _, slot in next_batch(plan).items]
    assert sorted(slot.shard for slot in slots) == [0, 0, 1, 1]
