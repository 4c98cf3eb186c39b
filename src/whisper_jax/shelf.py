"""Several models on one engine: loaded when they are asked for, kept by use, bounded in memory."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Literal, Self

from whisper_jax.checkpoints import DownloadProgress, resolve_model
from whisper_jax.engine.compute import number_types
from whisper_jax.engine.device import DeviceCounts
from whisper_jax.engine.lanes import Lanes, n_lanes_on, serve_model
from whisper_jax.engine.memory import MemoryPlan, usable_bytes
from whisper_jax.engine.policy import policy_for
from whisper_jax.engine.served import Reply
from whisper_jax.engine.start import PlannedModel, lane_meshes, mesh_of, plan_model, put_model
from whisper_jax.engine.weights import prepare_weights
from whisper_jax.errors import (
    EngineClosedError,
    ModelBusyError,
    ModelError,
    OptionError,
    UnknownModelError,
)
from whisper_jax.loading import check_loading
from whisper_jax.options import ComputeType
from whisper_jax.requests import EngineRequest, Origin
from whisper_jax.text import load_tokenizer
from whisper_jax.transcribe import Whisper

_PATIENCE_S = 10.0
"""Who has waited so long for memory is let in before others begin to use what takes it."""
_MB = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelStatus:
    """One of the models of `Models`.

    Attributes:
        name: Its name.
        state: Whether it is in memory.
        n_users: Calls that use it, or wait for it to be loaded.
        memory_bytes: What is set aside for it on each device, slots included.
        most_windows: Windows it has room for at once; 0 unless it is loaded.
        n_slots: Slots there is memory taken for now.
        n_windows: Windows in slots.
        n_waiting: Windows that wait for a slot.
        counts: What the device has done for it, since the beginning.
    """

    name: str
    state: Literal["unloaded", "loading", "loaded"]
    n_users: int
    memory_bytes: int
    most_windows: int
    n_slots: int
    n_windows: int
    n_waiting: int
    counts: DeviceCounts


@dataclass(eq=False)
class _Shelved:
    """A model by its name. All is used under the lock of `Models`.

    Attributes:
        name: Its name.
        loading: What gives it, now or soon; None if nobody has asked for it, or loading failed.
        n_users: Calls that use it or wait for it.
        last_use: Number of its last use among all uses.
        n_bytes: What is set aside for it on each device.
        n_windows: Windows it has room for.
        former: What was done for it before it was loaded last.
    """

    name: str
    loading: "Future[Whisper] | None" = None
    n_users: int = 0
    last_use: int = -1
    n_bytes: int = 0
    n_windows: int = 0
    former: DeviceCounts = field(default_factory=DeviceCounts)

    @property
    def model(self) -> Whisper | None:
        """The model, if it is loaded."""
        loading = self.loading
        if loading is None or not loading.done() or loading.exception() is not None:
            return None
        return loading.result()


class Models:
    """Models by name on one engine, for many callers at once. Safe to use from many threads.

    A model is loaded when it is first used. Where there is not memory for another one, the model
    that has not been used for longest makes room, but none that is being used. Each is given at
    most an equal part of the memory for its slots, so that all of them fit if they can.

    Attributes:
        names: The names, as they were given.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        device: str | None = None,
        compute_type: ComputeType = "auto",
        batch_size: int | None = None,
        n_devices: int | None = None,
        memory_bytes: int | None = None,
        offline: bool | None = None,
        on_download: Callable[[DownloadProgress], None] | None = None,
    ) -> None:
        """Start an engine without models.

        Args:
            names: What `load_model` takes: sizes, hub ids, folders, files.
            device: As in `load_model`.
            compute_type: As in `load_model`, for all of them.
            batch_size: Most windows of a model that are decoded at once; None takes as many as
                there is memory for, up to what `load_model` takes.
            n_devices: As in `load_model`.
            memory_bytes: What all models together may take on each device, on CPUs all devices
                together; None is four fifths of what is free now.
            offline: As in `load_model`.
            on_download: As in `load_model`.

        Raises:
            OptionError: There is no such device, or a number cannot be honoured.
        """
        check_loading(compute_type, batch_size)
        self.names = tuple(dict.fromkeys(names))
        if not self.names:
            raise OptionError("there are no models; give the name of one or more")
        if memory_bytes is not None and memory_bytes < 1:
            raise OptionError(f"memory_bytes is {memory_bytes}; give 1 or more")
        self._mesh = mesh_of(device, n_devices or 1, 1)
        platform = self._mesh.devices.flat[0].platform
        self._policy = policy_for(platform)
        self._types = number_types(compute_type, self._policy, platform)
        self._most_bytes = usable_bytes(list(self._mesh.devices.flat), memory_bytes)
        self._batch_size = batch_size
        self._offline, self._on_download = offline, on_download
        n_meshes = len(lane_meshes(self._policy, self._mesh))
        self._engine = Lanes(n_lanes_on(n_meshes, self._mesh.size // n_meshes, self._policy))
        self._shelved = {name: _Shelved(name) for name in self.names}
        self._changed = threading.Condition()
        self._in_line: dict[str, float] = {}
        self._uses = count()
        self._is_closed = False

    @contextmanager
    def use(self, name: str, *, wait_s: float = 60.0) -> Iterator[Whisper]:
        """The model of this name, loaded if need be; it stays in memory for the block.

        Those who ask for it while it is being loaded wait for the same load. If that fails, it
        does for all of them; who asks later tries again.

        Args:
            name: One of `names`.
            wait_s: How long to wait for memory that other models take which are being used.

        Raises:
            UnknownModelError: It is not one of `names`.
            ModelBusyError: Models that are being used took the memory all the time.
            ModelError: It cannot be had or read, or needs more memory than there is.
            EngineClosedError: `close` was called.
        """
        model = self._take(name, wait_s)
        try:
            yield model
        finally:
            self._give_back(self._shelved[name])

    def status(self) -> tuple[ModelStatus, ...]:
        """What goes on, model by model."""
        with self._changed:
            return tuple(map(self._status, self._shelved.values()))

    def close(self) -> None:
        """Stop the engine. What is being transcribed ends with EngineClosedError."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, name: str, wait_s: float) -> Whisper:
        shelved = self._shelved.get(name)
        if shelved is None:
            raise UnknownModelError(f"no model {name!r} here; there are: {', '.join(self.names)}")
        deadline_s = monotonic() + wait_s
        with self._changed:
            self._wait_in_line(shelved, deadline_s)
            self._check_open()
            future = shelved.loading
            is_first = future is None
            if future is None:
                future = shelved.loading = Future()
            shelved.n_users += 1
        try:
            if is_first:
                self._load_into(future, shelved, deadline_s)
            return future.result()
        except BaseException:
            self._give_back(shelved)
            raise

    def _load_into(self, future: "Future[Whisper]", shelved: _Shelved, deadline_s: float) -> None:
        try:
            model = self._load(shelved, deadline_s)
        except BaseException as error:
            with self._changed:
                shelved.loading, shelved.n_bytes, shelved.n_windows = None, 0, 0
                self._changed.notify_all()
            future.set_exception(error)
        else:
            future.set_result(model)

    def _load(self, shelved: _Shelved, deadline_s: float) -> Whisper:
        path = resolve_model(shelved.name, offline=self._offline, on_progress=self._on_download)
        weights = prepare_weights(path, self._types)
        planned = plan_model(shelved.name, weights, self._types, self._policy, self._mesh)
        self._make_room(shelved, planned, deadline_s)
        tokenizer = load_tokenizer(weights.folder, weights.dims.n_vocab)
        programs, ahead = put_model(planned, self._policy, self._mesh)
        n_windows = shelved.n_windows
        counts = serve_model(self._engine, shelved.name, programs, self._policy, n_windows)
        part = _Part(self._engine, shelved.name)
        return Whisper(shelved.name, weights.dims, tokenizer, part, counts, n_windows, ahead=ahead)

    def _give_back(self, shelved: _Shelved) -> None:
        with self._changed:
            shelved.n_users -= 1
            shelved.last_use = next(self._uses)
            self._changed.notify_all()

    # --- with the lock ---------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._is_closed:
            raise EngineClosedError("the models have been closed")

    def _wait_in_line(self, shelved: _Shelved, deadline_s: float) -> None:
        """Wait while another model is in need of memory, and has been for long."""

        def may_begin() -> bool:
            now_s = monotonic()
            others = [since_s for name, since_s in self._in_line.items() if name != shelved.name]
            return self._is_closed or not any(now_s - s > _PATIENCE_S for s in others)

        if not self._changed.wait_for(may_begin, max(0.0, deadline_s - monotonic())):
            raise _busy(shelved.name)

    def _make_room(self, shelved: _Shelved, planned: PlannedModel, deadline_s: float) -> None:
        """Set memory aside for a model; models that nobody uses make room."""
        with self._changed:
            self._in_line[shelved.name] = monotonic()
            try:
                while not self._reserve(shelved, planned.memory):
                    self._check_open()
                    idle = [one for one in self._shelved.values() if one.model and not one.n_users]
                    if idle:
                        self._evict(min(idle, key=lambda one: one.last_use))
                    elif monotonic() > deadline_s:
                        raise _busy(shelved.name)
                    else:
                        self._changed.wait(max(0.0, deadline_s - monotonic()))
            finally:
                del self._in_line[shelved.name]
                self._changed.notify_all()

    def _reserve(self, shelved: _Shelved, plan: MemoryPlan) -> bool:
        """Set memory aside, if there is enough: for its part of slots, or as many as may be."""
        n_shards = self._mesh.shape["data"]
        policy = self._policy
        most = policy.most_slots * n_shards if self._batch_size is None else self._batch_size
        most_each = -(-most // n_shards)
        if self._most_bytes is None:
            shelved.n_windows = most
            return True
        n_guests = policy.n_guest_slots * (self._engine.n_lanes if n_shards == 1 else 1)
        guests = n_guests * plan.window
        fewest = min(policy.slot_buckets[0], most_each)
        least = plan.total(fewest) + guests
        if least > self._most_bytes:
            raise ModelError(
                f"{shelved.name} takes {least // _MB} MB, and there are"
                f" {self._most_bytes // _MB} MB for models"
            )
        taken = sum(one.n_bytes for one in self._shelved.values())
        part = max(least, self._most_bytes // len(self.names))
        n_slots = plan.slots_within(part - guests, most_each)
        if plan.total(n_slots) + guests > self._most_bytes - taken:
            return False
        shelved.n_bytes = plan.total(n_slots) + guests
        shelved.n_windows = min(most, n_slots * n_shards)
        return True

    def _evict(self, shelved: _Shelved) -> None:
        model = shelved.model
        if model is not None:
            model.close()
            shelved.former += model.counts
        shelved.loading, shelved.n_bytes, shelved.n_windows = None, 0, 0

    def _status(self, shelved: _Shelved) -> ModelStatus:
        model = shelved.model
        slots = self._engine.status(shelved.name)
        is_loading = shelved.loading is not None and model is None
        return ModelStatus(
            name=shelved.name,
            state="loaded" if model else "loading" if is_loading else "unloaded",
            n_users=shelved.n_users,
            memory_bytes=shelved.n_bytes,
            most_windows=shelved.n_windows if model else 0,
            n_slots=slots.n_slots,
            n_windows=slots.n_windows,
            n_waiting=slots.n_waiting,
            counts=shelved.former + (model.counts if model else DeviceCounts()),
        )


class _Part:
    """One model of an engine, as an engine of its own: closing it leaves the others at work."""

    def __init__(self, engine: Lanes, model: str) -> None:
        self._engine = engine
        self._model = model

    def submit(self, origin: Origin, request: EngineRequest, reply: Reply) -> None:
        self._engine.submit(origin, request, reply)

    def cancel(self, origin: Origin) -> None:
        self._engine.cancel(origin)

    def close(self) -> None:
        self._engine.remove_pool(self._model)


def _busy(name: str) -> ModelBusyError:
    return ModelBusyError(
        f"there is no memory for {name} while other models are being used; try again later"
    )
