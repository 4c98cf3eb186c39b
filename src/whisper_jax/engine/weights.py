"""A checkpoint's weights in the types that are computed with, from disk if they are kept there.

To read a checkpoint, check it, cast or round its matrices and turn them round takes longer than
all else that a start does. So what comes of it is kept in the cache folder, for each checkpoint
and each choice of types, and mapped into memory the next time: nothing is copied.
"""

import hashlib
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from whisper_jax.engine.compute import NumberTypes, cast_params, weight_shapes
from whisper_jax.model.decoder import Head
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import WhisperParams
from whisper_jax.stored.arrays import read_arrays, write_arrays
from whisper_jax.stored.files import cache_folder, limit_bytes, trim
from whisper_jax.stored.programs import source_digest

_log = logging.getLogger(__name__)

LIMIT_VARIABLE, LIMIT_GB = "WHISPER_JAX_WEIGHTS_GB", 8.0
"""The most that converted weights take on disk; 0 keeps none."""


@dataclass(frozen=True, kw_only=True)
class PreparedWeights:
    """A model as it is computed with.

    Attributes:
        dims: Its sizes.
        folder: Where its tokenizer files stand; None if it has the published tokens.
        heads: See `whisper_jax.checkpoints.load.Checkpoint.alignment_heads`.
        params: Its weights: arrays of the device, or views of a mapped file.
        was_kept: They come from the cache folder.
    """

    dims: ModelDims
    folder: Path | None
    heads: tuple[Head, ...] | None
    params: WhisperParams
    was_kept: bool


def prepare_weights(checkpoint: Path, types: NumberTypes) -> PreparedWeights:
    """The weights of a checkpoint in the types to compute with.

    Args:
        checkpoint: A folder or a file, as `load_checkpoint` takes it.
        types: The types.

    Raises:
        ModelError: It cannot be read.
    """
    most_bytes = limit_bytes(LIMIT_VARIABLE, LIMIT_GB)
    kept = _kept_file(checkpoint, types) if most_bytes > 0 else None
    found = None if kept is None else _read(kept, types)
    if found is not None:
        return found
    from whisper_jax.checkpoints.load import load_checkpoint  # readers of formats: not yet needed

    loaded = load_checkpoint(checkpoint)
    params = cast_params(loaded.params, types)
    prepared = PreparedWeights(
        dims=loaded.dims,
        folder=loaded.folder,
        heads=loaded.alignment_heads,
        params=params,
        was_kept=False,
    )
    del loaded
    if kept is None or sum(leaf.nbytes for leaf in jax.tree.leaves(params)) > most_bytes:
        return prepared
    try:
        about = {
            "dims": asdict(prepared.dims),
            "folder": prepared.folder and str(prepared.folder),
            "heads": prepared.heads,
        }
        write_arrays(kept, _named(params), about)
    except OSError as error:
        _log.info("the converted weights are not kept: %s", error)
        return prepared
    trim(kept.parent, most_bytes)
    # The mapped file in place of the copy: processes share it, and the system can take it back.
    return _read(kept, types, was_kept=False) or prepared


def weights_folder() -> Path:
    """Where converted weights are kept."""
    return cache_folder() / "weights"


def _kept_file(checkpoint: Path, types: NumberTypes) -> Path | None:
    """Where the weights are kept: named by the files they come from and by what is made of them."""
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    try:
        files = [
            (str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(folder.iterdir())
            if path.is_file()
        ]
    except OSError:
        return None
    made = (types, source_digest(("checkpoints", "engine", "model")))
    key = hashlib.sha256(repr((str(checkpoint.resolve()), files, made)).encode()).hexdigest()
    return weights_folder() / f"{key}.arrays"


def _read(path: Path, types: NumberTypes, *, was_kept: bool = True) -> PreparedWeights | None:
    """What is kept; None if it is not there, or damaged: then it is made anew."""
    found = read_arrays(path)
    if found is None:
        return None
    arrays, about = found
    try:
        dims = ModelDims(**about["dims"])
        names, structure = _names(dims, types)
        params = jax.tree.unflatten(structure, [arrays[name] for name in names])
        folder = None if about["folder"] is None else Path(about["folder"])
        heads = about["heads"]
        if heads is not None:
            heads = tuple((int(layer), int(head)) for layer, head in heads)
    except (KeyError, TypeError, ValueError):
        return None
    return PreparedWeights(dims=dims, folder=folder, heads=heads, params=params, was_kept=was_kept)


def _names(dims: ModelDims, types: NumberTypes) -> tuple[list[str], Any]:
    """The name of each array of a model in these types, and the tree that they make."""
    with_paths, structure = jax.tree.flatten_with_path(weight_shapes(dims, types))
    return [_name(path) for path, _ in with_paths], structure


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _named(params: WhisperParams) -> dict[str, Any]:
    with_paths, _ = jax.tree.flatten_with_path(params)
    return {_name(path): np.asarray(leaf) for path, leaf in with_paths}
