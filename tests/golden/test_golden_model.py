"""Log-mel, encoder and decoder beside openai-whisper's on real speech."""

from pathlib import Path

import goldens
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from whisper_jax.audio.logmel import log_mel
from whisper_jax.audio.units import N_FRAMES, N_WINDOW_SAMPLES
from whisper_jax.checkpoints import load_checkpoint
from whisper_jax.model.decoder import teacher_forced_logits
from whisper_jax.model.encoder import encode
from whisper_jax.programs.windows import window_read, window_samples
from whisper_jax.requests import Samples


def window_mel(name: str, n_mels: int, seek: int = 0, peak: float = float("-inf")):
    """The window from frame ``seek`` through the program's own cutting."""
    every = goldens.samples(name)
    wanted = window_read(seek, N_FRAMES)
    start = max(0, wanted.start)
    read = Samples(start=start, samples=every[start : wanted.stop], ended=False)
    cut, n_frames = window_samples(read, seek, N_FRAMES)
    padded = np.zeros((1, N_WINDOW_SAMPLES), np.float32)
    padded[0, : len(cut)] = cut
    mel, peaks = log_mel(padded, jnp.array([n_frames]), jnp.array([peak], jnp.float32), n_mels)
    return mel, float(peaks[0]), n_frames


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("name", ["jfk", "lj", "de", "zh", "lj_long"])
def test_log_mel_is_openai_whispers(name: str, n_mels: int) -> None:
    golden = goldens.arrays("log_mel")
    frames = golden[f"{name}/frames"]
    expected, peak = golden[f"{name}/mel_{n_mels}"], float(golden[f"{name}/peak_{n_mels}"])
    n_total = len(goldens.samples(name)) // 160
    for seek in range(0, n_total, N_FRAMES):
        # The reference scales by the loudest of the whole file.
        mel, _, n_frames = window_mel(name, n_mels, seek, peak)
        inside = (frames >= seek) & (frames < seek + n_frames)
        assert inside.any()
        ours = np.asarray(mel[0])[frames[inside] - seek]
        np.testing.assert_allclose(ours, expected[inside], atol=1e-4, rtol=0)
        assert not np.asarray(mel[0, n_frames:]).any(), "what follows the recording is zero"


def test_the_peak_of_a_window_is_that_of_its_frames() -> None:
    _, peak, _ = window_mel("jfk", 80)
    assert peak == pytest.approx(float(goldens.arrays("log_mel")["jfk/peak_80"]), abs=1e-4)


@pytest.mark.parametrize("model", ["base", "tiny.en"])
def test_encoder_and_teacher_forced_logits_are_openai_whispers(
    model: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(f"{model.replace('.', '_')}_folder")
    checkpoint = load_checkpoint(folder)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), checkpoint.params)
    golden = goldens.arrays(f"{model}_tensors")
    mel, _, _ = window_mel("jfk", checkpoint.dims.n_mels)
    encoded = jax.jit(encode, static_argnums=1)(params.encoder, checkpoint.dims, mel)
    at = golden["encoder_positions"]
    np.testing.assert_allclose(np.asarray(encoded[0])[at], golden["encoder_output"], atol=1e-3)

    forced = jax.jit(teacher_forced_logits, static_argnums=1)
    logits = np.asarray(
        forced(params, checkpoint.dims, mel, jnp.asarray(golden["tokens"])[None])[0]
    )
    np.testing.assert_allclose(logits[:, golden["vocabulary_ids"]], golden["logits"], atol=1e-3)
    np.testing.assert_array_equal(logits.argmax(axis=1), golden["argmax"])
    total = jax.nn.logsumexp(jnp.asarray(logits), axis=1)
    np.testing.assert_allclose(total, golden["logsumexp"], atol=1e-3)
