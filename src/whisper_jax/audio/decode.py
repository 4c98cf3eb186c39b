"""Recordings of any kind as a stream of mono float32 samples at 16 kHz.

PyAV (FFmpeg inside its wheel) opens the container, decodes the best audio stream packet by packet
and resamples it; nothing here holds more than a block and the packet it comes from. What FFmpeg
logs is not printed: PyAV drops it, and what matters is raised as an `AudioError`.
"""

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.container import AudioStream, FileReader, checked_url, open_container
from whisper_jax.audio.frames import BLOCK_SAMPLES, MAX_CHANNELS, Block, reason, require_channel
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
# The first box of an MP4 or QuickTime file, whose index may stand at its end.
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


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
    return open_container("file:" + path, name=path, channel=channel)


def _open_url(url: str, channel: int | None) -> AudioStream:
    clean_url, name = checked_url(url)
    settings = {
        "timeout": (OPEN_TIMEOUT_S, READ_TIMEOUT_S),
        "options": {"reconnect": "1", "reconnect_delay_max": str(_RECONNECT_MAX_DELAY_S)},
    }
    return open_container(clean_url, name=name, channel=channel, settings=settings)


def _open_file_object(file: BinaryIO, name: str, channel: int | None) -> AudioStream:
    reader = FileReader(file, name)
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
            reader = FileReader(copy, name)
        close = resources.pop_all().close
    # A playlist could name files of this machine, which whoever sent it has no right to.
    settings = {"options": {"protocol_whitelist": "none"}}
    return open_container(reader, name=name, channel=channel, settings=settings, close=close)


def _open_upload(upload: Upload, channel: int | None) -> AudioStream:
    stream = _open_file_object(upload.reader(), "the upload", channel)
    return AudioStream(
        name=stream.name,
        duration_s=stream.duration_s,
        blocks=upload.limited(stream.blocks()),
        n_channels=stream.n_channels,
        close=stream.close,
    )


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
