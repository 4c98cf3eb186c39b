"""What the sources share: progress reports and the check of a file against its hash."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from whisper_jax.errors import DownloadError

_BLOCK_BYTES = 1 << 20
_SHA256_DIGITS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadProgress:
    """How far a download is.

    Attributes:
        what: What is being fetched or done, in words.
        done_bytes: Bytes there already.
        total_bytes: Bytes in all, or None if that is not known.
    """

    what: str
    done_bytes: int
    total_bytes: int | None


type OnProgress = Callable[[DownloadProgress], None]


def ignore_progress(progress: DownloadProgress) -> None:
    """An `OnProgress` for those who do not listen."""


def read_blocks(path: Path) -> Iterable[bytes]:
    """The bytes of a file, a megabyte at a time."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def verify(path: Path, expected: str) -> None:
    """Check a file's hash; a file that does not match is removed.

    Args:
        path: The file.
        expected: Hex digest: 64 digits are the SHA-256 of the file; 40 are git's blob id (SHA-1
            over a header and the file), which is what the hub states for small files.

    Raises:
        DownloadError: It has another hash.
    """
    if len(expected) == _SHA256_DIGITS:
        digest = hashlib.sha256()
    else:
        digest = hashlib.sha1(usedforsecurity=False)
        digest.update(f"blob {path.stat().st_size}\0".encode())
    for block in read_blocks(path):
        digest.update(block)
    check_digest(path, expected, digest.hexdigest())


def check_digest(path: Path, expected: str, actual: str) -> None:
    """As `verify`, for a digest that was computed on the way."""
    if actual == expected:
        return
    target = path.resolve()
    path.unlink()
    target.unlink(missing_ok=True)
    raise DownloadError(
        f"{path.name} has the hash {actual} but should have {expected}; the file was removed: "
        "fetch it again, and if that does not help the source has changed"
    )
