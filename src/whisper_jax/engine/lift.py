"""The device programs lifted over the shards: `shard_map` over the mesh's ``data`` axis, and jit.

Every array of the state, and of what goes in and comes out, has the slots or the entries of a
batch as its first axis and is split along it; the weights and the limits are on every shard.
"""

import copy
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from whisper_jax.decoding.loop import (
    ModelConfig,
    encode_windows,
    insert,
    language_logits,
    prefill,
    put_windows,
    run_steps,
    take_windows,
)
from whisper_jax.decoding.state import PoolState, empty_pool, fit_rows, resize_pool
from whisper_jax.model.params import WhisperParams
from whisper_jax.stored.programs import program_store

SPLIT, WHOLE = P("data"), P()


class _Body(NamedTuple):
    """A program before it is compiled.

    Attributes:
        name: What it is called.
        static: What else it depends on, besides the shapes.
        function: What it computes, for one shard.
        in_specs: Which arguments are split.
        out_specs: What of its result is split.
        donate: Arguments whose memory it may use for its result.
    """

    name: str
    static: object
    function: Callable[..., Any]
    in_specs: tuple[P, ...]
    out_specs: P | tuple[P, ...]
    donate: tuple[int, ...] = ()


class NotKeptError(LookupError):
    """A program is not on disk."""


