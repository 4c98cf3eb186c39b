"""Several engines side by side, on one device or on several.

A decode step is hundreds of small operations, most of them too small for all cores of a processor.
Two pools of windows whose steps overlap finish sooner than one pool with all of them (figures in
docs/performance.md): while one waits for a core, the other has work. They share the weights and
the compiled programs. Where a CPU is several devices, a core each, every device has a pool. Pools
know nothing of each other; a window's text does not depend on where it was decoded.
"""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from whisper_jax.engine.device import DeviceCounts, DevicePool
from whisper_jax.engine.engine import Engine
from whisper_jax.engine.lift import DevicePrograms
from whisper_jax.engine.policy import DevicePolicy
from whisper_jax.engine.pool import Pool
from whisper_jax.engine.scheduler import Kind, Scheduler
from whisper_jax.engine.served import PoolStatus, Reply
from whisper_jax.engine.threads import has_spare_thread, usable_cores
from whisper_jax.requests import Encode, EngineRequest, Origin, Release

_MUCH = 2
"""An owner has much who has so many times as many windows as there are slots for guests."""


def start_lanes(
    model: str, programs: Sequence[DevicePrograms], policy: DevicePolicy, batch_size: int
) -> tuple["Lanes", list[DeviceCounts]]:
    """Engines with room for ``batch_size`` windows in all, and what each of their pools counts.

    Args:
        model: What requests call the model.
        programs: Of one mesh, or of several of the same shape, each with a pool of its own.
        policy: How the devices are driven.
        batch_size: Most windows at once.
    """
    n_lanes = n_lanes_on(len(programs), programs[0].n_devices, policy)
    if len(programs) == 1:
        n_lanes = min(n_lanes, batch_size)
    engine = Lanes(n_lanes)
    return engine, serve_model(engine, model, programs, policy, batch_size)


def n_lanes_on(n_meshes: int, n_devices: int, policy: DevicePolicy) -> int:
    """How many engines there are to be for so many meshes of so many devices each."""
    # Devices that wait for each other within a program must not be kept by another one.
    is_alone = n_meshes == 1 and n_devices == 1
    has_several = is_alone and has_spare_thread() and usable_cores() > 1
    return policy.n_lanes if has_several else n_meshes


