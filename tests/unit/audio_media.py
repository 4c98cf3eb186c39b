"""Recordings made for the tests of decoding: tones and noise, in any container."""

import io
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.decode import BLOCK_SAMPLES, AudioInput, open_audio
from whisper_jax.audio.units import SAMPLE_RATE

TONES_HZ = (440.0, 1000.0)  # of the left and the right channel


def noise(n_samples: int, *, seed: int = 0) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(-20_000, 20_000, n_samples).astype(np.int16)


def wav_bytes(samples: NDArray[Any], *, rate: int = SAMPLE_RATE) -> bytes:
    """A WAV file of int16 or uint8 samples, [samples] or [channels, samples]."""
    channels = np.atleast_2d(samples)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(len(channels))
        writer.setsampwidth(channels.dtype.itemsize)
        writer.setframerate(rate)
        writer.writeframes(np.ascontiguousarray(channels.T).tobytes())
    return file.getvalue()


def tones(duration_s: float, rate: int) -> NDArray[np.float32]:
    """One pure tone a channel, float32 [2, samples]."""
    time_s = np.arange(round(duration_s * rate)) / rate
    return np.stack([0.4 * np.sin(2 * np.pi * hz * time_s) for hz in TONES_HZ]).astype(np.float32)


def loudest_hz(samples: NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * SAMPLE_RATE / len(samples)


def as_frames(channels: NDArray[np.float32], sample_format: str, rate: int) -> list[av.AudioFrame]:
    scale = {"s16": (32767, np.int16), "s32": (2**31 - 512, np.int32)}.get(
        sample_format.rstrip("p")
    )
    values = channels if scale is None else (channels * scale[0]).astype(scale[1])
    frames: list[av.AudioFrame] = []
    for start in range(0, values.shape[1], 960):
        piece = values[:, start : start + 960]
        if not sample_format.endswith("p"):
            piece = piece.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(piece), format=sample_format, layout="stereo"
        )
        frame.sample_rate = rate
        frame.pts = start
        frames.append(frame)
    return frames


def write_media(
    path: Path,
    codec: str,
    sample_format: str,
    rate: int,
    *,
    duration_s: float = 2.0,
    with_picture: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """A file with `tones` on its two channels and, if asked for, moving pictures."""
    with av.open(str(path), "w", options=options or {}) as container:
        picture = container.add_stream("mpeg4", rate=10) if with_picture else None
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=rate, layout="stereo")
        for index in range(round(duration_s * 10) if picture is not None else 0):
            image = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index * 5, np.uint8))
            container.mux(picture.encode(image))
        if picture is not None:
            container.mux(picture.encode(None))
        for frame in as_frames(tones(duration_s, rate), sample_format, rate):
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def decode(source: AudioInput, **options: Any) -> NDArray[np.float32]:
    with open_audio(source, **options) as stream:
        blocks = list(stream.blocks())
    assert all(block.dtype == np.float32 and 0 < len(block) <= BLOCK_SAMPLES for block in blocks)
    return np.concatenate([np.empty(0, np.float32), *blocks])


class Pipe:
    """A file object that cannot be sought in and gives little at a time, as a socket does."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 5))

    def seekable(self) -> bool:
        return False


class FailingPipe(Pipe):
    n_left = 4_000_000

    def read(self, size: int = -1) -> bytes:
        data = self._data.read(size)
        self.n_left -= len(data)
        if self.n_left < 0:
            raise RuntimeError("the stick was pulled out")
        return data
