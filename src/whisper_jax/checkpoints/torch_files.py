"""Files of ``torch.save``, read without torch: the zip form, and the one before PyTorch 1.6.

The zip form holds ``NAME/data.pkl``, a pickle without the numbers, and ``NAME/data/KEY`` for each
storage, uncompressed, so that numbers are read where they lie. The old form is five pickles in a
row (a magic number, a version, sizes of types, the content, the keys of the storages), and then
for each key an int64 count and the numbers. Both are little-endian.
"""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from whisper_jax.checkpoints.names import AnyArray
from whisper_jax.checkpoints.pickles import PickleError, StoredTensor, read_pickle
from whisper_jax.errors import CheckpointError

_ZIP_START = b"PK\3\4"
_MAGIC = 0x1950A86A20F9469CFC6C
_OLD_START = b"\x80\x02\x8a\n" + _MAGIC.to_bytes(10, "little")
_OLD_VERSION = 1001
_LOCAL_HEADER_BYTES = 30
_MOST_PICKLE_BYTES = 8 << 20


@dataclass(frozen=True, kw_only=True)
class TorchFile:
    """A file of ``torch.save``.

    Attributes:
        path: The file.
        content: What was saved: dicts, lists, numbers and texts, with `StoredTensor` for tensors.
        storages: Bytes of each storage by key, as views of the file.
    """

    path: Path
    content: Any
    storages: dict[str, NDArray[np.uint8]] = field(repr=False)

    def array(self, tensor: StoredTensor) -> AnyArray:
        """The numbers of a tensor, as a read-only view of the file.

        Raises:
            CheckpointError: Its storage is not there, or has another size than the tensor says.
        """
        raw = self.storages.get(tensor.key)
        if raw is None or len(raw) != tensor.n_stored * tensor.dtype.itemsize:
            _fail(self.path, "it lacks numbers of a tensor, or has another number of them")
        numbers = raw.view(tensor.dtype)[tensor.offset :]
        steps = tuple(step * tensor.dtype.itemsize for step in tensor.stride)
        # Within the storage: `pickles` has checked shape, strides and offset against its size.
        return as_strided(numbers, tensor.shape, steps, writeable=False)


def is_torch_file(start: bytes) -> bool:
    """True if a file that begins with these bytes (16 or more) may be one of ``torch.save``."""
    return start.startswith((_ZIP_START, _OLD_START))


def read_torch(path: Path) -> TorchFile:
    """Read a file of ``torch.save`` without running anything that is in it.

    Args:
        path: The file: it must not be written to while the arrays are in use (replacing it is
            harmless).

    Raises:
        CheckpointError: It is damaged, or holds other things than tensors in dicts and lists.
    """
    try:
        content: NDArray[np.uint8] = np.memmap(path, np.uint8, "r").view(np.ndarray)
    except (OSError, ValueError) as error:  # ValueError: an empty file
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    try:
        if content[:4].tobytes() == _ZIP_START:
            return _read_zip(path, content)
        return _read_old(path, content)
    except PickleError as error:
        raise CheckpointError(f"{path} is not read: {error}") from error
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise CheckpointError(f"{path} is damaged: {error}; fetch it again") from error


def _read_zip(path: Path, content: NDArray[np.uint8]) -> TorchFile:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    members = {entry.filename: entry for entry in entries}
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if len(members) != len(entries) or len(pickles) != 1:
        _fail(path, "it is a zip archive, but not one of torch.save")
    folder = pickles[0].removesuffix("data.pkl")
    order = members.get(f"{folder}byteorder")
    if order is not None and _member(path, content, order).tobytes() != b"little":
        _fail(path, "it was saved on a machine with another order of bytes")
    saved, _ = read_pickle(_member(path, content, members[pickles[0]]).tobytes())
    prefix = f"{folder}data/"
    storages = {
        name.removeprefix(prefix): _member(path, content, entry)
        for name, entry in members.items()
        if name.startswith(prefix)
    }
    return TorchFile(path=path, content=saved, storages=storages)


def _member(path: Path, content: NDArray[np.uint8], entry: zipfile.ZipInfo) -> NDArray[np.uint8]:
    """The bytes of a file in the archive, where they lie."""
    is_plain = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1
    if not is_plain or entry.file_size != entry.compress_size:
        _fail(
            path, f"{entry.filename[:80]!r} in it is compressed or locked, as torch.save never is"
        )
    start = entry.header_offset
    header = content[start : start + _LOCAL_HEADER_BYTES] if start >= 0 else content[:0]
    if len(header) < _LOCAL_HEADER_BYTES or header[:4].tobytes() != _ZIP_START:
        _fail(path, "its table of contents does not fit")
    # The lengths of the name and of the extra field before the bytes (PKWARE's APPNOTE, 4.3.7).
    start += _LOCAL_HEADER_BYTES + int(header[26:30].view("<u2").sum(dtype=np.int64))
    if start + entry.file_size > len(content):
        _fail(path, "it ends within its numbers")
    return content[start : start + entry.file_size]


def _read_old(path: Path, content: NDArray[np.uint8]) -> TorchFile:
    at = 0
    values: list[Any] = []
    for _ in range(5):
        value, n_bytes = read_pickle(content[at : at + _MOST_PICKLE_BYTES].tobytes())
        values.append(value)
        at += n_bytes
    magic, version, system, saved, keys = values
    if type(magic) is not int or magic != _MAGIC or type(version) is not int:
        _fail(path, "it is not a file of torch.save")
    if version != _OLD_VERSION or type(system) is not dict or type(keys) is not list:
        _fail(path, "it is not a file of torch.save of a version that is known")
    if system.get("little_endian") is not True:
        _fail(path, "it was saved on a machine with another order of bytes")
    sizes = _storage_bytes(saved)
    storages: dict[str, NDArray[np.uint8]] = {}
    for key in keys:
        if type(key) is not str or key in storages or key not in sizes:
            _fail(path, "its list of storages does not fit its tensors")
        n_stored, itemsize = sizes[key]
        begin, at = at + 8, at + 8 + n_stored * itemsize
        if at > len(content):
            _fail(path, "it ends within its numbers")
        if int(content[begin - 8 : begin].view("<i8")[0]) != n_stored:
            _fail(path, "its list of storages does not fit its tensors")
        storages[key] = content[begin:at]
    return TorchFile(path=path, content=saved, storages=storages)


def _storage_bytes(content: Any) -> dict[str, tuple[int, int]]:
    """Numbers, and bytes of each, of every storage that the tensors of a content name."""
    found: dict[str, tuple[int, int]] = {}
    seen: set[int] = set()
    todo = [content]
    while todo:
        value = todo.pop()
        if isinstance(value, StoredTensor):
            found[value.key] = (value.n_stored, value.dtype.itemsize)
        elif isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))  # a value may hold itself
            todo.extend(value.values() if isinstance(value, dict) else value)
    return found


def _fail(path: Path, how: str) -> NoReturn:
    raise CheckpointError(f"{path} is not read: {how}; fetch it again")
