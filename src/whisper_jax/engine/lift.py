"""The device programs lifted over the shards: `shard_map` over the mesh's ``data`` axis, and jit.

Every array of the state, and of what goes in and comes out, has the slots or the entries of a
batch as its first axis and is split along it; the weights and the limits are on every shard.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

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
    run_steps,
)
from whisper_jax.decoding.state import PoolState, empty_pool, fit_rows, resize_pool
from whisper_jax.model.params import WhisperParams

SPLIT, WHOLE = P("data"), P()


class DevicePrograms:
    """The programs of one model on one mesh; each compiles once for each set of shapes.

    What recompiles: the number of slots (all); the rows of a slot and the room for tokens
    (``run``, ``insert``, ``resize``, ``fit``); the windows in a call and how much of them is heard
    (``encode``); the windows in a call (``language``); the prompts in a call and their length
    bucket (``prefill``, ``insert``).
    """

    def __init__(self, params: WhisperParams, config: ModelConfig, mesh: Mesh) -> None:
        self.config = config
        self.n_shards = mesh.shape["data"]
        self._mesh = mesh
        self._params = jax.device_put(params, NamedSharding(mesh, WHOLE))
        self._compiled: dict[tuple[str, object], Any] = {}

    @property
    def n_compiled(self) -> int:
        """Programs compiled so far, each set of shapes counted."""
        return sum(program._cache_size() for program in self._compiled.values())

    def encode(self, cross: Any, windows: Any) -> Any:
        """`encode_windows`; the cache is donated."""
        body = partial(encode_windows, config=self.config)
        specs = (WHOLE, SPLIT, SPLIT)
        program = self._program("encode", None, body, specs, (SPLIT, SPLIT), donate=1)
        return program(self._params, cross, windows)

    def language(self, cross: Any, slots: Any) -> Any:
        """`language_logits`."""
        body = partial(language_logits, config=self.config)
        program = self._program("language", None, body, (WHOLE, SPLIT, SPLIT), SPLIT)
        return program(self._params, cross, slots)

    def prefill(self, cross: Any, prompts: Any) -> Any:
        """`prefill`: what was heard, for `insert`."""
        body = partial(prefill, config=self.config)
        program = self._program("prefill", None, body, (WHOLE, SPLIT, SPLIT), SPLIT)
        return program(self._params, cross, prompts)

    def insert(self, rows: Any, prompts: Any, heard: Any) -> Any:
        """`insert`; the rows are donated."""
        body = partial(insert, config=self.config)
        program = self._program("insert", None, body, (SPLIT, SPLIT, SPLIT), SPLIT, donate=0)
        return program(rows, prompts, heard)

    def run(self, cross: Any, rows: Any, running: Any, limits: Any) -> Any:
        """`run_steps`; the rows are donated."""
        body = partial(run_steps, config=self.config)
        specs = (WHOLE, SPLIT, SPLIT, SPLIT, WHOLE)
        program = self._program("run", None, body, specs, (SPLIT, SPLIT), donate=2)
        return program(self._params, cross, rows, running, limits)

    def resize(self, state: PoolState, sources: Any, n_positions: int) -> PoolState:
        """`resize_pool`; the old state is the caller's to let go."""
        body = partial(resize_pool, n_positions=n_positions)
        program = self._program("resize", n_positions, body, (SPLIT, SPLIT), SPLIT)
        return program(state, sources)

    def fit(self, rows: Any, n_rows: int, n_positions: int) -> Any:
        """`fit_rows`; the old rows are the caller's to let go."""
        body = partial(fit_rows, n_rows=n_rows, n_positions=n_positions)
        return self._program("fit", (n_rows, n_positions), body, (SPLIT,), SPLIT)(rows)

    def empty(self, n_slots: int, n_rows: int, n_positions: int) -> PoolState:
        """`empty_pool` on every shard."""
        sizes = (n_slots, n_rows, n_positions)
        types = self.config.cache_dtype, self.config.cross_dtype
        body = partial(empty_pool, self.config.dims, *sizes, *types)
        return self._program("empty", sizes, body, (), SPLIT)()

    def _program(
        self,
        name: str,
        static: object,
        body: Callable[..., Any],
        in_specs: tuple[P, ...],
        out_specs: P | tuple[P, ...],
        donate: int | None = None,
    ) -> Any:
        key = (name, static)
        if key not in self._compiled:
            lifted = jax.shard_map(
                body, mesh=self._mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
            )

            def program(*args: Any) -> Any:
                # float32 is float32 on every device, not the faster imitations of it.
                exact = jnp.dtype(self.config.compute_dtype) == jnp.float32
                with jax.default_matmul_precision("highest" if exact else "default"):
                    return lifted(*args)

            program.__name__ = name
            self._compiled[key] = jax.jit(program, donate_argnums=() if donate is None else donate)
        return self._compiled[key]
