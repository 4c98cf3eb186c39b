"""Simulated devices: the same texts as on one, with slots and weights shared out over them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from dataclasses import replace

import jax, numpy as np, tiny
from whisper_jax.engine.device import DevicePool
from whisper_jax.engine.policy import CPU
from whisper_jax.engine.scheduler import Slot

n_data, n_model, beam_size = map(int, sys.argv[1:])
assert len(jax.devices()) == n_data * n_model
policy = replace(CPU, max_steps=4)
windows = [tiny.window(seed) for seed in range(4)]
decodes = [
    replace(tiny.decode(6 + 7 * seed, seed=seed), beam_size=beam_size) for seed in range(4)
]

def run(n_data, n_model, slots):
    pool = DevicePool(tiny.new_programs(n_data * n_model, model_parallel=n_model), policy)
    pool.resize(4, [])
    # Every shard in each call: a window or a prompt for each.
    for first in range(0, 4, n_data):
        pool.encode(list(zip(slots, windows))[first : first + n_data])
        pool.prefill(list(zip(slots, decodes))[first : first + n_data])
    found, left = {}, list(slots)
    while left:
        finished = dict(pool.run(left))
        found |= finished
        left = [slot for slot in left if slot not in finished]
    return [found[slot] for slot in slots], pool

one, _ = run(1, 1, [Slot(0, 0), Slot(0, 1), Slot(0, 2), Slot(0, 3)])
several, pool = run(n_data, n_model, [Slot(0, 0), Slot(1, 3), Slot(0, 2), Slot(1, 1)])
assert 0 < pool.counts.occupancy <= 1
if n_model == 1:
    assert one == several, (one, several)
else:
    # Sums over the devices are in another order: the last bits may differ.
    for text, other in zip(one, several):
        assert text.tokens == other.tokens
        np.testing.assert_allclose(text.token_logprobs, other.token_logprobs, atol=1e-4)
    keys = pool._state.rows.cache.keys[0]
    whole, part = keys.shape, keys.sharding.shard_shape(keys.shape)
    assert (part[0], part[2]) == (whole[0] // n_data, whole[2] // n_model)
    weight = pool.programs._params.decoder.layers[0].mlp.up.weight
    assert weight.sharding.shard_shape(weight.shape) == (256, 1024 // n_model)
print("equal")
"""


@pytest.mark.parametrize(("n_data", "n_model", "beam_size"), [(2, 1, 1), (2, 1, 2), (2, 2, 1)])
def test_several_devices_give_the_texts_of_one(n_data: int, n_model: int, beam_size: int) -> None:
    here = Path(__file__).parent
    environment = os.environ | {
        "JAX_NUM_CPU_DEVICES": str(n_data * n_model),
        "PYTHONPATH": str(here),
    }
    command = [sys.executable, "-c", SCRIPT, *map(str, (n_data, n_model, beam_size))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("equal"), done.stderr[-3000:]
