"""What FFmpeg opens as a stream of mono blocks: what recordings and live sources share."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, BinaryIO, Self, cast, final
from urllib.parse import urlsplit

import av
from av.audio.stream import AudioStream as ContainerStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard

from whisper_jax.audio.frames import (
    BLOCK_SAMPLES,
    Block,
    container_blocks,
    reason,
    require_channel,
)
from whisper_jax.errors import AudioError

_COPY_BYTES = 1 << 20


@final
class AudioStream:
    """A recording being decoded, from its beginning to its end, once.

    Use it from one thread at a time; different streams may run on different threads. It is a
    context manager that closes itself.

    Attributes:
        name: What to call it in messages: the path, the URL, the file object's name or ``audio``.
        duration_s: Seconds of audio: exact for arrays, the container's estimate for the rest (a
            few of them are far off), None if the container says nothing.
        n_channels: Channels of the recording, however many of them are decoded.
    """

    def __init__(
        self,
        *,
        name: str,
        duration_s: float | None,
        blocks: Iterator[Block],
        n_channels: int = 1,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """A stream over any blocks; `open_container` makes one of what FFmpeg reads.

        Args:
            name: See the class.
            duration_s: See the class.
            blocks: float32 [n] each, of any sizes.
            n_channels: See the class.
            close: Called by `close`, perhaps more than once.
        """
        self.name = name
        self.duration_s = duration_s
        self.n_channels = n_channels
        self._blocks = self._until_closed(blocks)
        self._close = close
        self._is_closed = False

    def blocks(self) -> Iterator[Block]:
        """The samples, in order, each once: a second call goes on where the first one stopped.

        Frames that cannot be decoded are left out, as ffmpeg leaves them out; so are gaps in the
        timestamps (a WebM recording with a hole): what follows moves up by the length of the gap.

        Returns:
            Blocks, float32 [n] with 1 to `BLOCK_SAMPLES` samples; not to be written to.

        Raises:
            AudioError: If reading breaks off, or nothing at all can be decoded. What was decoded
                before is given out first.
            ValueError: If the stream has been closed.
        """
        return self._blocks

    def close(self) -> None:
        """Let go of the file or connection; a file object that was given stays open."""
        self._is_closed = True
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _until_closed(self, blocks: Iterator[Block]) -> Iterator[Block]:
        # PyAV does not look whether a container that it reads on has been closed, and crashes.
        while not self._is_closed:
            block = next(blocks, None)
            if block is None:
                return
            yield block
        raise ValueError(f"{self.name!r} has been closed")


@final
class FileReader:
    """A file object as PyAV needs it: PyAV copies what `read` returns without checking it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """A reader of ``file``, which is called ``name`` in errors."""
        self._file = file
        self._name = name
        self._head = b""

    def seekable(self) -> bool:
        """Whether it can be sought in.

        Raises:
            AudioError: It is no file object.
        """
        try:
            return self._file.seekable()
        except AttributeError:
            kind = type(self._file).__name__
            raise AudioError(
                f"cannot read audio from {kind}: give a path, a URL, bytes, a binary file object "
                "or a numpy array at 16 kHz"
            ) from None
        except ValueError as error:
            raise AudioError(f"cannot read {self._name!r}: {error}") from error

    def peek(self, size: int) -> bytes:
        """Up to ``size`` first bytes, to be read again; for what cannot be sought in."""
        head = b""
        while len(head) < size and (more := self.read(size - len(head))):
            head += more
        self._head = head
        return head

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        try:
            data = cast("object", self._file.read(size))
        except Exception as error:  # whatever somebody else's code may raise
            raise AudioError(f"reading {self._name!r} failed: {error}") from error
        if not isinstance(data, bytes | bytearray) or len(data) > size:
            raise AudioError(
                f"reading {self._name!r} does not give bytes; open it in binary, blocking mode"
            )
        return bytes(data)

    def copy_to(self, copy: BinaryIO) -> None:
        """Write all that follows to a file, and go to its beginning."""
        while piece := self.read(_COPY_BYTES):
            copy.write(piece)
        copy.seek(0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in the file."""
        try:
            return self._file.seek(offset, whence)
        except Exception as error:
            raise AudioError(f"seeking in {self._name!r} failed: {error}") from error

    def tell(self) -> int:
        """The place in the file."""
        return self._file.tell()


def checked_url(url: str) -> tuple[str, str]:
    """A URL as FFmpeg wants it, and what to call it in messages.

    Raises:
        AudioError: It is none, or names no host.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise AudioError(f"{url!r} is not a URL: {error}") from error
    # Passwords and signatures stand in the other parts: they do not belong in messages.
    name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if not parts.hostname:
        raise AudioError(f"{name!r} names no host; give {parts.scheme}://host/path")
    # FFmpeg wants the scheme in lower case and sends the rest as it stands.
    return parts.scheme + url[len(parts.scheme) :].replace(" ", "%20"), name


def open_container(
    file: str | FileReader,
    *,
    name: str,
    channel: int | None = None,
    settings: dict[str, Any] | None = None,
    close: Callable[[], None] = lambda: None,
    block_samples: int = BLOCK_SAMPLES,
) -> AudioStream:
    """Open what FFmpeg can read, for decoding its best audio stream.

    Args:
        file: ``file:`` and a path, a URL, or a file object.
        name: What to call it in errors.
        channel: Which channel to use, from 0; None mixes them all.
        settings: What PyAV is told besides.
        close: Called when the stream is closed, or cannot be opened.
        block_samples: Most samples in a block.

    Raises:
        AudioError: It cannot be opened, has no audio stream, or no such channel.
    """
    with ExitStack() as resources:
        resources.callback(close)
        try:
            container = av.open(file, "r", **(settings or {}))
        except FFmpegError as error:
            raise AudioError(f"cannot open {name!r}: {reason(error)}") from error
        resources.callback(container.close)
        stream = cast("ContainerStream | None", container.streams.best("audio"))
        if stream is None:
            raise AudioError(f"{name!r} has no audio stream")
        n_channels = stream.codec_context.layout.nb_channels
        require_channel(channel, n_channels, name)
        if not isinstance(file, str) or file.startswith("file:"):
            # Over a network, leaping over the pictures costs more than reading through them.
            _skip_all_but(stream, container)
        return AudioStream(
            name=name,
            duration_s=_duration_s(container, stream),
            blocks=container_blocks(
                container, stream, channel=channel, name=name, block_samples=block_samples
            ),
            n_channels=n_channels,
            close=resources.pop_all().close,
        )


def _skip_all_but(wanted: ContainerStream, container: InputContainer) -> None:
    for stream in container.streams:
        if stream.index != wanted.index:
            stream.discard = Discard.all


def _duration_s(container: InputContainer, stream: ContainerStream) -> float | None:
    if stream.duration is not None and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and container.duration > 0:
        return container.duration / av.time_base
    return None
