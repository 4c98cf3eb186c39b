"""Recordings of any kind as a stream of mono float32 samples at 16 kHz.

PyAV (FFmpeg inside its wheel) opens the container, decodes the best audio stream packet by packet
and resamples it; nothing here holds more than a block and the packet it comes from. What FFmpeg
logs is not printed: PyAV drops it, and what matters is raised as an `AudioError`.
"""

import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Self, cast, final
from urllib.parse import urlsplit

import av
import numpy as np
from av.audio.stream import AudioStream as ContainerStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard
from numpy.typing import NDArray

from whisper_jax.audio.frames import (
    BLOCK_SAMPLES,
    MAX_CHANNELS,
    Block,
    container_blocks,
    reason,
    require_channel,
)
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.audio.upload import Upload
from whisper_jax.errors import AudioError

type AudioInput = (
    str | os.PathLike[str] | bytes | BinaryIO | NDArray[np.float32] | Upload | OneChannel
)


@dataclass(frozen=True, slots=True, eq=False)
class OneChannel:
    """One channel of a recording, to be given where a recording is.

    Attributes:
        source: The recording.
        channel: Which channel, from 0.
    """

    source: AudioInput
    channel: int


OPEN_TIMEOUT_S = 20.0
"""Seconds a server has to answer and to send enough to recognise the format."""

READ_TIMEOUT_S = 30.0
"""Seconds a server may take for the next packet, reconnections included."""

