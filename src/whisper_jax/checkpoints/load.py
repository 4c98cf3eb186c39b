"""Reading a checkpoint from a folder or a file, whatever project wrote it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whisper_jax.checkpoints import ct2, safetensors_hf
from whisper_jax.checkpoints.cache import CTRANSLATE2, SAFETENSORS, SAFETENSORS_INDEX
from whisper_jax.errors import CheckpointError, UnknownModelError
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import WhisperParams

_FORMATS = (SAFETENSORS, SAFETENSORS_INDEX, CTRANSLATE2)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model as its files have it.

    Attributes:
        dims: Its sizes, from the shapes of its arrays.
        params: Its weights: numpy arrays in the stored floating type, read-only views of the
            file where possible, not yet on a device.
        folder: Where its tokenizer files stand.
        alignment_heads: (decoder layer, head) of the cross-attention heads that follow the
            audio, or None if no file says, or names heads that the model does not have: files of
            distilled models often keep those of the model that taught them.
    """

    dims: ModelDims
    params: WhisperParams
    folder: Path
    alignment_heads: tuple[tuple[int, int], ...] | None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint: Hugging Face safetensors, or CTranslate2.

    Args:
        path: A folder with ``model.safetensors``, ``model.safetensors.index.json`` or
            ``model.bin`` (the first of these is taken), or one such file; what else is needed is
            looked for beside it.

    Returns:
        Sizes and weights; nothing is computed or copied that need not be.

    Raises:
        UnknownModelError: There is nothing at ``path``.
        CheckpointError: What is there is no Whisper checkpoint; the message says why.
    """
    if not path.exists():
        raise UnknownModelError(f"no folder or file {path}")
    file = _weights_in(path) if path.is_dir() else path
    folder = file.parent
    config = _read_json(folder / "config.json")
    if file.name.endswith((".safetensors", ".index.json")):
        dims, params = safetensors_hf.read(file, config)
    elif file.suffix == ".bin":
        dims, params = ct2.read(file)
    else:
        raise CheckpointError(
            f"{file} is in no format that is read; give a folder or one of: {', '.join(_FORMATS)}"
        )
    heads = _alignment_heads(folder, config, dims)
    return Checkpoint(dims=dims, params=params, folder=folder, alignment_heads=heads)


def _weights_in(folder: Path) -> Path:
    for name in _FORMATS:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(f"{folder} is no checkpoint: it has none of {', '.join(_FORMATS)}")


def _alignment_heads(
    folder: Path, config: dict[str, Any], dims: ModelDims
) -> tuple[tuple[int, int], ...] | None:
    """They stand in generation_config.json (Hugging Face) or in config.json (CTranslate2)."""
    given = _read_json(folder / "generation_config.json").get("alignment_heads")
    given = config.get("alignment_heads") if given is None else given
    if given is None:
        return None
    try:
        heads = tuple((int(layer), int(head)) for layer, head in given)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"alignment_heads in {folder} are not pairs of numbers") from error
    n_layers, n_heads = dims.n_text_layer, dims.n_text_head
    are_there = all(0 <= layer < n_layers and 0 <= head < n_heads for layer, head in heads)
    return heads if heads and are_there else None


def _read_json(path: Path) -> dict[str, Any]:
    """An object from a file; empty if there is no file."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no JSON object")
    return content