class DevicePrograms:
    """The programs of one model on one mesh; each compiles once for each set of shapes.

    What recompiles: the number of slots (``put``, ``take``, ``run``, ``insert``, ``resize``,
    ``fit``); the rows of a slot and the room for tokens (``run``, ``insert``, ``resize``,
    ``fit``); the windows in a call and how much of them is heard (``encode``); the windows in a
    call (``language``); the prompts in a call and their length bucket (``prefill``, ``insert``).

    Pools on several threads may share them: what one compiles the others wait for.
    """

    def __init__(self, params: WhisperParams, config: ModelConfig, mesh: Mesh) -> None:
        self.config = config
        self.n_shards = mesh.shape["data"]
        self._mesh = mesh
        self._params = jax.device_put(params, NamedSharding(mesh, WHOLE))
        # Else where bfloat16 is rounded depends on what was fused, and that on how many slots there
        # are: a text would depend on what else is transcribed.
        is_cpu = mesh.devices.flat[0].platform == "cpu"
        self._options = {"xla_allow_excess_precision": False} if is_cpu else None
        self._lock = threading.Lock()
        self._compiled: dict[object, Future[Any]] = {}
        self._store = program_store(tuple(mesh.devices.flat))
        leaves, structure = jax.tree.flatten(self._params)
        weights = [(leaf.shape, str(leaf.dtype)) for leaf in leaves]
        self._about = (config, mesh.shape, self._options, str(structure), weights)
        self._fetches, self._compiles = False, True

    def fetching(self, *, compiles: bool = False) -> Self:
        """The same programs, which are only made ready: read from disk, not run.

        A call returns the shapes of its result, which may stand for arrays in the next call.

        Args:
            compiles: Compile what is not on disk; else a call raises NotKeptError.
        """
        fetching = copy.copy(self)
        fetching._fetches, fetching._compiles = True, compiles
        return fetching

    @property
    def n_compiled(self) -> int:
        """Programs that are ready, compiled or from disk; each set of shapes counted."""
        return len(self._compiled)

    @property
    def n_kept(self) -> int:
        """Of these, programs that were compiled and are on disk now."""
        return 0 if self._store is None else self._store.n_written

    def encode(self, windows: Any) -> Any:
        """`encode_windows`."""
        body = partial(encode_windows, config=self.config)
        program = _Body("encode", None, body, (WHOLE, SPLIT), (SPLIT, SPLIT))
        return self._call(program, self._params, windows)

    def put(self, cross: Any, encoded: Any, slots: Any) -> Any:
        """`put_windows`; the cache is donated."""
        program = _Body("put", None, put_windows, (SPLIT, SPLIT, SPLIT), SPLIT, donate=(0,))
        return self._call(program, cross, encoded, slots)

    def take(self, cross: Any, slots: Any) -> Any:
        """`take_windows`."""
        return self._call(_Body("take", None, take_windows, (SPLIT, SPLIT), SPLIT), cross, slots)

    def language(self, own: Any) -> Any:
        """`language_logits`."""
        body = partial(language_logits, config=self.config)
        program = _Body("language", None, body, (WHOLE, SPLIT), SPLIT)
        return self._call(program, self._params, own)

    def prefill(self, own: Any, prompts: Any) -> Any:
        """`prefill`: what was heard, for `insert`."""
        body = partial(prefill, config=self.config)
        program = _Body("prefill", None, body, (WHOLE, SPLIT, SPLIT), SPLIT)
        return self._call(program, self._params, own, prompts)

    def insert(self, rows: Any, prompts: Any, heard: Any) -> Any:
        """`insert`; the rows are donated."""
        body = partial(insert, config=self.config)
        program = _Body("insert", None, body, (SPLIT, SPLIT, SPLIT), SPLIT, donate=(0,))
        return self._call(program, rows, prompts, heard)

    def run(self, cross: Any, rows: Any, running: Any, limits: Any) -> Any:
        """`run_steps`; the rows are donated."""
        body = partial(run_steps, config=self.config)
        specs = (WHOLE, SPLIT, SPLIT, SPLIT, WHOLE)
        program = _Body("run", None, body, specs, (SPLIT, SPLIT), donate=(2,))
        return self._call(program, self._params, cross, rows, running, limits)

    def resize(self, state: PoolState, sources: Any, n_positions: int) -> PoolState:
        """`resize_pool`; the old state is the caller's to let go."""
        body = partial(resize_pool, n_positions=n_positions)
        program = _Body("resize", n_positions, body, (SPLIT, SPLIT), SPLIT)
        return self._call(program, state, sources)

    def fit(self, rows: Any, n_rows: int, n_positions: int) -> Any:
        """`fit_rows`; the old rows are the caller's to let go."""
        body = partial(fit_rows, n_rows=n_rows, n_positions=n_positions)
        return self._call(_Body("fit", (n_rows, n_positions), body, (SPLIT,), SPLIT), rows)

    def empty(self, n_slots: int, n_rows: int, n_positions: int) -> PoolState:
        """`empty_pool` on every shard."""
        sizes = (n_slots, n_rows, n_positions)
        types = self.config.cache_dtype, self.config.cross_dtype
        body = partial(empty_pool, self.config.dims, *sizes, *types)
        return self._call(_Body("empty", sizes, body, (), SPLIT))

    def _call(self, body: _Body, *args: Any) -> Any:
        leaves, structure = jax.tree.flatten([arg for arg in args if arg is not self._params])
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        key = (body.name, body.static, structure, shapes)
        with self._lock:
            found = self._compiled.get(key)
            if found is None and not (self._compiles or self._is_kept(key)):
                raise NotKeptError(body.name)
            program = found or self._compiled.setdefault(key, Future())
        if found is None:
            try:
                program.set_result(self._load(key, partial(self._compile, body, args)))
            except BaseException as error:
                with self._lock:
                    del self._compiled[key]
                program.set_exception(error)
        ready = program.result()
        return ready.out_info if self._fetches else ready(*args)

    def _is_kept(self, key: tuple[Any, ...]) -> bool:
        return self._store is not None and self._store.path(key[0], (self._about, key)).exists()

    def _load(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        if self._store is None:
            return make()
        return self._store.read_or_compile(key[0], (self._about, key), make)

    def _compile(self, body: _Body, args: tuple[Any, ...]) -> Any:
        lifted = jax.shard_map(
            body.function,
            mesh=self._mesh,
            in_specs=body.in_specs,
            out_specs=body.out_specs,
            check_vma=False,
        )

        def program(*args: Any) -> Any:
            # float32 is float32 on every device, not the faster imitations of it.
            exact = jnp.dtype(self.config.compute_dtype) == jnp.float32
            with jax.default_matmul_precision("highest" if exact else "default"):
                return lifted(*args)

        program.__name__ = body.name
        jitted = jax.jit(
            program,
            in_shardings=tuple(NamedSharding(self._mesh, spec) for spec in body.in_specs),
            donate_argnums=body.donate,
        )
        return jitted.lower(*args).compile(compiler_options=self._options)
