"""Which arrays are split over the devices that share a model, and which are on all of them."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import tiny
from jax.sharding import PartitionSpec as P

from whisper_jax.decoding.state import empty_pool
from whisper_jax.engine.compute import weight_shapes
from whisper_jax.engine.sharding import Layout, device_mesh
from whisper_jax.errors import OptionError
from whisper_jax.model.dims import PUBLISHED
from whisper_jax.model.weights import Int8Weight, LoraWeight, weight_axes

INT8 = replace(tiny.FLOAT32, int8_encoder=True, int8_decoder=True, turns_weights=True, cross="int8")


def test_heads_and_widths_are_split_and_the_rest_is_everywhere() -> None:
    layout = Layout(tiny.DIMS, 2)
    specs = layout.of_params(weight_shapes(tiny.DIMS, tiny.FLOAT32))
    layer = specs.decoder.layers[0]
    assert layer.attention.query.weight == P(None, "model")
    assert layer.attention.query.bias == P("model")
    assert layer.cross_attention.out.weight == P("model", None)
    assert layer.cross_attention.out.bias == P(None)
    assert layer.mlp.up.weight == P(None, "model")
    assert layer.mlp.down.weight == P("model", None)
    assert layer.mlp_norm.scale == P(None)
    assert specs.decoder.embedding == P(None, None)  # 51865 is odd
    assert layout.n_parts("heads") == layout.n_parts("mlp") == 2
    assert layout.n_parts("vocab") == 1


def test_the_vocabulary_is_split_where_it_divides() -> None:
    for name, n_parts in (("base.en", 4), ("large-v3", 1)):
        layout = Layout(PUBLISHED[name], 4)
        specs = layout.of_params(weight_shapes(PUBLISHED[name], tiny.FLOAT32))
        assert specs.decoder.embedding == P("model" if n_parts > 1 else None, None)
        assert layout.n_parts("vocab") == n_parts


def test_what_does_not_divide_is_on_every_device() -> None:
    # 6 heads make no 4 parts, though their width of 384 would.
    layout = Layout(PUBLISHED["tiny"], 4)
    layer = layout.of_params(weight_shapes(PUBLISHED["tiny"], tiny.FLOAT32)).encoder.layers[0]
    assert layer.attention.query.weight == P(None, None)
    assert layer.mlp.up.weight == P(None, "model")
    state = layout.of_state(tiny_state("float32"))
    assert state.cross.keys[0] == P("data", None, None, None)


def test_int8_weights_and_their_scales_are_split_alike() -> None:
    specs = Layout(tiny.DIMS, 2).of_params(weight_shapes(tiny.DIMS, INT8))
    mlp = specs.encoder.layers[0].mlp
    assert mlp.up.weight == Int8Weight(P(None, "model"), P("model"))
    assert mlp.down.weight == Int8Weight(P("model", None), P(None))
    turned = specs.decoder.layers[0].mlp
    assert turned.up.weight == Int8Weight(P("model", None), P("model"), is_turned=True)
    assert turned.down.weight == Int8Weight(P(None, "model"), P(None), is_turned=True)


def test_low_rank_updates_are_split_with_their_base() -> None:
    array = np.zeros((2, 2))
    weight = LoraWeight(Int8Weight(array, array[0]), array, array)
    assert weight_axes(weight, ("embed", "mlp"), P) == LoraWeight(
        Int8Weight(P("embed", "mlp"), P("mlp")), P("embed", None), P(None, "mlp")
    )


@pytest.mark.parametrize("cross", ["float32", "int8"])
def test_caches_are_split_by_slots_and_heads(cross: str) -> None:
    state = tiny_state(cross)
    specs = Layout(tiny.DIMS, 2).of_state(state)
    # A specification for each array, none of more axes than the array has.
    together = jax.tree.map(lambda leaf, spec: len(spec) <= leaf.ndim, state, specs)
    assert all(jax.tree.leaves(together))
    assert specs.rows.done == specs.rows.rules.suppress == P("data")
    assert specs.rows.cache.keys[0] == P("data", None, "model", None, None)
    assert specs.rows.cache.ancestry == P("data")
    for keys, key_spec in zip(state.cross.keys, specs.cross.keys, strict=True):
        axis = key_spec.index("model")
        assert keys.shape[axis] in (tiny.DIMS.n_text_head, tiny.DIMS.n_text_state)


def test_a_mesh_has_copies_of_the_model_side_by_side() -> None:
    devices = [f"device {n}" for n in range(6)]
    mesh = device_mesh(devices, 2)
    assert dict(mesh.shape) == {"data": 3, "model": 2}
    assert list(mesh.devices[1]) == ["device 2", "device 3"]
    with pytest.raises(OptionError, match="model_parallel is 4, which does not divide 6"):
        device_mesh(devices, 4)


def tiny_state(cross: str):
    return jax.eval_shape(lambda: empty_pool(tiny.DIMS, 4, 2, 64, "float32", cross))
