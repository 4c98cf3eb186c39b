"""Reading a checkpoint from a folder or a file, whatever project wrote it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whisper_jax.checkpoints import ct2, ggml, openai_pt, safetensors_hf
from whisper_jax.checkpoints.cache import CTRANSLATE2, SAFETENSORS, SAFETENSORS_INDEX
from whisper_jax.checkpoints.sources import canonical_name
from whisper_jax.checkpoints.torch_files import is_torch_file
from whisper_jax.errors import CheckpointError, UnknownModelError
from whisper_jax.model.alignment_heads import alignment_heads
from whisper_jax.model.dims import PUBLISHED, ModelDims
from whisper_jax.model.params import WhisperParams
from whisper_jax.text.files import has_tokenizer
from whisper_jax.text.published import published_tokens

_FORMATS = (SAFETENSORS, SAFETENSORS_INDEX, CTRANSLATE2)
_FILES_ALONE = ("*.pt", "ggml*.bin")
"""Models that are a file without others beside it, in a folder: how they are called."""
_NAME_OF_FILE = re.compile(r"(?:ggml-)?(.+?)(?:-q\d_\d)?")
_START_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model as its files have it.

    Attributes:
        file: The file of its weights, or their index.
        dims: Its sizes, from the shapes of its arrays.
        params: Its weights: numpy arrays in the stored floating type, read-only views of the
            file where possible, not yet on a device.
        folder: Where its tokenizer files stand; None if it has none and its text tokens are the
            published ones.
        has_settings: Its format has JSON files with settings beside the weights.
        alignment_heads: (decoder layer, head) of the cross-attention heads that follow the
            audio, or None if no file says, or names heads that the model does not have: files of
            distilled models often keep those of the model that taught them.
    """

    file: Path
    dims: ModelDims
    params: WhisperParams
    folder: Path | None
    has_settings: bool
    alignment_heads: tuple[tuple[int, int], ...] | None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint: Hugging Face safetensors, CTranslate2, OpenAI's ``.pt``, or ggml.

    Args:
        path: A folder with ``model.safetensors``, ``model.safetensors.index.json`` or
            ``model.bin`` (the first of these is taken) or else one ``.pt`` or ``ggml*.bin`` file;
            or a file. What else is needed is looked for beside it.

    Returns:
        Sizes and weights; nothing is computed or copied that need not be.

    Raises:
        UnknownModelError: There is nothing at ``path``.
        CheckpointError: What is there is no Whisper checkpoint; the message says why.
    """
    if not path.exists():
        raise UnknownModelError(f"no folder or file {path}")
    file = _weights_in(path) if path.is_dir() else path
    if file.name.endswith((".safetensors", ".index.json")):
        config = read_json(file.parent / "config.json")
        return _with_files(file, config, *safetensors_hf.read(file, config))
    start = _start(file)
    if is_torch_file(start):
        return _alone(file, *openai_pt.read(file))
    if start.startswith(ggml.MAGIC.to_bytes(4, "little")):
        dims, params, tokens = ggml.read(file)
        return _alone(file, dims, params, tokens)
    if file.suffix == ".bin":
        config = read_json(file.parent / "config.json")
        return _with_files(file, config, *ct2.read(file))
    raise CheckpointError(
        f"{file} is in no format that is read; give a folder or one of: {_known_files()}"
    )


def _with_files(
    file: Path, config: dict[str, Any], dims: ModelDims, params: WhisperParams
) -> Checkpoint:
    """A checkpoint of a format that has its tokenizer and settings beside it."""
    heads = _alignment_heads(file.parent, config, dims)
    return Checkpoint(
        file=file,
        dims=dims,
        params=params,
        folder=file.parent,
        has_settings=True,
        alignment_heads=heads,
    )


def _alone(
    file: Path, dims: ModelDims, params: WhisperParams, tokens: tuple[bytes, ...] | None = None
) -> Checkpoint:
    """A checkpoint of a format that is a single file; its text tokens may be told."""
    folder = file.parent if has_tokenizer(file.parent) else None
    if folder is None and tokens is not None:
        published = published_tokens(dims.n_vocab)
        # Some converters leave the last, empty token out; some go on with special ones.
        n_tokens = min(len(tokens), len(published))
        if n_tokens < len(published) - 1 or tokens[:n_tokens] != published[:n_tokens]:
            raise CheckpointError(
                f"{file} has other text tokens than the published models: put the tokenizer.json "
                "of the model that was converted beside it"
            )
    name = _published_name(file, dims)
    return Checkpoint(
        file=file,
        dims=dims,
        params=params,
        folder=folder,
        has_settings=False,
        alignment_heads=None if name is None else alignment_heads(dims, name),
    )


def _published_name(file: Path, dims: ModelDims) -> str | None:
    """The published model that a file is called after, if it has its sizes.

    As ``large-v1.pt`` and ``ggml-large-v1-q5_0.bin`` are: large-v1 and -v2 differ in nothing else
    that could be told before the weights are used.
    """
    found = _NAME_OF_FILE.fullmatch(file.stem)
    name = canonical_name(found[1]) if found else None
    return name if name is not None and PUBLISHED.get(name) == dims else None


def _weights_in(folder: Path) -> Path:
    for name in _FORMATS:
        if (folder / name).is_file():
            return folder / name
    alone = sorted(path for how in _FILES_ALONE for path in folder.glob(how) if path.is_file())
    if len(alone) > 1:
        names = ", ".join(path.name for path in alone)
        raise CheckpointError(f"{folder} has several models: give the path of one of {names}")
    if not alone:
        raise CheckpointError(f"{folder} is no checkpoint: it has none of {_known_files()}")
    return alone[0]


def _known_files() -> str:
    return ", ".join((*_FORMATS, *_FILES_ALONE))


def _start(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(_START_BYTES)
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error


def _alignment_heads(
    folder: Path, config: dict[str, Any], dims: ModelDims
) -> tuple[tuple[int, int], ...] | None:
    """They stand in generation_config.json (Hugging Face) or in config.json (CTranslate2)."""
    given = read_json(folder / "generation_config.json").get("alignment_heads")
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


def read_json(path: Path) -> dict[str, Any]:
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
