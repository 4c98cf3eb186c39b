"""Weights of other projects: where to get them, and how to read them.

Only `load_checkpoint` and `Checkpoint` need JAX, and they bring it only when they are first
used: finding, fetching and listing models do without.
"""

from typing import TYPE_CHECKING, Any

from whisper_jax.checkpoints.cache import cached_models
from whisper_jax.checkpoints.download import DownloadProgress
from whisper_jax.checkpoints.resolve import resolve_model
from whisper_jax.checkpoints.sources import canonical_name, known_models

if TYPE_CHECKING:
    from whisper_jax.checkpoints.load import Checkpoint, load_checkpoint

__all__ = [
    "Checkpoint",
    "DownloadProgress",
    "cached_models",
    "canonical_name",
    "known_models",
    "load_checkpoint",
    "resolve_model",
]


def __getattr__(name: str) -> Any:
    if name not in ("Checkpoint", "load_checkpoint"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from whisper_jax.checkpoints import load

    return getattr(load, name)
