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

from whisper_jax.engine.device import DeviceCounts, DevicePool
from whisper_jax.engine.engine import Engine, Pool, Reply
from whisper_jax.engine.lift import DevicePrograms
from whisper_jax.engine.policy import DevicePolicy
from whisper_jax.engine.scheduler import Kind, Scheduler
from whisper_jax.engine.threads import has_spare_thread, usable_cores
from whisper_jax.requests import Encode, EngineRequest, Origin, Release


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
    # Devices that wait for each other within a program must not be kept by another one.
    is_alone = len(programs) == 1 and programs[0].n_devices == 1
    if is_alone and has_spare_thread() and usable_cores() > 1:
        programs = [programs[0]] * min(policy.n_lanes, batch_size)
    pools, n_lanes = [DevicePool(one, policy) for one in programs], len(programs)
    engine = Lanes(n_lanes)
    engine.add_pool(
        model,
        [
            (pool, _scheduler(policy, pool.programs.n_shards, -(-(batch_size - lane) // n_lanes)))
            for lane, pool in enumerate(pools)
        ],
    )
    return engine, [pool.counts for pool in pools]


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


class Lanes:
    """An engine made of engines: each new window of a program goes where there are fewest.

    Args:
        n_lanes: How many engines, 1 or more.
    """

    def __init__(self, n_lanes: int) -> None:
        self._engines = [Engine() for _ in range(n_lanes)]
        self._lock = threading.Lock()
        self._lane_of: dict[int, int] = {}

    def add_pool(self, model: str, pools: Sequence[tuple[Pool, Scheduler]]) -> None:
        """Serve a model, with a pool for each lane."""
        for engine, (pool, scheduler) in zip(self._engines, pools, strict=True):
            engine.add_pool(model, pool, scheduler)

    def submit(self, origin: Origin, request: EngineRequest, reply: Reply) -> None:
        """Ask for work; see `Engine.submit`. ``reply`` is called on the thread of one lane."""
        with self._lock:
            left, lane = self._route(origin.program, request)
        if left is not None and left != lane:
            self._engines[left].cancel(origin)
        self._engines[lane].submit(origin, request, reply)

    def cancel(self, origin: Origin) -> None:
        """Forget a program; see `Engine.cancel`."""
        with self._lock:
            lane = self._lane_of.pop(origin.program, 0)
        self._engines[lane].cancel(origin)

    def close(self) -> None:
        """Stop all lanes; see `Engine.close`."""
        for engine in self._engines:
            engine.close()

    def _route(self, program: int, request: EngineRequest) -> tuple[int | None, int]:
        """The lane that the program was on, and the one that the request goes to."""
        here = self._lane_of.get(program)
        if isinstance(request, Release):
            self._lane_of.pop(program, None)
        elif isinstance(request, Encode):
            loads = Counter(lane for other, lane in self._lane_of.items() if other != program)
            # It stays where it is unless another lane has less to do.
            lanes = range(len(self._engines))
            self._lane_of[program] = min(lanes, key=lambda lane: (loads[lane], lane != here, lane))
            return here, self._lane_of[program]
        return here, here or 0
