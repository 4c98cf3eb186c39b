"""Samples to the bytes of a file, in the formats that people upload."""

import io
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self, cast, final

import av
import numpy as np
from av.audio.stream import AudioStream
from av.error import FFmpegError
from numpy.typing import NDArray

from whisper_jax.audio.frames import reason
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import AudioError

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
    file = io.BytesIO()
    with AudioWriter(file, ending) as writer:
        writer.write(samples)
    return file.getvalue()


@final
class AudioWriter:
    """A file with one channel that is written while its samples come.

    What was written stays readable if the program ends without `close`, up to the last seconds.
    It is a context manager that closes itself. Use it from one thread at a time.
    """

    def __init__(self, file: Path | BinaryIO, ending: str) -> None:
        """Begin the file; one that stands there already is replaced.

        Args:
            file: Where to write.
            ending: One of `ENCODINGS`.

        Raises:
            AudioError: It cannot be written.
        """
        container, codec, rate = ENCODINGS[ending]
        self._name = str(file) if isinstance(file, Path) else "the recording"
        # A path that begins like a protocol's name is a path all the same.
        target = f"file:{file}" if isinstance(file, Path) else file
        try:
            self._output = av.open(target, "w", format=container, options={"flush_packets": "1"})
            self._stream = cast(
                "AudioStream", self._output.add_stream(codec, rate=rate, layout="mono")
            )
            # Begins the file at once: who cannot write there is told before anybody speaks.
            self._output.start_encoding()
        except (FFmpegError, OSError) as error:
            raise self._failure(error) from error
        self._resampler = av.AudioResampler(
            format=self._stream.format.name,
            layout="mono",
            rate=rate,
            frame_size=self._stream.codec_context.frame_size or None,
        )
        self._n_samples = 0
        self._is_closed = False

    def write(self, samples: NDArray[np.float32]) -> None:
        """Add samples, float32 [n] from -1 to 1, at 16 kHz.

        Raises:
            AudioError: They cannot be written.
        """
        values = np.clip(samples * 32767, -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(values[None, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self._n_samples
        self._n_samples += len(samples)
        self._encode(frame)

    def close(self) -> None:
        """Write the rest and end the file; a second call does nothing.

        Raises:
            AudioError: It cannot be written.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._encode(None)
            self._output.mux(self._stream.encode(None))
        finally:
            try:
                self._output.close()
            except (FFmpegError, OSError) as error:
                raise self._failure(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _encode(self, frame: av.AudioFrame | None) -> None:
        try:
            for resampled in self._resampler.resample(frame):
                self._output.mux(self._stream.encode(resampled))
        except (FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> AudioError:
        return AudioError(
            f"cannot write {self._name!r}: {reason(error)}; make room or give permission there, "
            "or name another file"
        )