def serve_model(
    engine: "Lanes",
    model: str,
    programs: Sequence[DevicePrograms],
    policy: DevicePolicy,
    batch_size: int,
) -> list[DeviceCounts]:
    """Give a model pools with room for ``batch_size`` windows, in all lanes; what they count."""
    n_lanes = engine.n_lanes
    pools: list[DevicePool] = []

    def made(lane: int, n_windows: int) -> tuple[Pool, Scheduler]:
        pool = DevicePool(programs[lane % len(programs)], policy)
        pools.append(pool)
        return pool, _scheduler(policy, pool.programs.n_shards, n_windows)

    lanes = range(n_lanes)
    main = [made(lane, -(-(batch_size - lane) // n_lanes)) for lane in lanes]
    n_guests = policy.n_guest_slots
    engine.add_pool(model, main, [made(lane, n_guests) for lane in lanes] if n_guests else None)
    return [pool.counts for pool in pools]


def _scheduler(policy: DevicePolicy, n_shards: int, n_windows: int) -> Scheduler:
    return Scheduler(
        slot_buckets=policy.slot_buckets_up_to(-(-n_windows // n_shards)),
        n_shards=n_shards,
        batch_limits={
            Kind.ENCODE: policy.encode_limit,
            Kind.LANGUAGE: policy.prefill_limit,
            Kind.DECODE: policy.prefill_limit,
            Kind.ALIGN: policy.align_limit,
        },
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the window of a program is, or waits to be: a pool of a lane."""

    lane: int
    pool: str
    owner: str


class Lanes:
    """An engine made of engines: each new window of a program goes where there are fewest.

    Beside its large pool each lane may have a small one of the same model, for guests: owners who
    come with little while another one's windows fill the large pools. A step of two slots takes a
    third of the time of one of sixteen.

    Args:
        n_lanes: How many engines, 1 or more.
    """

    def __init__(self, n_lanes: int) -> None:
        self.n_lanes = n_lanes
        self._engines = [Engine() for _ in range(n_lanes)]
        self._lock = threading.Lock()
        self._place_of: dict[int, _Place] = {}
        self._n_guests: dict[str, int] = {}

    def add_pool(
        self,
        model: str,
        pools: Sequence[tuple[Pool, Scheduler]],
        guests: Sequence[tuple[Pool, Scheduler]] | None = None,
    ) -> None:
        """Serve a model, with a pool for each lane, and perhaps a small one for guests."""
        for engine, (pool, scheduler) in zip(self._engines, pools, strict=True):
            engine.add_pool(model, pool, scheduler)
        for engine, (pool, scheduler) in zip(self._engines, guests or (), strict=bool(guests)):
            engine.add_pool(_for_guests(model), pool, scheduler)
            with self._lock:
                self._n_guests[model] = scheduler.slot_buckets[-1] * scheduler.n_shards

    def remove_pool(self, model: str) -> None:
        """Serve a model no more; see `Engine.remove_pool`."""
        for engine in self._engines:
            engine.remove_pool(model)
            engine.remove_pool(_for_guests(model))
        with self._lock:
            self._n_guests.pop(model, None)

    def status(self, model: str) -> PoolStatus:
        """What goes on in all slots of a model."""
        pools = (model, _for_guests(model))
        found = (engine.status(pool) for engine in self._engines for pool in pools)
        return sum(found, start=PoolStatus())

    def submit(self, origin: Origin, request: EngineRequest, reply: Reply) -> None:
        """Ask for work; see `Engine.submit`. ``reply`` is called on the thread of one lane."""
        with self._lock:
            left, place = self._route(origin, request)
        if left is not None and left != place:
            self._engines[left.lane].cancel(replace(origin, model=left.pool))
        self._engines[place.lane].submit(replace(origin, model=place.pool), request, reply)

    def cancel(self, origin: Origin) -> None:
        """Forget a program; see `Engine.cancel`."""
        with self._lock:
            place = self._place_of.pop(origin.program, None) or _home(origin)
        self._engines[place.lane].cancel(replace(origin, model=place.pool))

    def close(self) -> None:
        """Stop all lanes; see `Engine.close`."""
        for engine in self._engines:
            engine.close()

    def _route(self, origin: Origin, request: EngineRequest) -> tuple[_Place | None, _Place]:
        """Where the program was, and where the request goes."""
        here = self._place_of.get(origin.program)
        if isinstance(request, Release):
            self._place_of.pop(origin.program, None)
        elif isinstance(request, Encode):
            others = [p for number, p in self._place_of.items() if number != origin.program]
            place = self._guest_place(origin, others) or self._main_place(origin, here, others)
            self._place_of[origin.program] = place
            return here, place
        return here, here or _home(origin)

    def _main_place(self, origin: Origin, here: _Place | None, others: Sequence[_Place]) -> _Place:
        loads = Counter(place.lane for place in others)
        last = None if here is None else here.lane
        # It stays where it is unless another lane has less to do.
        lane = min(range(self.n_lanes), key=lambda lane: (loads[lane], lane != last, lane))
        return _Place(lane, origin.model, origin.owner)

    def _guest_place(self, origin: Origin, others: Sequence[_Place]) -> _Place | None:
        """A place in a small pool for who comes with little while another one has much."""
        n_guests = self._n_guests.get(origin.model, 0)
        if not (origin.leads and n_guests):
            return None
        owners = Counter(place.owner for place in others if place.pool == origin.model)
        n_own = owners.pop(origin.owner, 0)
        n_most = max(owners.values(), default=0)
        if n_most < _MUCH * n_guests * self.n_lanes or n_own >= n_guests:
            return None
        pool = _for_guests(origin.model)
        loads = Counter(place.lane for place in others if place.pool == pool)
        lane = min(range(self.n_lanes), key=lambda lane: (loads[lane], lane))
        return _Place(lane, pool, origin.owner) if loads[lane] < n_guests else None


def _for_guests(model: str) -> str:
    """What the engines call the small pool of a model."""
    return f"{model} for guests"


def _home(origin: Origin) -> _Place:
    """Where a program is that nothing is known of."""
    return _Place(0, origin.model, origin.owner)
