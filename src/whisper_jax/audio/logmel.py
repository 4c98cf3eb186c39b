"""The log-mel spectrogram that Whisper hears, as one pure function of the samples.

The method is openai-whisper's: a 400-point Hann window every 10 ms, the power spectrum through a
bank of triangular filters on Slaney's mel scale (M. Slaney, Auditory Toolbox, 1998), log10, levels
more than 8 below the peak raised to that floor, then ``(level + 4) / 4``.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from whisper_jax.audio.mel import POWER_FLOOR, hann_window, mel_filters
from whisper_jax.audio.units import HOP, N_FFT

DYNAMIC_RANGE = 8.0
"""log10 power below the peak at which levels are cut: 80 dB."""


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
    spectrum = jnp.fft.rfft(frames * jnp.asarray(hann_window()), axis=1)
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


log_mel = jax.jit(jax.vmap(log_mel_window, in_axes=(0, 0, 0, None)), static_argnums=3)
"""`log_mel_window` over a batch of windows, jitted."""
