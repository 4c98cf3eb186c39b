"""From a container's packets to blocks of mono samples: decode, resample, mix or pick, gather."""

import errno
from collections.abc import Iterator
from typing import Any, cast, final

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream as ContainerStream
from av.container import InputContainer
from av.error import (
    ArgumentError,
    ExitError,
    FFmpegError,
    HTTPOtherClientError,
    HTTPServerError,
    InvalidDataError,
)
from av.error import EOFError as EndOfInputError
from av.packet import Packet
from numpy.typing import NDArray

from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import AudioError

type Block = NDArray[np.float32]

BLOCK_SAMPLES = SAMPLE_RATE
"""Most samples in a block: 1 s keeps the cost of a block small beside that of decoding it."""

MAX_CHANNELS = 64
"""Most channels of a recording: FFmpeg's resampler takes no more."""


def container_blocks(
    container: InputContainer,
    stream: ContainerStream,
    *,
    channel: int | None,
    name: str,
    block_samples: int = BLOCK_SAMPLES,
) -> Iterator[Block]:
    """The samples of one stream of an open container, mono at 16 kHz.

    Args:
        container: Not used by anyone else meanwhile.
        stream: One of its audio streams.
        channel: Which channel to pick, from 0; None mixes them all.
        name: What to call the recording in errors.
        block_samples: Most samples in a block; only the last has fewer.

    Yields:
        Blocks, float32 [n].

    Raises:
        AudioError: If reading breaks off or nothing at all is decoded, after what was decoded.
    """
    yield from even_blocks(_samples(container, stream, channel, name), block_samples)


def _samples(
    container: InputContainer, stream: ContainerStream, channel: int | None, name: str
) -> Iterator[Block]:
    """Resampled frames of whatever sizes; the end of what can be read is the end."""
    resampler = _Resampler(channel, name)
    n_samples = 0
    for frame in _frames(container, stream, name):
        for samples in resampler.resample(frame):
            n_samples += len(samples)
            yield samples
    for samples in resampler.flush():
        n_samples += len(samples)
        yield samples
    if n_samples == 0:
        raise AudioError(
            f"nothing in {name!r} can be decoded as audio; it is damaged or holds no samples"
        )


def _frames(container: InputContainer, stream: ContainerStream, name: str) -> Iterator[AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (InvalidDataError, EndOfInputError):
            break  # a file that was cut off ends here
        except FFmpegError as error:
            if error.errno == errno.EIO and container.size is None:
                break  # so FFmpeg calls the end of a download whose length the server did not say
            raise AudioError(f"reading {name!r} broke off: {reason(error)}") from error
        yield from _decode(stream, packet)
    yield from _decode(stream, None)


def _decode(stream: ContainerStream, packet: "Packet[Any] | None") -> list[AudioFrame]:
    """A packet's frames, or those that the decoder still holds."""
    try:
        return stream.decode(packet)  # pyright: ignore[reportUnknownMemberType]
    except FFmpegError:
        return []  # ffmpeg, too, goes on with the next packet


def even_blocks(samples: Iterator[Block], block_samples: int) -> Iterator[Block]:
    """The same samples in blocks of one size; an error comes after what precedes it.

    Args:
        samples: Blocks of any sizes.
        block_samples: Samples of each block; the last may have fewer.
    """
    gathered: list[Block] = []
    n_gathered = 0
    try:
        for piece in samples:
            gathered.append(piece)
            n_gathered += len(piece)
            if n_gathered >= block_samples:
                joined = np.concatenate(gathered)
                n_whole = n_gathered - n_gathered % block_samples
                yield from joined[:n_whole].reshape(-1, block_samples)
                gathered = [joined[n_whole:].copy()]
                n_gathered -= n_whole
    except AudioError:
        if n_gathered > 0:
            yield np.concatenate(gathered)
        raise
    if n_gathered > 0:
        yield np.concatenate(gathered)


@final
class _Resampler:
    """Frames to mono at 16 kHz, starting anew where the frames' format changes."""

    def __init__(self, channel: int | None, name: str) -> None:
        self._channel = channel
        self._name = name
        self._resampler: AudioResampler | None = None
        self._frame_format: tuple[str, str, int] | None = None

    def resample(self, frame: AudioFrame) -> list[Block]:
        try:
            frame_format = (frame.format.name, frame.layout.name, frame.sample_rate)
            if self._resampler is not None and frame_format == self._frame_format:
                return self._mono(self._resampler.resample(frame))
            before = self.flush()
            self._frame_format = frame_format
            return before + self._restart(frame)
        except FFmpegError as error:
            raise AudioError(f"cannot resample {self._name!r}: {reason(error)}") from error

    def flush(self) -> list[Block]:
        return [] if self._resampler is None else self._mono(self._resampler.resample(None))

    def _restart(self, frame: AudioFrame) -> list[Block]:
        require_channel(self._channel, frame.layout.nb_channels, self._name)
        if self._channel is None:
            self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
            try:
                return self._mono(self._resampler.resample(frame))
            except FFmpegError:
                pass  # nobody knows how to mix so many channels: take their mean
        # Packed, not planar: PyAV 19 cannot read frames with eight planes or more.
        self._resampler = AudioResampler(format="flt", rate=SAMPLE_RATE)
        return self._mono(self._resampler.resample(frame))

    def _mono(self, frames: list[AudioFrame]) -> list[Block]:
        return [self._pick(frame) for frame in frames if frame.samples > 0]

    def _pick(self, frame: AudioFrame) -> Block:
        samples = cast("Block", frame.to_ndarray()).reshape(frame.samples, -1)
        if samples.shape[1] == 1:
            return samples[:, 0]
        if self._channel is None:
            return samples.mean(axis=1, dtype=np.float32)
        return samples[:, self._channel].copy()


def require_channel(channel: int | None, n_channels: int, name: str) -> None:
    """Raise `AudioError` unless ``channel`` is None or one of ``n_channels``, none too many."""
    if n_channels > MAX_CHANNELS:
        raise AudioError(f"{name!r} has {n_channels} channels; at most {MAX_CHANNELS} can be read")
    if channel is not None and not 0 <= channel < n_channels:
        raise AudioError(f"no channel {channel} in {name!r}: it has {n_channels}, counted from 0")


def reason(error: Exception) -> str:
    """What went wrong, to stand after a colon."""
    match error:
        case InvalidDataError() | EndOfInputError() | ArgumentError():
            return "it is not audio or video of a known format, or it is cut off or damaged"
        case ExitError() | TimeoutError():
            return "the server took too long to answer"
        case HTTPOtherClientError():
            return "the server refuses the request (4xx)"
        case HTTPServerError():
            return "the server failed (5xx); try again later"
        case ConnectionRefusedError():
            return "the server refuses the connection; check host and port"
        case OSError(errno=errno.EIO):
            return "the host or disk cannot be reached, or the data is cut off or damaged"
        case FFmpegError() | OSError():
            return error.strerror or str(error)
        case _:
            return str(error)
