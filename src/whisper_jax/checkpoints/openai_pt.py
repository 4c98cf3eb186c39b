"""Reader of OpenAI's own ``.pt`` files: by ``torch.save``, a dict of sizes and one of tensors."""

from dataclasses import fields
from pathlib import Path

from whisper_jax.checkpoints.names import Stored, assemble, infer_dims, listed
from whisper_jax.checkpoints.openai_names import RULES
from whisper_jax.checkpoints.pickles import StoredTensor
from whisper_jax.checkpoints.torch_files import read_torch
from whisper_jax.errors import CheckpointError
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import WhisperParams

_SIZES = tuple(field.name for field in fields(ModelDims))
_LONGEST_NAME = 200


def read(path: Path) -> tuple[ModelDims, WhisperParams]:
    """Read a ``.pt`` file.

    Args:
        path: The file. The arrays given back are views of it: it must not be written to while
            they are in use (replacing it is harmless).

    Returns:
        Sizes and weights, in their stored type.

    Raises:
        CheckpointError: It holds no Whisper model, it is damaged, or it would have run code.
    """
    file = read_torch(path)
    content = file.content
    if type(content) is not dict or not {"dims", "model_state_dict"} <= set(content):
        raise CheckpointError(
            f"{path} is no checkpoint of openai-whisper: it has no 'dims' and 'model_state_dict'; "
            "save what another library trained as safetensors"
        )
    sizes, tensors = content["dims"], content["model_state_dict"]
    if type(sizes) is not dict or any(type(sizes.get(name)) is not int for name in _SIZES):
        raise CheckpointError(f"{path} does not say the sizes of a Whisper model")
    if type(tensors) is not dict or not all(map(_is_name, tensors)):
        raise CheckpointError(f"{path} has no tensors by name")
    others = [name for name, tensor in tensors.items() if type(tensor) is not StoredTensor]
    if others:
        raise CheckpointError(f"{path} has values that are no tensors: {listed(others)}")
    arrays = {name: file.array(tensor) for name, tensor in tensors.items()}
    stored = Stored(file=path, arrays=arrays)
    dims = infer_dims(stored, RULES, sizes["n_audio_head"], sizes["n_text_head"])
    wrong = [
        f"{name} is {sizes[name]} but the arrays have {getattr(dims, name)}"
        for name in _SIZES
        if sizes[name] != getattr(dims, name)
    ]
    if wrong:
        raise CheckpointError(f"{path} states other sizes than it has: {listed(wrong)}")
    return dims, assemble(stored, RULES, dims)


def _is_name(key: object) -> bool:
    return isinstance(key, str) and len(key) <= _LONGEST_NAME and key.isprintable()
