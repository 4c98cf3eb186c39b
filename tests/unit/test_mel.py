"""The level of a recording before a device hears it, and what the device says of it."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper_jax.audio.logmel import log_mel, log_mel_frames
from whisper_jax.audio.mel import peak_level
from whisper_jax.engine.batches import BatchLayout, windows_batch
from whisper_jax.engine.scheduler import Slot
from whisper_jax.requests import Encode


@pytest.mark.parametrize("n_mels", [80, 128])
def test_the_level_is_that_of_the_loudest_frame(n_mels: int) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    # The device's frames begin 200 samples before a window; so do the whole ones at 120, 280, ...
    on_device = log_mel_frames(jnp.asarray(samples[120 : 120 + 97 * 160 + 240]), n_mels).max()
    assert peak_level([samples], n_mels) == pytest.approx(float(on_device), abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 900), min_size=1, max_size=20))
def test_the_level_does_not_depend_on_the_blocks(sizes: list[int]) -> None:
    samples = np.random.default_rng(1).normal(0, 1, sum(sizes)).astype(np.float32)
    blocks = np.split(samples, np.cumsum(sizes)[:-1])
    whole = peak_level([samples], 80)
    found = peak_level(blocks, 80)
    assert found == pytest.approx(whole, abs=1e-6) or (np.isinf(found) and np.isinf(whole))


def test_silence_and_nothing_have_no_level() -> None:
    assert peak_level([], 80) == float("-inf")
    assert peak_level([np.zeros(100, np.float32)], 80) == float("-inf")


@pytest.mark.parametrize(("silence_after", "after"), [(False, 0.0), (True, None)])
def test_what_follows_a_window_is_silence_or_zeros(
    silence_after: bool, after: float | None
) -> None:
    samples = np.random.default_rng(2).normal(0, 0.1, 300 * 160 + 240).astype(np.float32)
    request = Encode(samples=samples, n_frames=300, peak=1.0, silence_after=silence_after)
    windows = windows_batch(BatchLayout([Slot(0, 0)], n_shards=1), [request], n_heard=1000)
    levels, peaks = log_mel(windows.samples, windows.n_frames, windows.peaks, 80)
    # Without `after`, the floor: 8 below the peak.
    wanted = (float(peaks[0]) - 8 + 4) / 4 if after is None else after
    np.testing.assert_allclose(levels[0, 305:], wanted, atol=1e-6)
    assert levels.shape == (1, 1000, 80)
    assert float(levels[0, :300].min()) > -1
