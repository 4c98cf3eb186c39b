"""A place in a memory-mapped file, for readers of formats that are one thing after the other."""

import struct
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.errors import CheckpointError


@final
class MappedReader:
    """Goes through a file from its start. Nothing in the file is trusted.

    What does not fit into the rest of the file is a `CheckpointError`.
    """

    def __init__(self, path: Path, format_name: str) -> None:
        """Map a file; messages say that it may not be of this format."""
        self._path = path
        self._format_name = format_name
        try:
            self._bytes: NDArray[np.uint8] = np.memmap(path, np.uint8, "r").view(np.ndarray)
        except (OSError, ValueError) as error:  # ValueError: an empty file
            raise CheckpointError(f"{path} cannot be read: {error}") from error
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        """True if nothing is left."""
        return self._at == len(self._bytes)

    def number(self, what: str, form: str) -> int:
        """A number, in a form of ``struct``."""
        return self.numbers(what, form)[0]

    def numbers(self, what: str, form: str) -> tuple[int, ...]:
        """Numbers, in a form of ``struct``."""
        return struct.unpack(form, self.take(what, struct.calcsize(form)).tobytes())

    def take(self, what: str, n_bytes: int) -> NDArray[np.uint8]:
        """Bytes, as a view of the file."""
        if not 0 <= n_bytes <= len(self._bytes) - self._at:
            raise self.damaged(f"it ends within the {what}")
        self._at += n_bytes
        return self._bytes[self._at - n_bytes : self._at]

    def expect_end(self) -> None:
        """Nothing may be left."""
        if not self.is_at_end:
            raise self.damaged(f"{len(self._bytes) - self._at} bytes follow its end")

    def damaged(self, how: str) -> CheckpointError:
        """An error for what was just read."""
        return CheckpointError(
            f"{self._path} is damaged or not {self._format_name}: {how}, near byte {self._at}; "
            "fetch it again"
        )
