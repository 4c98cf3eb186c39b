"""The log-mel spectrogram that Whisper hears, as one pure function of the samples.

The method is openai-whisper's: a 400-point Hann window every 10 ms, the power spectrum through a
bank of triangular filters on Slaney's mel scale (M. Slaney, Auditory Toolbox, 1998), log10, levels
more than 8 below the peak raised to that floor, then ``(level + 4) / 4``.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from whisper_jax.audio.units import HOP, N_FFT, SAMPLE_RATE

DYNAMIC_RANGE = 8.0
"""log10 power below the peak at which levels are cut: 80 dB."""
POWER_FLOOR = 1e-10


def log_mel_frames(
    samples: Float[Array, " n_samples"], n_mels: int
) -> Float[Array, "n_frames mels"]:
    """log10 mel power of each 10 ms frame.

    Args:
        samples: ``n_frames * 160 + 240`` samples at 16 kHz: frame ``i`` sees the 400 samples
            from ``i * 160``.
        n_mels: 80 or 128.
    """
    n_frames = (samples.shape[0] - (N_FFT - HOP)) // HOP
    hops = jnp.pad(samples, (0, (n_frames + 2) * HOP - samples.shape[0])).reshape(-1, HOP)
    # A frame is two and a half hops.
    frames = jnp.concatenate([hops[:-2], hops[1:-1], hops[2:, : N_FFT - 2 * HOP]], axis=1)
    spectrum = jnp.fft.rfft(frames * jnp.asarray(_hann_window()), axis=1)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    mel_power = jnp.matmul(power, jnp.asarray(mel_filters(n_mels)), precision="highest")
    return jnp.log10(jnp.maximum(mel_power, POWER_FLOOR))


def log_mel_window(
    samples: Float[Array, " n_samples"],
    n_frames: Int[Array, ""],
    peak: Float[Array, ""],
    n_mels: int,
) -> tuple[Float[Array, "frames mels"], Float[Array, ""]]:
    """The encoder's input for one window, and the peak level that it was scaled by.

    Args:
        samples: The window's samples with their margins (`log_mel_frames`), padded with anything.
        n_frames: Frames of content; the frames after them are set to 0, as openai-whisper does.
        peak: Highest level (log10) of the recording before this window.
        n_mels: 80 or 128.
    """
    levels = log_mel_frames(samples, n_mels)
    is_content = (jnp.arange(levels.shape[0]) < n_frames)[:, None]
    peak = jnp.maximum(peak, jnp.max(levels, where=is_content, initial=-jnp.inf))
    scaled = (jnp.maximum(levels, peak - DYNAMIC_RANGE) + 4.0) / 4.0
    return jnp.where(is_content, scaled, 0.0), peak


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
def _hann_window() -> NDArray[np.float32]:
    # The periodic window, as torch.hann_window gives it.
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)


log_mel = jax.jit(jax.vmap(log_mel_window, in_axes=(0, 0, 0, None)), static_argnums=3)
"""`log_mel_window` over a batch of windows, jitted."""
