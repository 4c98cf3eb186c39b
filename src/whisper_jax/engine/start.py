"""From a model's weights and a choice of devices to an engine at work."""

from dataclasses import replace

import jax
from jax.sharding import Mesh

from whisper_jax.checkpoints import canonical_name
from whisper_jax.engine.ahead import AheadReader
from whisper_jax.engine.attention import fastest_attention
from whisper_jax.engine.compute import NumberTypes, model_config
from whisper_jax.engine.device import DeviceCounts
from whisper_jax.engine.lanes import Lanes, start_lanes
from whisper_jax.engine.lift import DevicePrograms
from whisper_jax.engine.memory import memory_plan, slots_for
from whisper_jax.engine.policy import DevicePolicy
from whisper_jax.engine.sharding import device_mesh
from whisper_jax.engine.threads import has_spare_thread, offer_cpu_devices
from whisper_jax.engine.weights import PreparedWeights
from whisper_jax.errors import OptionError
from whisper_jax.model.alignment_heads import alignment_heads


def mesh_of(platform: str | None, n_devices: int, model_parallel: int) -> Mesh:
    """A mesh of the first so many devices of a platform that are this process's own."""
    offer_cpu_devices(n_devices)  # both before JAX starts its devices
    has_spare_thread()
    try:
        devices = jax.local_devices(backend=platform)
    except RuntimeError as error:
        raise OptionError(
            f"no device {platform!r}; this installation of JAX has "
            f"{', '.join(sorted({device.platform for device in jax.devices()}))}"
        ) from error
    if not 1 <= n_devices <= len(devices):
        raise OptionError(
            f"n_devices is {n_devices}; JAX has {len(devices)} of platform {devices[0].platform}"
        )
    return device_mesh(devices[:n_devices], model_parallel)


def start_engine(
    name: str,
    weights: PreparedWeights,
    types: NumberTypes,
    policy: DevicePolicy,
    mesh: Mesh,
    batch_size: int | None,
) -> tuple[Lanes, list[DeviceCounts], int, AheadReader]:
    """An engine for a model, what its pools count, how many windows it has room for.

    And what reads programs before they are asked for.
    """
    devices, n_shards, dims = list(mesh.devices.flat), mesh.shape["data"], weights.dims
    config = fastest_attention(model_config(dims, types, policy), types, mesh)
    heads = weights.heads or alignment_heads(dims, canonical_name(name) or "")
    plan = memory_plan(dims, types, policy, n_model=mesh.shape["model"])
    most = policy.most_slots * n_shards if batch_size is None else batch_size
    n_windows = min(most, n_shards * slots_for(plan, devices, -(-most // n_shards)))
    meshes = [mesh]
    if not policy.joins_shards and n_shards > 1:
        meshes = [device_mesh(row, mesh.shape["model"]) for row in mesh.devices]
        config = replace(config, is_single_threaded=True)
    programs = [DevicePrograms(weights.params, config, one, heads) for one in meshes]
    ahead = AheadReader(programs[0], policy, policy.slot_buckets[0])
    engine, counts = start_lanes(name, programs, policy, n_windows)
    return engine, counts, n_windows, ahead
