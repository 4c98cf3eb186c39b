"""The mel scale and the level of a recording, in numpy: what is known before a device hears it."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import HOP, N_FFT, SAMPLE_RATE

POWER_FLOOR = 1e-10


def peak_level(blocks: Iterable[NDArray[np.float32]], n_mels: int) -> float:
    """The highest log10 mel power of any frame: the plain twin of `logmel.log_mel_frames`.

    Frames lie at every 160 samples from the beginning, as in a window; those that would need
    samples from before the beginning or after the end are left out.

    Args:
        blocks: float32 [n] each, mono at 16 kHz.
        n_mels: 80 or 128.

    Returns:
        The level, or minus infinity if there is not a whole frame.
    """
    peak = 0.0
    # The first frame in a window is centred on its first sample.
    held = np.zeros(0, np.float32)
    n_skip = HOP - N_FFT // 2 % HOP
    for block in blocks:
        held = np.concatenate([held, block])
        if n_skip:
            if len(held) < n_skip:
                continue
            held, n_skip = held[n_skip:], 0
        n_frames = (len(held) - N_FFT) // HOP + 1
        if n_frames <= 0:
            continue
        frames = np.lib.stride_tricks.sliding_window_view(held, N_FFT)[: n_frames * HOP : HOP]
        spectrum = np.fft.rfft(frames * hann_window(), axis=1)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        # Not `@`: its threads would fight with the engine's for the cores.
        mel = np.einsum("fk,km->fm", power.astype(np.float32), mel_filters(n_mels))
        peak = max(peak, float(mel.max()))
        held = held[n_frames * HOP :]
    return float(np.log10(max(peak, POWER_FLOOR))) if peak > 0 else float("-inf")


@lru_cache
def mel_filters(n_mels: int) -> NDArray[np.float32]:
    """float32 [201, n_mels]: triangular filters of equal area on Slaney's mel scale, 0 to 8 kHz."""
    bin_hz = np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    edges_hz = _mel_to_hz(np.linspace(0, _hz_to_mel(SAMPLE_RATE / 2), n_mels + 2))
    widths = np.diff(edges_hz)
    slopes = edges_hz[None, :] - bin_hz[:, None]
    rising = -slopes[:, :-2] / widths[:-1]
    falling = slopes[:, 2:] / widths[1:]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges_hz[2:] - edges_hz[:-2]))).astype(np.float32)


# Slaney's scale is linear up to 1 kHz (15 mel) and logarithmic above, 27 steps to 6.4 kHz.
_LINEAR_HZ_PER_MEL = 200.0 / 3
_LOG_START_HZ = 1000.0
_LOG_START_MEL = _LOG_START_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    if hz < _LOG_START_HZ:
        return hz / _LINEAR_HZ_PER_MEL
    return float(_LOG_START_MEL + np.log(hz / _LOG_START_HZ) / _LOG_STEP)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic = _LOG_START_HZ * np.exp(_LOG_STEP * (mel - _LOG_START_MEL))
    return np.where(mel < _LOG_START_MEL, mel * _LINEAR_HZ_PER_MEL, logarithmic)


@lru_cache
def hann_window() -> NDArray[np.float32]:
    """float32 [400]: the periodic Hann window, as torch.hann_window gives it."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)
