"""The engine: one thread that owns the device, an inbox, and a pool of slots for each model.

Any thread may `submit`; each request is answered exactly once, by a call on the engine's thread.
A reply is therefore quick: it may submit the next request, and leaves slow work to others.
"""

import atexit
import logging
import queue
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from time import perf_counter

from whisper_jax.engine.pool import Pool
from whisper_jax.engine.scheduler import (
    Claim,
    Kind,
    LostWindowError,
    Scheduler,
    Ticket,
)
from whisper_jax.engine.served import Pending, PoolStatus, Reply, Served
from whisper_jax.engine.shares import Shares
from whisper_jax.errors import CancelledError, EngineClosedError, EngineError
from whisper_jax.requests import (
    Align,
    Decode,
    DetectLanguage,
    Encode,
    EngineRequest,
    EngineResult,
    Origin,
    Release,
)

_log = logging.getLogger(__name__)

_REST_AFTER_S = 10.0
"""To make the slots of a pool anew takes less than a hundredth of this."""


@dataclass(frozen=True, slots=True)
class _Message:
    """What the inbox holds: a request, or (without one) the cancellation of a program."""

    origin: Origin
    request: EngineRequest | None
    reply: Reply


@dataclass(frozen=True, slots=True)
class _Removal:
    """What the inbox holds too: a pool is to go; whoever asked waits for the event."""

    model: str
    done: threading.Event


class Engine:
    """Serves requests of many programs for one or several models."""

    def __init__(self) -> None:
        self._pools: dict[str, Served] = {}
        self._inbox: queue.SimpleQueue[_Message | _Removal | None] = queue.SimpleQueue()
        self._numbers = count()
        self._turns = count()
        self._shares = Shares()
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
            self._pools[model] = Served(pool, scheduler)

    def remove_pool(self, model: str) -> None:
        """Serve a model no more, and return once its memory has been let go.

        What is open for it is answered with EngineClosedError. Not for the engine's own thread.
        """
        done = threading.Event()
        with suppress(EngineClosedError):
            self._put(_Removal(model, done))
            done.wait()

    def status(self, model: str) -> PoolStatus:
        """What goes on in the slots of a model; nothing, if there is no such pool."""
        with self._lock:
            served = self._pools.get(model)
        return PoolStatus() if served is None else served.status

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

    def _put(self, message: _Message | _Removal) -> None:
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
            self._work()
        self._answer_all(EngineClosedError("the engine has been closed"))

    def _take_messages(self, wait: bool) -> bool:
        """Handle the inbox, waiting for a first message if asked; False when told to stop."""
        may_rest = any(served.scheduler.n_slots for served in self._all_served())
        try:
            message = self._inbox.get(wait, _REST_AFTER_S if may_rest else None)
        except queue.Empty:
            if wait:
                self._rest()
            return True
        while message is not None:
            if isinstance(message, _Removal):
                self._remove(message)
            else:
                self._accept(message)
            try:
                message = self._inbox.get_nowait()
            except queue.Empty:
                return True
        return False

    def _all_served(self) -> list[Served]:
        with self._lock:
            return list(self._pools.values())

    def _rest(self) -> None:
        """Nothing was asked for a while: give back the memory of slots that hold no window."""
        for served in self._all_served():
            if not served.scheduler.n_owned:
                served.pool.drop()
                served.scheduler.reset()

    def _remove(self, removal: _Removal) -> None:
        with self._lock:
            served = self._pools.pop(removal.model, None)
        if served is not None:
            self._fail(served, EngineClosedError(f"model {removal.model!r} has been closed"))
        removal.done.set()

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
        served: Served,
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
        served.pending[ticket.number] = Pending(request, reply)
        self._schedule(served, ticket)

    def _schedule(self, served: Served, ticket: Ticket) -> None:
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
            served.pending[again.number] = Pending(window, go_on)
            served.scheduler.submit(again)

    def _withdraw(self, served: Served, origin: Origin, reason: Exception) -> None:
        slot = served.scheduler.slot_of(origin.program)
        if slot is not None:
            served.pool.forget(slot)
        served.windows.pop(origin.program, None)
        for ticket in served.scheduler.withdraw(origin.program):
            _answer(served.pending.pop(ticket.number).reply, reason)

    def _choose_pool(self) -> tuple[Served, Claim] | None:
        """The pool whose next work is most urgent; among equals, whose owner had least time."""
        claims = [(served, served.scheduler.claim()) for served in self._all_served()]
        ready = [(served, claim) for served, claim in claims if claim is not None]

        def place(item: tuple[Served, Claim]) -> tuple[int, float, int]:
            served, claim = item
            return -claim.priority, self._shares.least_s(claim.owners), served.last_turn

        return min(ready, key=place, default=None)

    def _work(self) -> None:
        chosen = self._choose_pool()
        if chosen is None:
            return
        served, claim = chosen
        work = served.scheduler.next_work()
        if work is None:
            return
        served.last_turn = next(self._turns)
        start_s = perf_counter()
        try:
            answers = served.run(work)
        except Exception as error:
            if is_out_of_memory(error) and self._make_do(served):
                return
            _log.exception("the device failed")
            self._fail(served, EngineError(f"the device failed: {error}"))
            return
        finally:
            self._shares.charge(claim.owners, perf_counter() - start_s)
        for ticket, answer in answers:
            _answer(served.pending.pop(ticket.number).reply, answer)

    def _make_do(self, served: Served) -> bool:
        """Go on with half the slots; False if there is no fewer. Nothing is answered or lost."""
        served.pool.drop()
        dropped = served.scheduler.reset()
        n_slots = served.scheduler.halve()
        if n_slots is not None:
            _log.warning("out of memory: going on with %d windows at once", n_slots)
        for ticket in sorted(dropped, key=lambda ticket: ticket.number):
            self._schedule(served, ticket)
        return n_slots is not None

    def _fail(self, served: Served, error: Exception) -> None:
        served.pool.drop()
        served.scheduler.reset()
        served.windows.clear()
        pending, served.pending = list(served.pending.values()), {}
        for item in pending:
            _answer(item.reply, error)

    def _answer_all(self, error: Exception) -> None:
        for served in self._all_served():
            self._fail(served, error)
        while not self._inbox.empty():
            match self._inbox.get():
                case _Message() as message:
                    _answer(message.reply, error)
                case _Removal() as removal:
                    self._remove(removal)
                case None:
                    pass


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
