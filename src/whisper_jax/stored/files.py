"""The cache folder, and files in it that are written whole and thrown away in the order of use."""

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

GIGABYTE = 10**9


def cache_folder() -> Path:
    """``$WHISPER_JAX_CACHE``, or ``whisper-jax`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    own = os.environ.get("WHISPER_JAX_CACHE")
    if own:
        return Path(own).expanduser()
    user = os.environ.get("XDG_CACHE_HOME")
    return (Path(user).expanduser() if user else Path.home() / ".cache") / "whisper-jax"


def limit_bytes(variable: str, default_gb: float) -> int:
    """How much a kind of file may take: gigabytes in an environment variable.

    What is not a number is taken for the default: a cache is no reason to stop.
    """
    try:
        return max(0, int(float(os.environ[variable]) * GIGABYTE))
    except (KeyError, ValueError, OverflowError):
        return int(default_gb * GIGABYTE)


def write_whole(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file that is there whole or not at all, whoever else writes it at the same time.

    Its folder is made if there is none.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
    try:
        # Not the tempfile module: its files may be read by their owner only.
        with temporary.open("xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to write into; what is written appears at ``path`` once all of it is there.

    If the block ends with an error, nothing does. At ``path`` there may be nothing, or an empty
    folder. The folder that it is in is made if there is none.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
    temporary.mkdir()
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def mark_used(path: Path) -> None:
    """A file that was read is thrown away later than one that was not."""
    with suppress(OSError):
        os.utime(path)


def trim(folder: Path, most_bytes: int) -> None:
    """Delete the files of a folder that were not used for longest until the rest fits.

    A file that another process has open stays readable for it; one that cannot be deleted stays.
    """
    found: list[tuple[int, int, Path]] = []
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):
                about = path.stat()
                found.append((about.st_mtime_ns, about.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most_bytes:
            return
        with suppress(OSError):
            path.unlink()
            total -= size