_SCALE_INT16 = np.float32(1 / 32768)
_RECONNECT_MAX_DELAY_S = 5
_HEAD_BYTES = 12
_COPY_BYTES = 1 << 20
# The first box of an MP4 or QuickTime file, whose index may stand at its end.
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


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
        """A stream over any blocks; `open_audio` is what makes one of a recording.

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


def open_audio(source: AudioInput, *, channel: int | None = None) -> AudioStream:
    """Open a recording for decoding to mono at 16 kHz.

    Args:
        source: One of

            - the path of an audio or video file;
            - an ``http://`` or ``https://`` URL;
            - the file's content as bytes;
            - a binary file object: read from its beginning if it is seekable, else from where it
              stands (an MP4 that cannot be sought in is first copied to a temporary file);
            - an `Upload`;
            - an array at 16 kHz, float32, float64 or int16, [samples] or [channels, samples];
            - a `OneChannel` of one of these.

            Of several audio streams, the one that FFmpeg thinks best is taken.
        channel: Which channel to use, from 0; None mixes them all, as FFmpeg does (two channels
            are added and divided by the root of 2; where it knows no rule, and for arrays, the
            mean is taken).

    Returns:
        The stream, to be closed by the caller.

    Raises:
        AudioError: If the recording cannot be found, opened or recognised, has no audio stream,
            or has no such channel.
    """
    if isinstance(source, OneChannel):
        return open_audio(source.source, channel=source.channel)
    if isinstance(source, np.ndarray):
        return _open_array(source, channel)
    if isinstance(source, Upload):
        return _open_upload(source, channel)
    if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
        return _open_url(source, channel)
    if isinstance(source, str | os.PathLike):
        return _open_path(os.fsdecode(source), channel)
    if isinstance(source, bytes):
        return _open_file_object(io.BytesIO(source), "audio", channel)
    name = getattr(source, "name", None)
    return _open_file_object(source, name if isinstance(name, str) else "audio", channel)


def _open_path(path: str, channel: int | None) -> AudioStream:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise AudioError(f"no such file: {path!r}") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"cannot open {path!r}: {reason(error)}") from error
    if stat.S_ISDIR(status.st_mode):
        raise AudioError(f"{path!r} is a folder; give the files in it")
    if not os.access(path, os.R_OK):
        raise AudioError(f"no permission to read {path!r}; change its mode or owner")
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise AudioError(f"{path!r} is empty")
    # The prefix keeps FFmpeg from taking a name like "call:1.wav" for a protocol.
    return _open_container("file:" + path, name=path, channel=channel)


def _open_url(url: str, channel: int | None) -> AudioStream:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise AudioError(f"{url!r} is not a URL: {error}") from error
    # Passwords and signatures stand in the other parts: they do not belong in messages.
    name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if not parts.hostname:
        raise AudioError(f"{name!r} names no host; give http://host/path")
    settings = {
        "timeout": (OPEN_TIMEOUT_S, READ_TIMEOUT_S),
        "options": {"reconnect": "1", "reconnect_delay_max": str(_RECONNECT_MAX_DELAY_S)},
    }
    # FFmpeg wants the scheme in lower case and sends the rest as it stands.
    clean_url = parts.scheme + url[len(parts.scheme) :].replace(" ", "%20")
    return _open_container(clean_url, name=name, channel=channel, settings=settings)


def _open_file_object(file: BinaryIO, name: str, channel: int | None) -> AudioStream:
    reader = _FileReader(file, name)
    head = b""
    if reader.seekable():
        is_empty = reader.seek(0, os.SEEK_END) == 0
        reader.seek(0)
    else:
        head = reader.peek(_HEAD_BYTES)
        is_empty = not head
    if is_empty:
        raise AudioError(f"{name!r} is empty")
    with ExitStack() as resources:
        if head[4:8] in _MP4_BOXES:
            try:
                copy = resources.enter_context(tempfile.TemporaryFile())
                reader.copy_to(copy)
            except OSError as error:
                raise AudioError(f"cannot copy {name!r} to a temporary file: {error}") from error
            reader = _FileReader(copy, name)
        close = resources.pop_all().close
    # A playlist could name files of this machine, which whoever sent it has no right to.
    settings = {"options": {"protocol_whitelist": "none"}}
    return _open_container(reader, name=name, channel=channel, settings=settings, close=close)


def _open_upload(upload: Upload, channel: int | None) -> AudioStream:
    stream = _open_file_object(upload.reader(), "the upload", channel)
    return AudioStream(
        name=stream.name,
        duration_s=stream.duration_s,
        blocks=upload.limited(stream.blocks()),
        n_channels=stream.n_channels,
        close=stream.close,
    )


def _open_container(
    file: "str | _FileReader",
    *,
    name: str,
    channel: int | None,
    settings: dict[str, Any] | None = None,
    close: Callable[[], None] = lambda: None,
) -> AudioStream:
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
            blocks=container_blocks(container, stream, channel=channel, name=name),
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


@final
class _FileReader:
    """A file object as PyAV needs it: PyAV copies what `read` returns without checking it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._head = b""

    def seekable(self) -> bool:
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
        while piece := self.read(_COPY_BYTES):
            copy.write(piece)
        copy.seek(0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except Exception as error:
            raise AudioError(f"seeking in {self._name!r} failed: {error}") from error

    def tell(self) -> int:
        return self._file.tell()


def _open_array(array: NDArray[Any], channel: int | None) -> AudioStream:
    if array.dtype.type not in (np.float32, np.float64, np.int16):
        raise AudioError(f"an array of {array.dtype}; give float32, float64 or int16 at 16 kHz")
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= len(array) <= MAX_CHANNELS):
        raise AudioError(
            f"an array of shape {array.shape}; give [samples], or [channels, samples] with at "
            f"most {MAX_CHANNELS} channels"
        )
    channels = np.atleast_2d(array)
    n_channels = len(channels)
    require_channel(channel, n_channels, "the array")
    if channel is not None:
        channels = channels[channel : channel + 1]
    if not all(np.isfinite(block).all() for block in _array_blocks(channels)):
        raise AudioError("the array holds NaN, infinite or far too large samples; leave them out")
    return AudioStream(
        name="audio",
        duration_s=channels.shape[1] / SAMPLE_RATE,
        blocks=_array_blocks(channels),
        n_channels=n_channels,
    )


def _array_blocks(channels: NDArray[Any]) -> Iterator[Block]:
    """Mono blocks of an array [channels, samples]."""
    for start in range(0, channels.shape[1], BLOCK_SAMPLES):
        with np.errstate(over="ignore"):  # becomes infinite, which is reported
            block = channels[:, start : start + BLOCK_SAMPLES].astype(np.float32)
        if channels.dtype.type is np.int16:
            block *= _SCALE_INT16
        yield block[0] if len(block) == 1 else block.mean(axis=0, dtype=np.float32)
