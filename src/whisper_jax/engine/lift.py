"""The device programs lifted over a mesh: `shard_map` over its axis ``data``, and jit.

Every array of the state, and of what goes in and comes out, has the slots or the entries of a
batch as its first axis and is split along it; each shard runs on its own. What a shard's devices
share of the weights and caches (`whisper_jax.engine.sharding`), XLA's partitioner works out.
"""

import copy
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Self

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from whisper_jax.decoding.loop import ModelConfig
from whisper_jax.decoding.state import PoolState
from whisper_jax.engine import bodies
from whisper_jax.engine.bodies import Body, Lies
from whisper_jax.engine.sharding import Layout
from whisper_jax.model.alignment_heads import alignment_heads
from whisper_jax.model.decoder import Head
from whisper_jax.model.params import WhisperParams
from whisper_jax.stored.programs import program_store


class Lift:
    """What makes programs of a model for a mesh.

    Args:
        config: The model.
        mesh: Devices with axes ``data`` and ``model``; they need not be there, if nothing is run.
    """

    def __init__(self, config: ModelConfig, mesh: Mesh) -> None:
        self.config = config
        self.mesh = mesh
        self._layout = Layout(config.dims, mesh.shape["model"])

    def jit(self, body: Body, args: tuple[Any, ...]) -> Any:
        """The program for arguments of these shapes; arrays or their shapes will do."""
        lifted = jax.shard_map(
            body.function,
            mesh=self.mesh,
            in_specs=tuple(P("data") if lies is Lies.SPLIT else P() for lies in body.takes),
            out_specs=P("data"),
            axis_names={"data"},
            check_vma=False,
        )

        def program(*args: Any) -> Any:
            # float32 is float32 on every device, not the faster imitations of it.
            exact = jnp.dtype(self.config.compute_dtype) == jnp.float32
            with jax.default_matmul_precision("highest" if exact else "default"):
                return lifted(*args)

        program.__name__ = body.name
        return jax.jit(
            program,
            in_shardings=tuple(map(self.shardings, body.takes, args)),
            out_shardings=self.shardings(Lies.SPLIT, jax.eval_shape(program, *args)),
            donate_argnums=body.donates,
        )

    def compile(self, body: Body, args: tuple[Any, ...]) -> Any:
        """The program, compiled for the mesh's devices."""
        options: dict[str, str | bool] = {}
        if self.config.rounds_as_written:
            options["xla_allow_excess_precision"] = False
        if self.config.is_single_threaded:
            options["xla_cpu_multi_thread_eigen"] = False
        return self.jit(body, args).lower(*args).compile(compiler_options=options)

    def shardings(self, lies: Lies, tree: Any) -> Any:
        """Where arrays lie on the mesh; their shapes will do."""
        match lies:
            case Lies.WEIGHTS:
                specs = self._layout.of_params(tree)
            case Lies.SPLIT:
                specs = self._layout.of_state(tree)
            case Lies.WHOLE:
                specs = P()
        return jax.tree.map(lambda spec: NamedSharding(self.mesh, spec), specs)


class NotKeptError(LookupError):
    """A program is not on disk."""


