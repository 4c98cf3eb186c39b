"""Files as ``torch.save`` writes them, made without torch; `Pickle` writes what it never would."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from whisper_jax.checkpoints.openai_names import openai_name
from whisper_jax.model.dims import ModelDims

STORAGES = {
    np.dtype(np.float32): "FloatStorage",
    np.dtype(np.float16): "HalfStorage",
    np.dtype(ml_dtypes.bfloat16): "BFloat16Storage",
    np.dtype(np.float64): "DoubleStorage",
}
MAGIC = 0x1950A86A20F9469CFC6C


class Tensor:
    """Pickled as torch's tensors are."""

    def __init__(self, array: np.ndarray, **stated: Any) -> None:
        self.array = array
        self.stated = stated

    def __reduce__(self) -> tuple[Any, ...]:
        array, stated = self.array, self.stated
        stride = tuple(step // array.itemsize for step in array.strides)
        storage = Storage(array, stated.get("n_stored", array.size))
        shape = stated.get("shape", array.shape)
        arguments = (storage, stated.get("offset", 0), shape, stated.get("stride", stride))
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (*arguments, False, OrderedDict())


class Storage:
    def __init__(self, array: np.ndarray, n_stored: int) -> None:
        self.array, self.n_stored = array, n_stored


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, protocol: int, rest: tuple[Any, ...]) -> None:
        super().__init__(file, protocol)
        self.rest, self.storages = rest, {}

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, Storage):
            return None
        key = self.storages.setdefault(id(obj.array), (str(len(self.storages)), obj.array))[0]
        kind = getattr(sys.modules["torch"], STORAGES[obj.array.dtype])
        return ("storage", kind, key, "cpu", obj.n_stored, *self.rest)


@contextmanager
def _torch_names() -> Iterator[None]:
    """What pickles of torch name, so that they can be written."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in STORAGES.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils.__dict__["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def pickled(
    content: Any, protocol: int = 2, rest: tuple[Any, ...] = ()
) -> tuple[bytes, dict[str, np.ndarray]]:
    """The pickle of a content, and its storages by key."""
    file = io.BytesIO()
    with _torch_names():
        pickler = _Pickler(file, protocol, rest)
        pickler.dump(content)
    return file.getvalue(), dict(pickler.storages.values())


def zip_file(
    data: bytes,
    storages: Mapping[str, np.ndarray],
    *,
    compression: int = zipfile.ZIP_STORED,
    byteorder: str = "little",
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/byteorder", byteorder)
        for key, array in storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def old_file(content: Any, *, little_endian: bool = True, version: int = 1001) -> bytes:
    """The form before PyTorch 1.6."""
    data, storages = pickled(content, rest=(None,))
    system = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"int": 4}}
    parts = [pickle.dumps(value, 2) for value in (MAGIC, version, system)]
    parts += [data, pickle.dumps(list(storages), 2)]
    for array in storages.values():
        parts += [struct.pack("<q", array.size), array.tobytes()]
    return b"".join(parts)


def openai_content(dims: ModelDims, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What openai-whisper saves of a model whose arrays are given under Hugging Face's names."""
    tensors = OrderedDict((openai_name(name), Tensor(array)) for name, array in arrays.items())
    return {"dims": asdict(dims), "model_state_dict": tensors}


def write_pt(path: Path, content: Any, protocol: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zip_file(*pickled(content, protocol)))
    return path
