"""Every device program with its inputs by shape alone.

With them a program is compiled ahead of time, exported for a kind of device that is not here, or
asked for the memory and the operations that it needs.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from whisper_jax.audio.units import HOP, MARGIN_AFTER, MARGIN_BEFORE
from whisper_jax.decoding.align import Texts
from whisper_jax.decoding.loop import ModelConfig, Windows
from whisper_jax.engine import bodies
from whisper_jax.engine.batches import BatchLayout, prompts_batch, wanted_batch
from whisper_jax.engine.bodies import Body
from whisper_jax.engine.compute import NumberTypes, weight_shapes
from whisper_jax.engine.lift import Lift
from whisper_jax.engine.scheduler import Slot
from whisper_jax.model.alignment_heads import alignment_heads
from whisper_jax.requests import Decode, DecodeRules


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How large a pool is, and what is asked of it in a call.

    Attributes:
        n_slots: Slots of a shard.
        n_rows: Rows of a slot.
        n_positions: Room for tokens.
        n_windows: Windows encoded for a shard in a call.
        n_heard: Log-mel frames of each.
        n_prompts: Prompts read for a shard in a call.
        prompt_length: Tokens that a prompt is padded to.
    """

    n_slots: int
    n_rows: int = 1
    n_positions: int = 256
    n_windows: int = 1
    n_heard: int = 3000
    n_prompts: int = 1
    prompt_length: int = 8


def window_shapes(n_windows: int, n_heard: int) -> Windows:
    """Windows of a call, of each ``n_heard`` log-mel frames."""
    n_samples = MARGIN_BEFORE + n_heard * HOP + MARGIN_AFTER
    return Windows(_floats(n_windows, n_samples), _integers(n_windows), _floats(n_windows))


def program_shapes(
    lift: Lift, types: NumberTypes, sizes: Sizes
) -> dict[str, tuple[Body, tuple[Any, ...]]]:
    """Every device program, by name, with the shapes of its inputs."""
    config, n_shards = lift.config, lift.mesh.shape["data"]
    weights = weight_shapes(config.dims, types)
    programs: dict[str, tuple[Body, tuple[Any, ...]]] = {}

    def add(body: Body, *args: Any) -> Any:
        """Note a program; what comes out of it."""
        programs[body.name] = body, args
        return jax.eval_shape(lift.jit(body, args), *args)

    state = add(bodies.empty(config, sizes.n_slots, sizes.n_rows, sizes.n_positions))
    n = sizes.n_windows * n_shards
    windows = window_shapes(n, sizes.n_heard)
    encoded, _ = add(bodies.encode(config), weights, windows)
    add(bodies.PUT, state.cross, encoded, _integers(n))
    entries = _integers(sizes.n_prompts * n_shards)
    own = add(bodies.take(config.dims.n_audio_ctx), state.cross, entries)
    add(bodies.language(config), weights, own)
    prompts, wanted = _prompts(config, n_shards, sizes)
    texts = Texts(_integers(entries.shape[0], sizes.prompt_length), entries, entries)
    attended = add(bodies.align(config, alignment_heads(config.dims)), weights, own, texts)
    add(bodies.probabilities(config), weights, attended.hidden, texts)
    heard = add(bodies.prefill(config), weights, own, prompts)
    begun = add(bodies.begin(config, sizes.n_rows), wanted, heard.logits, heard.no_speech_prob)
    add(bodies.INSERT, state.rows, entries, begun, heard.cache)
    running = jax.ShapeDtypeStruct((sizes.n_slots * n_shards,), bool)
    add(bodies.run(config), weights, state.cross, state.rows, running, (_integers(), _integers()))
    add(bodies.resize(sizes.n_positions), state, _integers(2 * sizes.n_slots * n_shards))
    add(bodies.fit(2 * sizes.n_rows, sizes.n_positions), state.rows)
    return programs


def _prompts(config: ModelConfig, n_shards: int, sizes: Sizes) -> Any:
    slots = [Slot(0, index) for index in range(sizes.n_prompts)]
    requests = [Decode(prompt=(config.sot,), sot_index=0, rules=DecodeRules())] * sizes.n_prompts
    layout = BatchLayout(slots, n_shards)
    batch = (
        prompts_batch(layout, requests, sizes.prompt_length),
        wanted_batch(layout, requests, config.dims),
    )
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), batch)


def _floats(*shape: int) -> Any:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _integers(*shape: int) -> Any:
    return jax.ShapeDtypeStruct(shape, np.int32)
