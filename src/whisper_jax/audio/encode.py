"""Samples to the bytes of a file, in the formats that people upload."""

import io
from typing import Final, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from whisper_jax.audio.units import SAMPLE_RATE

ENCODINGS: Final = {
    "wav": ("wav", "pcm_s16le", SAMPLE_RATE),
    "flac": ("flac", "flac", SAMPLE_RATE),
    "mp3": ("mp3", "libmp3lame", SAMPLE_RATE),
    "m4a": ("mp4", "aac", SAMPLE_RATE),
    "ogg": ("ogg", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
}
"""Container, codec and samples a second by the ending of a file's name."""


def encode_audio(samples: NDArray[np.float32], ending: str) -> bytes:
    """A file with one channel.

    Args:
        samples: float32 [n] from -1 to 1, at 16 kHz.
        ending: One of `ENCODINGS`.
    """
    container, codec, rate = ENCODINGS[ending]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = cast("AudioStream", output.add_stream(codec, rate=rate, layout="mono"))
        stream.codec_context.open()
        resampler = av.AudioResampler(
            format=stream.format.name,
            layout="mono",
            rate=rate,
            frame_size=stream.codec_context.frame_size or None,
        )
        values = np.clip(samples * 32767, -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(values[None, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = 0
        for resampled in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(resampled))
        output.mux(stream.encode(None))
    return file.getvalue()
