"""The two limits of this machine, and the parts of the model by themselves.

Products: ``[1500, 512] x [512, 2048]``, the shape of a feed-forward layer in ``base``. Reading: a
large array is summed or multiplied with a vector; the fastest of several programs tells, since
each is bound by what it is compiled to. The parts are the engine's own device programs.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from whisper_jax.audio.units import N_WINDOW_SAMPLES
from whisper_jax.bench.costs import (
    decoder_cache_bytes,
    decoder_weight_bytes,
    encoder_multiply_adds,
)
from whisper_jax.bench.results import Limits, PartSpeed
from whisper_jax.checkpoints import resolve_model
from whisper_jax.checkpoints.load import Checkpoint, load_checkpoint
from whisper_jax.decoding.loop import ModelConfig
from whisper_jax.engine.compute import cast_params, model_config, number_types
from whisper_jax.engine.device import DevicePool
from whisper_jax.engine.lift import DevicePrograms
from whisper_jax.engine.policy import bucket_of, policy_for
from whisper_jax.engine.scheduler import Slot
from whisper_jax.engine.sharding import device_mesh
from whisper_jax.options import ComputeType
from whisper_jax.requests import Decode, DecodeRules, Encode

_N_TIMED = 4
_N_PROMPT = 4
_READ_BYTES = 256 * 2**20


def measure_limits(
    model: str, compute_types: list[ComputeType], batch_size: int | None, device: str | None
) -> Limits:
    """Measure the limits of a device, and a model's parts on it, each in every compute type.

    Without a batch size the decoder has as many slots as its platform takes at most.
    """
    chosen = jax.devices(device)[0]
    with jax.default_device(chosen):
        read_bytes_per_s = _read_bytes_per_s()
    checkpoint = load_checkpoint(resolve_model(model))
    parts: list[PartSpeed] = []
    for compute_type in compute_types:
        parts += _parts(checkpoint, compute_type, batch_size, chosen)
    products = dict.fromkeys(["float32", "bfloat16", "int8", *(part.product for part in parts)])
    with jax.default_device(chosen):
        matrix_flops = {name: _matrix_flops(name) for name in products}
    return Limits(matrix_flops=matrix_flops, read_bytes_per_s=read_bytes_per_s, parts=tuple(parts))


def _best_s(program: Callable[..., Any], *arrays: Any, n_times: int) -> float:
    jax.block_until_ready(program(*arrays))
    times = []
    for _ in range(n_times):
        start_s = time.perf_counter()
        jax.block_until_ready(program(*arrays))
        times.append(time.perf_counter() - start_s)
    return min(times)


def _matrix_flops(dtype: str) -> float:
    n_time, d_in, d_out = 1500, 512, 2048
    a, b = jnp.ones((n_time, d_in), dtype), jnp.ones((d_in, d_out), dtype)
    # float32 is to be float32 on every device, as in the engine.
    precision = "highest" if dtype == "float32" else "default"
    total = jnp.int32 if dtype == "int8" else dtype
    product = jax.jit(partial(jnp.matmul, precision=precision, preferred_element_type=total))
    return 2 * n_time * d_in * d_out / _best_s(product, a, b, n_times=30)


def _read_bytes_per_s() -> float:
    n_columns = 2048
    array = jnp.ones((_READ_BYTES // 4 // n_columns, n_columns), jnp.float32)
    vector = jnp.ones(n_columns, jnp.float32)
    seconds = [
        _best_s(jax.jit(partial(jnp.sum, axis=0)), array, n_times=5),
        _best_s(jax.jit(partial(jnp.max, axis=1)), array, n_times=5),
        _best_s(jax.jit(jnp.matmul), array, vector, n_times=5),
    ]
    return _READ_BYTES / min(seconds)


def _parts(
    checkpoint: Checkpoint, compute_type: ComputeType, batch_size: int | None, device: Any
) -> list[PartSpeed]:
    dims, policy = checkpoint.dims, policy_for(device.platform)
    types = number_types(compute_type, policy, device.platform)
    config = model_config(dims, types, policy)
    params = cast_params(checkpoint.params, types)
    pool = DevicePool(DevicePrograms(params, config, device_mesh([device])), policy)
    n_slots = policy.slot_buckets_up_to(batch_size or policy.most_slots)[-1]
    slots = [Slot(0, index) for index in range(n_slots)]
    pool.resize(n_slots, [])
    window_s = encode_s(pool, slots)
    each_step_s = step_s(pool, slots, config)
    n_positions = bucket_of(policy.position_buckets, _N_PROMPT + (_N_TIMED + 3) * policy.max_steps)
    step_bytes = decoder_weight_bytes(dims, types)
    step_bytes += decoder_cache_bytes(dims, n_slots, n_slots, n_positions, types)
    return [
        PartSpeed(
            part="encoder",
            compute_type=compute_type,
            product="int8" if types.int8_encoder else types.floats,
            seconds=window_s,
            work=2 * encoder_multiply_adds(dims),
            n_slots=min(n_slots, policy.encode_limit),
        ),
        PartSpeed(
            part="decoder",
            compute_type=compute_type,
            product="int8" if types.int8_decoder else types.floats,
            seconds=each_step_s,
            work=step_bytes,
            n_slots=n_slots,
        ),
    ]


def encode_s(pool: DevicePool, slots: list[Slot]) -> float:
    """Seconds a window, all slots filled; the best of two rounds."""
    noise = np.random.default_rng(0).normal(0, 0.1, N_WINDOW_SAMPLES).astype(np.float32)
    window = Encode(samples=noise, n_frames=3000, peak=float("-inf"))
    size = min(len(slots), pool.policy.encode_limit)
    batches = [slots[at : at + size] for at in range(0, len(slots), size)]
    pool.encode([(slot, window) for slot in batches[0]])
    times: list[float] = []
    for batch in [*batches, *batches]:
        if len(batch) == size:  # a smaller rest would compile another program
            start_s = time.perf_counter()
            pool.encode([(slot, window) for slot in batch])
            times.append(time.perf_counter() - start_s)
    return min(times) / size


def step_s(pool: DevicePool, slots: list[Slot], config: ModelConfig) -> float:
    """Seconds a step with every slot busy."""
    # Without an end of text no row finishes, so that every call runs all its steps.
    rules = DecodeRules(suppress=(config.ids.eot,), timestamps=False)
    request = Decode(prompt=(config.sot,) * _N_PROMPT, sot_index=0, rules=rules)
    size = pool.policy.prefill_limit
    for at in range(0, len(slots), size):
        pool.prefill([(slot, request) for slot in slots[at : at + size]])
    # Twice, since a policy may read the result of a call only in the next one.
    pool.run(slots)
    pool.run(slots)
    times: list[float] = []
    for _ in range(_N_TIMED):
        start_s = time.perf_counter()
        pool.run(slots)
        times.append(time.perf_counter() - start_s)
    each_s = sum(times) / _N_TIMED if pool.policy.reads_late else min(times)
    return each_s / pool.policy.max_steps
