"""Whether the encoder can attend with cuDNN, asked of the very devices: nothing else knows."""

import logging
from dataclasses import replace

from jax.sharding import Mesh

from whisper_jax.decoding.loop import ModelConfig
from whisper_jax.engine import bodies
from whisper_jax.engine.compute import NumberTypes, weight_shapes
from whisper_jax.engine.lift import Lift
from whisper_jax.engine.shapes import window_shapes

_log = logging.getLogger(__name__)


def fastest_attention(config: ModelConfig, types: NumberTypes, mesh: Mesh) -> ModelConfig:
    """The model with cuDNN's attention, if an encoder of one layer compiles with it.

    That needs an NVIDIA GPU of some age at most, cuDNN, 16-bit floats, and sizes that it knows.
    """
    if config.attention == "plain":
        return config
    dims = replace(config.dims, n_audio_layer=1, n_text_layer=1)
    trial = replace(config, dims=dims, attention="cudnn")
    windows = window_shapes(mesh.shape["data"], 2 * dims.n_audio_ctx)
    try:
        Lift(trial, mesh).compile(bodies.encode(trial), (weight_shapes(dims, types), windows))
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        _log.info("no attention by cuDNN: %s", str(error).partition("\n")[0])
        return config
    return replace(config, attention="cudnn")
