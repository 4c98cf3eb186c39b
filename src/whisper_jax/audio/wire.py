"""Raw audio as it comes over a network, in pieces of any size, to samples."""

from collections.abc import Sequence
from typing import Final, Literal, final

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import OptionError

type Encoding = Literal["pcm16", "float32", "mulaw", "alaw"]

ENCODINGS: Final[tuple[Encoding, ...]] = ("pcm16", "float32", "mulaw", "alaw")
MIN_RATE: Final = 8_000
MAX_RATE: Final = 48_000

_FRAME_SAMPLES: Final = 1 << 20
_SAMPLE_TYPES: Final = {"pcm16": "<i2", "float32": "<f4", "mulaw": "u1", "alaw": "u1"}


@final
class WireAudio:
    """Turns a stream's bytes into mono samples at 16 kHz.

    Whole samples are taken of each piece; what is left of one is kept for the next.

    Args:
        encoding: ``pcm16`` and ``float32`` are little-endian; ``mulaw`` and ``alaw`` are ITU-T
            G.711's. A ``float32`` that is no number is silence, one beyond 1 is 1.
        rate: Samples a second, `MIN_RATE` to `MAX_RATE`.

    Raises:
        OptionError: There is no such encoding, or the rate is none.
    """

    def __init__(self, encoding: Encoding, rate: int) -> None:
        if encoding not in ENCODINGS:
            raise OptionError(f"encoding is {encoding!r}; there are: {', '.join(ENCODINGS)}")
        if not MIN_RATE <= rate <= MAX_RATE:
            raise OptionError(f"rate is {rate}; give {MIN_RATE} to {MAX_RATE}")
        self.encoding: Encoding = encoding
        self.rate = rate
        self._type = np.dtype(_SAMPLE_TYPES[encoding])
        self._rest = b""
        self._resampler = None
        if rate != SAMPLE_RATE:
            self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        self._has_begun = False

    @property
    def bytes_per_sample(self) -> int:
        """Bytes that a sample takes."""
        return self._type.itemsize

    @property
    def silence(self) -> bytes:
        """One sample of silence."""
        return {"mulaw": b"\xff", "alaw": b"\xd5"}.get(self.encoding, bytes(self._type.itemsize))

    def feed(self, data: bytes) -> NDArray[np.float32]:
        """Take a piece.

        Returns:
            float32 [n], the samples at 16 kHz that are known now. The resampler keeps a few until
            more comes; what it makes of them does not depend on where pieces end.
        """
        data = self._rest + data
        n_bytes = len(data) - len(data) % self._type.itemsize
        self._rest = data[n_bytes:]
        samples = self._decoded(np.frombuffer(data[:n_bytes], self._type))
        if self._resampler is None:
            return samples
        self._has_begun = self._has_begun or len(samples) > 0
        # An hour in one message is possible; a frame of it would take as much memory again.
        frames = [
            _frame(samples[start : start + _FRAME_SAMPLES], self.rate)
            for start in range(0, len(samples), _FRAME_SAMPLES)
        ]
        return _resampled(self._resampler, frames)

    def flush(self) -> NDArray[np.float32]:
        """What was still kept; a sample of which only a part came is dropped. Nothing follows."""
        self._rest = b""
        if self._resampler is None or not self._has_begun:
            return np.empty(0, np.float32)
        return _resampled(self._resampler, [None])

    def drop_part(self) -> None:
        """Forget the part of a sample that the last piece ended with."""
        self._rest = b""

    def _decoded(self, raw: NDArray[np.generic]) -> NDArray[np.float32]:
        match self.encoding:
            case "pcm16":
                return raw.astype(np.float32) / np.float32(32768)
            case "float32":
                numbers = np.nan_to_num(raw.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
                return np.clip(numbers, -1, 1)
            case "mulaw":
                return _MULAW[raw.astype(np.uint8)]
            case "alaw":
                return _ALAW[raw.astype(np.uint8)]


def _resampled(
    resampler: AudioResampler, frames: Sequence[AudioFrame | None]
) -> NDArray[np.float32]:
    made = [out for frame in frames for out in resampler.resample(frame)]
    return np.concatenate([np.empty(0, np.float32), *(out.to_ndarray()[0] for out in made)])


def _frame(samples: NDArray[np.float32], rate: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), "flt", "mono")
    frame.sample_rate = rate
    return frame


def _mulaw_table() -> NDArray[np.float32]:
    """G.711 table 2: sign, three bits of exponent, four of mantissa, all inverted."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = ((mantissa.astype(np.int32) * 2 + 33) << exponent) - 33
    # 14 bits: the largest magnitude is 8031.
    return (np.where(code & 128, -magnitude, magnitude) / 8192).astype(np.float32)


def _alaw_table() -> NDArray[np.float32]:
    """G.711 table 1: the same with every second bit inverted, and a linear first segment."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    # 13 bits: the largest magnitude is 4032.
    magnitude = np.where(
        exponent == 0,
        mantissa * 2 + 1,
        (mantissa * 2 + 33) << np.maximum(exponent - 1, 0),
    )
    return (np.where(code & 128, magnitude, -magnitude) / 4096).astype(np.float32)


_MULAW = _mulaw_table()
_ALAW = _alaw_table()