class DevicePrograms:
    """The programs of one model on one mesh; each compiles once for each set of shapes.

    What recompiles: the number of slots (``put``, ``take``, ``run``, ``insert``, ``resize``,
    ``fit``); the rows of a slot and the room for tokens (``run``, ``insert``, ``resize``,
    ``fit``), the rows alone (``begin``); the windows in a call and how much of them is heard
    (``encode``); the windows in a call (``language``); the prompts in a call (``begin``) and their
    length bucket (``prefill``, ``insert``);
    the texts in a call and their length bucket (``align``, ``probabilities``); how much of their
    windows is looked at (``take``, ``prefill``, ``align``).

    Pools on several threads may share them: what one compiles the others wait for.

    Args:
        params: The model's weights.
        config: The model.
        mesh: The devices.
        heads: The heads that follow the audio; None takes those of `alignment_heads`.
    """

    def __init__(
        self,
        params: WhisperParams,
        config: ModelConfig,
        mesh: Mesh,
        heads: tuple[Head, ...] | None = None,
    ) -> None:
        self.config = config
        self.heads = alignment_heads(config.dims) if heads is None else heads
        self.n_shards = mesh.shape["data"]
        self.n_devices = mesh.size
        self._lift = Lift(config, mesh)
        self._params = jax.device_put(params, self._lift.shardings(Lies.WEIGHTS, params))
        self._lock = threading.Lock()
        self._compiled: dict[object, Future[Any]] = {}
        self._store = program_store(tuple(mesh.devices.flat))
        leaves, structure = jax.tree.flatten(self._params)
        weights = [(leaf.shape, str(leaf.dtype)) for leaf in leaves]
        devices = [device.id for device in mesh.devices.flat]
        self._about = (config, mesh.shape, devices, str(structure), weights)
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
        return self._call(bodies.encode(self.config), self._params, windows)

    def put(self, cross: Any, encoded: Any, slots: Any) -> Any:
        """`put_windows`; the cache is donated."""
        return self._call(bodies.PUT, cross, encoded, slots)

    def take(self, cross: Any, slots: Any, n_audio_ctx: int) -> Any:
        """`take_windows`."""
        return self._call(bodies.take(n_audio_ctx), cross, slots)

    def language(self, own: Any) -> Any:
        """`language_logits`."""
        return self._call(bodies.language(self.config), self._params, own)

    def prefill(self, own: Any, prompts: Any) -> Any:
        """`prefill`: what was heard, for `begin` and `insert`."""
        return self._call(bodies.prefill(self.config), self._params, own, prompts)

    def align(self, own: Any, texts: Any) -> Any:
        """`align`: what was attended to by the heads that follow the audio."""
        return self._call(bodies.align(self.config, self.heads), self._params, own, texts)

    def probabilities(self, hidden: Any, texts: Any) -> Any:
        """`probabilities`: of the tokens of texts that were aligned."""
        return self._call(bodies.probabilities(self.config), self._params, hidden, texts)

    def begin(self, wanted: Any, heard: Any, n_rows: int) -> Any:
        """`begin`: texts with their first tokens, for `insert`."""
        body = bodies.begin(self.config, n_rows)
        return self._call(body, wanted, heard.logits, heard.no_speech_prob)

    def insert(self, rows: Any, slots: Any, begun: Any, prompt: Any) -> Any:
        """`insert`; the rows are donated."""
        return self._call(bodies.INSERT, rows, slots, begun, prompt)

    def run(self, cross: Any, rows: Any, running: Any, limits: Any) -> Any:
        """`run_steps`; the rows are donated."""
        body = bodies.run(self.config)
        return self._call(body, self._params, cross, rows, running, limits)

    def resize(self, state: PoolState, sources: Any, n_positions: int) -> PoolState:
        """`resize_pool`; the old state is the caller's to let go."""
        return self._call(bodies.resize(n_positions), state, sources)

    def fit(self, rows: Any, n_rows: int, n_positions: int) -> Any:
        """`fit_rows`; the old rows are the caller's to let go."""
        return self._call(bodies.fit(n_rows, n_positions), rows)

    def empty(self, n_slots: int, n_rows: int, n_positions: int) -> PoolState:
        """`empty_pool` on every shard."""
        return self._call(bodies.empty(self.config, n_slots, n_rows, n_positions))

    def _call(self, body: Body, *args: Any) -> Any:
        split = [arg for arg in args if arg is not self._params]
        leaves, structure = jax.tree.flatten(split)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        key = (body.name, body.static, structure, shapes)
        with self._lock:
            found = self._compiled.get(key)
            if found is None and not (self._compiles or self._is_kept(key)):
                raise NotKeptError(body.name)
            program = found or self._compiled.setdefault(key, Future())
        if found is None:
            try:
                make = partial(self._lift.compile, body, args)
                program.set_result(self._load(key, make))
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
