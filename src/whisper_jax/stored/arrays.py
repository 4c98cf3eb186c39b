"""Arrays in one file that is mapped into memory: they are read when they are used, and shared.

A file is a line of JSON that says what it holds, and the arrays, each at a multiple of 64 bytes,
which is what XLA asks of memory that it computes from without copying it. (The safetensors format
has no room for such gaps.)
"""

import json
import math
import mmap
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from whisper_jax.stored.files import mark_used, write_whole

type AnyArray = NDArray[Any]

_FORMAT = "whisper-jax arrays 1"
_ALIGNMENT = 64
_LONGEST_HEADER = 1 << 24
_TYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(getattr(ml_dtypes, name, name))
    for name in ("bfloat16", "float16", "float32", "int8", "int32")
}


def write_arrays(path: Path, arrays: Mapping[str, AnyArray], about: Mapping[str, Any]) -> None:
    """Write named arrays, and what JSON can say about them.

    Raises:
        OSError: The file cannot be written.
    """
    entries: dict[str, Any] = {}
    end = 0
    for name, array in arrays.items():
        begin = _aligned(end)
        entries[name] = [array.dtype.name, list(array.shape), begin]
        end = begin + array.nbytes
    header = {"format": _FORMAT, "about": about, "arrays": entries, "n_bytes": end}
    line = json.dumps(header).encode()
    parts: list[bytes | memoryview] = [line + b" " * (-(len(line) + 1) % _ALIGNMENT) + b"\n"]
    at = 0
    for name, array in arrays.items():
        parts.append(bytes(entries[name][2] - at))
        parts.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        at = entries[name][2] + array.nbytes
    write_whole(path, parts)


def read_arrays(path: Path) -> tuple[dict[str, AnyArray], dict[str, Any]] | None:
    """Named arrays, views of the mapped file, and what was said about them.

    Returns:
        None if there is no such file, or if it is damaged or in another format.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_HEADER)
            header = json.loads(line)
            size = len(line) + header["n_bytes"]
            if header["format"] != _FORMAT or os.fstat(file.fileno()).st_size != size:
                return None
            content = np.frombuffer(_mapped(file), np.uint8)[len(line) :]
        arrays = {name: _view(content, *entry) for name, entry in header["arrays"].items()}
        about = header["about"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    mark_used(path)
    return arrays, about


def _mapped(file: BinaryIO) -> mmap.mmap:
    """All of a file, for reading; on Linux with its pages in place, which is cheaper than later."""
    if sys.platform == "linux":
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        return mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ)
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _view(content: AnyArray, type_name: str, shape: list[int], begin: int) -> AnyArray:
    dtype = _TYPES[type_name]
    n_bytes = math.prod(shape) * dtype.itemsize
    return content[begin : begin + n_bytes].view(dtype).reshape(shape)


def _aligned(n_bytes: int) -> int:
    return -(-n_bytes // _ALIGNMENT) * _ALIGNMENT
