"""Two simulated devices: the same texts as one, with the slots shared out over both."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
from dataclasses import replace

import jax, tiny
from whisper_jax.engine.policy import CPU
from whisper_jax.engine.scheduler import Slot

assert len(jax.devices()) == 2
policy = replace(CPU, max_steps=4)
windows = [tiny.window(seed) for seed in range(4)]
decodes = [tiny.decode(6 + 7 * seed, seed=seed) for seed in range(4)]

def run(n_devices, slots):
    pool = tiny.pool(policy, n_devices)
    pool.resize(4, [])
    # Both shards in each call: a window or a prompt for each.
    for first in range(0, 4, n_devices):
        pool.encode(list(zip(slots, windows))[first : first + n_devices])
        pool.prefill(list(zip(slots, decodes))[first : first + n_devices])
    found, left = {}, list(slots)
    while left:
        finished = dict(pool.run(left))
        found |= finished
        left = [slot for slot in left if slot not in finished]
    return [found[slot] for slot in slots], pool.counts

one, _ = run(1, [Slot(0, 0), Slot(0, 1), Slot(0, 2), Slot(0, 3)])
two, counts = run(2, [Slot(0, 0), Slot(1, 3), Slot(0, 2), Slot(1, 1)])
assert one == two, (one, two)
assert 0 < counts.occupancy <= 1
print("equal")
"""


def test_two_devices_give_the_texts_of_one() -> None:
    here = Path(__file__).parent
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PYTHONPATH": str(here),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().endswith("equal"), done.stderr[-3000:]
