"""The engine: one thread that owns the device, an inbox, and a pool of slots for each model.

Any thread may `submit`; each request is answered exactly once, by a call on the engine's thread.
A reply is therefore quick: it may submit the next request, and leaves slow work to others.
"""

import atexit
import logging
import queue
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from whisper_jax.engine.scheduler import (
    Batch,
    Kind,
    LostWindowError,
    Resize,
    Scheduler,
    Slot,
    Steps,
    Ticket,
    Work,
)
from whisper_jax.errors import CancelledError, EngineClosedError, EngineError
from whisper_jax.requests import (
    Align,
    Aligned,
    Decode,
    Decoded,
    DetectLanguage,
    Encode,
    Encoded,
    EngineRequest,
    EngineResult,
    LanguageScores,
    Origin,
    Release,
)

_log = logging.getLogger(__name__)

type Reply = Callable[[EngineResult | Exception], None]
"""Called once, on the engine's thread, with the answer or with the reason there is none."""


class Pool(Protocol):
    """What the engine asks of the device; `DevicePool` is the real one, tests bring others."""

    def resize(
        self, n_slots: int, moves: Sequence[tuple[Slot, Slot]]
    ) -> list[tuple[Slot, Decoded]]:
        """Change the number of slots a shard, moving windows."""
        ...

    def encode(self, items: Sequence[tuple[Slot, Encode]]) -> list[Encoded]:
        """Put windows into slots."""
        ...

    def detect_language(self, items: Sequence[tuple[Slot, DetectLanguage]]) -> list[LanguageScores]:
        """Language probabilities of windows in slots."""
        ...

    def align(self, items: Sequence[tuple[Slot, Align]]) -> list[Aligned]:
        """Where the texts of windows in slots are spoken."""
        ...

    def prefill(self, items: Sequence[tuple[Slot, Decode]]) -> None:
        """Begin to decode windows in slots."""
        ...

    def run(self, slots: Sequence[Slot]) -> list[tuple[Slot, Decoded]]:
        """Decode on; what finished."""
        ...

    def forget(self, slot: Slot) -> None:
        """A slot is nobody's now."""
        ...

    def drop(self) -> None:
        """Forget every window."""
        ...

    def audio_bucket(self, n_frames: int) -> int:
        """How many frames are heard of a window of which so many are to be."""
        ...

    def prompt_bucket(self, n_tokens: int) -> int:
        """The length that a prompt is padded to."""
        ...


@dataclass(frozen=True, slots=True)
class _Message:
    """What the inbox holds: a request, or (without one) the cancellation of a program."""

    origin: Origin
    request: EngineRequest | None
    reply: Reply


@dataclass(frozen=True, slots=True)
class _Pending:
    """A request that waits for its answer."""

    request: EngineRequest
    reply: Reply


@dataclass
class _Served:
    """A pool with its plan and the requests in it.

    Attributes:
        pool: The device's side.
        scheduler: The plan.
        pending: Requests not answered yet, by the number of their ticket.
        windows: What each program has in its slot, to be encoded again if the pool is lost.
    """

    pool: Pool
    scheduler: Scheduler
    pending: dict[int, _Pending] = field(default_factory=dict[int, _Pending])
    windows: dict[int, Encode] = field(default_factory=dict[int, Encode])


