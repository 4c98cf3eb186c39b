"""From a model's weights and a choice of devices to an engine at work."""

from dataclasses import dataclass, replace

import jax
from jax.sharding import Mesh

from whisper_jax.checkpoints import canonical_name
from whisper_jax.decoding.loop import ModelConfig
from whisper_jax.engine.ahead import AheadReader
from whisper_jax.engine.attention import fastest_attention
from whisper_jax.engine.compute import NumberTypes, model_config
from whisper_jax.engine.device import DeviceCounts
from whisper_jax.engine.lanes import Lanes, start_lanes
from whisper_jax.engine.lift import DevicePrograms
from whisper_jax.engine.memory import MemoryPlan, memory_plan, slots_for
from whisper_jax.engine.policy import DevicePolicy
from whisper_jax.engine.sharding import device_mesh
from whisper_jax.engine.threads import has_spare_thread, offer_cpu_devices
from whisper_jax.engine.weights import PreparedWeights
from whisper_jax.errors import OptionError
from whisper_jax.model.alignment_heads import alignment_heads
from whisper_jax.model.decoder import Head


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


@dataclass(frozen=True, kw_only=True)
class PlannedModel:
    """A model of which all is known, but nothing is on the devices yet.

    Attributes:
        name: What requests call it.
        weights: Its weights, as they are computed with.
        config: How it is computed.
        heads: The heads that follow the audio.
        memory: What it takes on a device.
    """

    name: str
    weights: PreparedWeights
    config: ModelConfig
    heads: tuple[Head, ...]
    memory: MemoryPlan


def plan_model(
    name: str, weights: PreparedWeights, types: NumberTypes, policy: DevicePolicy, mesh: Mesh
) -> PlannedModel:
    """What a model needs on the devices of a mesh."""
    dims = weights.dims
    return PlannedModel(
        name=name,
        weights=weights,
        config=fastest_attention(model_config(dims, types, policy), types, mesh),
        heads=weights.heads or alignment_heads(dims, canonical_name(name) or ""),
        memory=memory_plan(dims, types, policy, n_model=mesh.shape["model"]),
    )


def lane_meshes(policy: DevicePolicy, mesh: Mesh) -> list[Mesh]:
    """The mesh, or its copies of the model each for itself where none is to wait for another."""
    if policy.joins_shards or mesh.shape["data"] == 1:
        return [mesh]
    return [device_mesh(row, mesh.shape["model"]) for row in mesh.devices]


def put_model(
    planned: PlannedModel, policy: DevicePolicy, mesh: Mesh
) -> tuple[list[DevicePrograms], AheadReader]:
    """Put a model on the devices: its programs, and what reads them before they are asked for."""
    meshes = lane_meshes(policy, mesh)
    config = replace(planned.config, is_single_threaded=len(meshes) > 1)
    programs = [
        DevicePrograms(planned.weights.params, config, one, planned.heads) for one in meshes
    ]
    return programs, AheadReader(programs[0], policy, policy.slot_buckets[0])


def start_engine(
    planned: PlannedModel, policy: DevicePolicy, mesh: Mesh, batch_size: int | None
) -> tuple[Lanes, list[DeviceCounts], int, AheadReader]:
    """An engine for a model, what its pools count, how many windows it has room for.

    And what reads programs before they are asked for.
    """
    n_shards = mesh.shape["data"]
    most = policy.most_slots * n_shards if batch_size is None else batch_size
    fitting = slots_for(planned.memory, list(mesh.devices.flat), -(-most // n_shards))
    n_windows = min(most, n_shards * fitting)
    programs, ahead = put_model(planned, policy, mesh)
    engine, counts = start_lanes(planned.name, programs, policy, n_windows)
    return engine, counts, n_windows, ahead
