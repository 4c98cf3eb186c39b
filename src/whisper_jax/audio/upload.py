"""A recording that somebody else sent: read by several at once, and no longer than allowed."""

import io
import threading
from collections.abc import Iterator
from typing import BinaryIO, final

from whisper_jax.audio.frames import Block
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import AudioTooLongError


@final
class Upload:
    """A temporary file with a recording in it, to be given where a recording is.

    It is read as a file object, never by its name: FFmpeg then opens nothing else, whatever the
    recording asks for (a playlist could name files of this machine). Each reader has a place of its
    own, so that channels can be read beside each other.

    Attributes:
        max_duration_s: Most seconds that may be decoded of it. What a container states is not
            believed: a small file can hold days of silence.
    """

    def __init__(self, file: BinaryIO, *, max_duration_s: float) -> None:
        """The file must be seekable; `close` closes it."""
        self.max_duration_s = max_duration_s
        self._file = file
        self._lock = threading.Lock()
        self.n_bytes = file.seek(0, io.SEEK_END)

    def reader(self) -> BinaryIO:
        """A file object that begins at the beginning."""
        return io.BufferedReader(_Reader(self))

    def read_at(self, position: int, n_bytes: int) -> bytes:
        """Up to so many bytes from a place in the file."""
        with self._lock:
            self._file.seek(position)
            return self._file.read(n_bytes)

    def close(self) -> None:
        """Delete it. Who still reads it gets an error."""
        with self._lock:
            self._file.close()

    def limited(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """The blocks, up to what is allowed.

        Raises:
            AudioTooLongError: There are more.
        """
        n_left = round(self.max_duration_s * SAMPLE_RATE)
        for block in blocks:
            n_left -= len(block)
            if n_left < 0:
                raise too_long(self.max_duration_s)
            yield block


def too_long(max_duration_s: float) -> AudioTooLongError:
    """The error for a recording that is longer than allowed."""
    return AudioTooLongError(
        f"the recording is longer than the {max_duration_s:g} s that are allowed; send it in parts"
    )


@final
class _Reader(io.RawIOBase):
    """One reader's place in an upload."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._upload.n_bytes}
        self._position = max(0, start[whence] + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        data = self._upload.read_at(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