class Engine:
    """Serves requests of many programs for one or several models."""

    def __init__(self) -> None:
        self._pools: dict[str, _Served] = {}
        self._inbox: queue.SimpleQueue[_Message | None] = queue.SimpleQueue()
        self._numbers = count()
        self._turns: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="whisper-jax-engine", daemon=True)
        self._thread.start()
        # The device must not be in use when the interpreter ends.
        atexit.register(_close_if_alive, weakref.ref(self))

    def add_pool(self, model: str, pool: Pool, scheduler: Scheduler) -> None:
        """Serve a model. Requests name it in their origin."""
        with self._lock:
            if model in self._pools:
                raise ValueError(f"there is a pool for {model!r} already")
            self._pools[model] = _Served(pool, scheduler)

    def submit(self, origin: Origin, request: EngineRequest, reply: Reply) -> None:
        """Ask for work. ``reply`` is called once, on the engine's thread.

        Raises:
            EngineClosedError: The engine has been closed.
        """
        self._put(_Message(origin, request, reply))

    def cancel(self, origin: Origin) -> None:
        """Forget a program: its slot is freed, its open request answered with CancelledError."""
        self._put(_Message(origin, None, _ignore))

    def close(self) -> None:
        """Stop: what is open is answered with EngineClosedError. May be called twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._inbox.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _put(self, message: _Message) -> None:
        with self._lock:
            if self._closed:
                raise EngineClosedError("the engine has been closed; load the model again")
            self._inbox.put(message)

    # --- on the engine's thread ------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            is_idle = self._choose_pool() is None
            if not self._take_messages(wait=is_idle):
                break
            served = self._choose_pool()
            if served is not None:
                self._work(served)
        self._answer_all(EngineClosedError("the engine has been closed"))

    def _take_messages(self, wait: bool) -> bool:
        """Handle the inbox, waiting for a first message if asked; False when told to stop."""
        try:
            message = self._inbox.get(block=wait)
            while message is not None:
                self._accept(message)
                message = self._inbox.get_nowait()
        except queue.Empty:
            return True
        return False

    def _accept(self, message: _Message) -> None:
        with self._lock:
            served = self._pools.get(message.origin.model)
        if served is None:
            _answer(message.reply, EngineError(f"no pool for model {message.origin.model!r}"))
            return
        match message.request:
            case None:
                self._withdraw(served, message.origin, CancelledError("cancelled by the caller"))
            case Release():
                self._withdraw(served, message.origin, CancelledError("the window was released"))
                _answer(message.reply, None)
            case request:
                self._enqueue(served, message.origin, request, message.reply)

    def _enqueue(
        self,
        served: _Served,
        origin: Origin,
        request: Encode | DetectLanguage | Decode | Align,
        reply: Reply,
    ) -> None:
        bucket = n_tokens = 0
        match request:
            case Encode():
                kind = Kind.ENCODE
                bucket = served.pool.audio_bucket(request.n_heard)
                self._withdraw(served, origin, CancelledError("a new window was asked for"))
                served.windows[origin.program] = request
            case DetectLanguage():
                kind = Kind.LANGUAGE
            case Decode():
                kind, n_tokens = Kind.DECODE, len(request.prompt) + len(request.prefix)
            case Align():
                kind, n_tokens = Kind.ALIGN, request.n_positions
        if n_tokens:
            try:
                bucket = served.pool.prompt_bucket(n_tokens)
            except ValueError as error:
                _answer(reply, EngineError(f"the text is too long: {error}"))
                return
        if kind is not Kind.ENCODE and origin.program not in served.windows:
            _answer(reply, EngineError("the window is no longer in a slot; encode it again"))
            return
        ticket = Ticket(next(self._numbers), origin, kind, bucket)
        served.pending[ticket.number] = _Pending(request, reply)
        self._schedule(served, ticket)

    def _schedule(self, served: _Served, ticket: Ticket) -> None:
        """Queue a request; if its window was lost with the pool, encode that first."""
        try:
            served.scheduler.submit(ticket)
        except LostWindowError:
            window = served.windows[ticket.origin.program]

            def go_on(answer: EngineResult | Exception) -> None:
                waiting = served.pending.get(ticket.number)
                if waiting is None:
                    return
                if not isinstance(answer, Exception):
                    self._schedule(served, ticket)
                else:
                    del served.pending[ticket.number]
                    _answer(waiting.reply, answer)

            bucket = served.pool.audio_bucket(window.n_heard)
            again = Ticket(next(self._numbers), ticket.origin, Kind.ENCODE, bucket)
            served.pending[again.number] = _Pending(window, go_on)
            served.scheduler.submit(again)

    def _withdraw(self, served: _Served, origin: Origin, reason: Exception) -> None:
        slot = served.scheduler.slot_of(origin.program)
        if slot is not None:
            served.pool.forget(slot)
        served.windows.pop(origin.program, None)
        for ticket in served.scheduler.withdraw(origin.program):
            _answer(served.pending.pop(ticket.number).reply, reason)

    def _choose_pool(self) -> _Served | None:
        """The pool whose next work is most urgent; among equals, whose owner had fewest turns."""
        with self._lock:
            pools = list(self._pools.values())
        urgent = [(pool, pool.scheduler.urgency()) for pool in pools]
        ready = [(pool, urgency) for pool, urgency in urgent if urgency is not None]
        if not ready:
            return None
        return min(ready, key=lambda item: (-item[1][0], self._turns[item[1][1]]))[0]

    def _work(self, served: _Served) -> None:
        urgency, work = served.scheduler.urgency(), served.scheduler.next_work()
        if urgency is None or work is None:
            return
        self._turns[urgency[1]] += 1
        try:
            answers = self._run(served, work)
        except Exception as error:
            if is_out_of_memory(error) and self._make_do(served):
                return
            _log.exception("the device failed")
            self._fail(served, EngineError(f"the device failed: {error}"))
            return
        for ticket, answer in answers:
            _answer(served.pending.pop(ticket.number).reply, answer)

    def _run(self, served: _Served, work: Work) -> list[tuple[Ticket, EngineResult]]:
        pool, scheduler = served.pool, served.scheduler
        match work:
            case Resize():
                finished = pool.resize(work.n_slots, work.moves)
            case Steps():
                finished = pool.run(work.slots)
            case Batch():
                return self._run_batch(served, work)
        return [(scheduler.finish(slot), result) for slot, result in finished]

    @staticmethod
    def _run_batch(served: _Served, work: Batch) -> list[tuple[Ticket, EngineResult]]:
        """One call for requests of a kind; their answers, but decoding is only begun."""
        items: list[tuple[Slot, Any]] = [
            (slot, served.pending[ticket.number].request) for ticket, slot in work.items
        ]
        match work.kind:
            case Kind.ENCODE:
                results = served.pool.encode(items)
            case Kind.LANGUAGE:
                results = served.pool.detect_language(items)
            case Kind.ALIGN:
                results = served.pool.align(items)
            case Kind.DECODE:
                served.pool.prefill(items)
                return []
        return [(ticket, result) for (ticket, _), result in zip(work.items, results, strict=True)]

    def _make_do(self, served: _Served) -> bool:
        """Go on with half the slots; False if there is no fewer. Nothing is answered or lost."""
        served.pool.drop()
        dropped = served.scheduler.reset()
        n_slots = served.scheduler.halve()
        if n_slots is not None:
            _log.warning("out of memory: going on with %d windows at once", n_slots)
        for ticket in sorted(dropped, key=lambda ticket: ticket.number):
            self._schedule(served, ticket)
        return n_slots is not None

    def _fail(self, served: _Served, error: Exception) -> None:
        served.pool.drop()
        served.scheduler.reset()
        served.windows.clear()
        pending, served.pending = list(served.pending.values()), {}
        for item in pending:
            _answer(item.reply, error)

    def _answer_all(self, error: Exception) -> None:
        with self._lock:
            pools = list(self._pools.values())
        for served in pools:
            self._fail(served, error)
        while not self._inbox.empty():
            message = self._inbox.get()
            if message is not None:
                _answer(message.reply, error)


def is_out_of_memory(error: Exception) -> bool:
    """Whether the device had too little memory for a call; it may do with fewer windows."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _answer(reply: Reply, answer: EngineResult | Exception) -> None:
    try:
        reply(answer)
    except Exception:
        # One caller's mistake must not end the work of the others.
        _log.exception("a reply failed")


def _ignore(_: EngineResult | Exception) -> None:
    pass


def _close_if_alive(reference: "weakref.ref[Engine]") -> None:
    engine = reference()
    if engine is not None:
        engine.close()
