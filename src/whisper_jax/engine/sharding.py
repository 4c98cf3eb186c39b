"""Where arrays lie on a mesh: slots over its axis ``data``, heads and widths over ``model``.

Logical axes say what an array's axes are; here they become axes of the mesh. What is to be split
over ``model`` and does not divide is on every device instead: no array is ever padded for it.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from whisper_jax.errors import OptionError
from whisper_jax.model.caches import cache_axes, is_cache
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import Leaf, WhisperParams, is_leaf, spec
from whisper_jax.model.weights import weight_axes


def device_mesh(devices: Sequence[Any], model_parallel: int = 1) -> Mesh:
    """A mesh of all the devices, with axes ``data`` and ``model``.

    Args:
        devices: JAX devices; neighbours share a model.
        model_parallel: Devices that share the weights of one model.

    Raises:
        OptionError: The devices cannot be shared out like that.
    """
    if model_parallel < 1 or len(devices) % model_parallel:
        raise OptionError(
            f"model_parallel is {model_parallel}, which does not divide {len(devices)} devices"
        )
    return Mesh(np.array(devices).reshape(-1, model_parallel), ("data", "model"))


class Layout:
    """Where the arrays of one model lie: `PartitionSpec`s for trees of them.

    Args:
        dims: Sizes of the model.
        n_model: Devices that share its weights.
    """

    def __init__(self, dims: ModelDims, n_model: int) -> None:
        self._spec = spec(dims)
        # A head is never cut in two. Encoder and decoder are split alike.
        parts = {
            "heads": math.gcd(dims.n_audio_head, dims.n_text_head),
            "mlp": math.gcd(dims.n_mlp_audio, dims.n_mlp_text),
            "vocab": dims.n_vocab,
        }
        is_split = [name for name, n in parts.items() if n % n_model == 0]
        self._n_parts = dict.fromkeys(is_split, n_model)
        self._mesh_axis = dict.fromkeys(is_split, "model") | {"slot": "data"}

    def n_parts(self, axis: str) -> int:
        """Into how many parts a logical axis of the model is split."""
        return self._n_parts.get(axis, 1)

    def of_params(self, params: WhisperParams) -> WhisperParams:
        """Of the weights; arrays or their shapes will do."""

        def of_weight(leaf: Leaf, weight: Any) -> Any:
            return weight_axes(weight, leaf.axes, self._place)

        return jax.tree.map(of_weight, self._spec, params, is_leaf=is_leaf)

    def of_state(self, tree: Any) -> Any:
        """Of arrays whose first axis is slots, or the entries of a batch for them."""

        def of_node(node: Any) -> Any:
            return cache_axes(node, self._place) if is_cache(node) else P("data")

        return jax.tree.map(of_node, tree, is_leaf=is_cache)

    def _place(self, *axes: str | None) -> P:
        """The axes of the mesh for logical axes."""
        return P(*(self._mesh_axis.get(name) if name else None for name in axes))
