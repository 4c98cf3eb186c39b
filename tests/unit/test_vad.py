import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from whisper_jax.audio.decode import open_audio
from whisper_jax.errors import EngineError
from whisper_jax.options import TranscribeOptions
from whisper_jax.speech.cutting import Cutting
from whisper_jax.speech.spans import STEP_SAMPLES
from whisper_jax.speech.vad import (
    BLOCK_STEPS,
    VoiceActivity,
    initial_state,
    load_params,
    speech_probabilities,
)

BLOCK_SAMPLES = BLOCK_STEPS * STEP_SAMPLES


@cache
def recording() -> NDArray[np.float32]:
    """Eleven seconds with speech and pauses."""
    with open_audio(Path(__file__).parents[1] / "golden" / "data" / "jfk.flac") as stream:
        return np.concatenate(list(stream.blocks()))


def probabilities(samples: NDArray[np.float32], sizes: list[int]) -> NDArray[np.float32]:
    """In blocks of these sizes, and the rest in one."""
    activity = VoiceActivity()
    blocks = np.split(samples, np.cumsum(sizes)[: len(sizes)])
    return np.concatenate([*map(activity.push, blocks), activity.finish()])


def test_weights_are_those_taken_from_the_published_network():
    content = files("whisper_jax.speech").joinpath("data", "silero_vad_6.2_16k.safetensors")
    sha256 = "6f68e80955981704f453075e2e5b0a610aa9d3ce1e37a6c173a816733131ea06"
    assert hashlib.sha256(content.read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("seed", range(5))
def test_size_of_blocks_changes_not_a_bit(seed: int):
    at_once = probabilities(recording(), [])
    assert at_once.std() > 0.3
    sizes = np.random.default_rng(seed).integers(0, 3 * BLOCK_SAMPLES // (1 + seed), 20)
    np.testing.assert_array_equal(probabilities(recording(), sizes.tolist()), at_once)


def test_blocks_are_the_same_as_step_after_step():
    samples = recording()[: 2 * BLOCK_SAMPLES]
    compute = jax.jit(speech_probabilities)
    state, found = initial_state(), []
    for step in samples.reshape(-1, STEP_SAMPLES):
        probability, state = compute(load_params(), step, state)
        found.append(float(probability[0]))
    in_blocks = probabilities(samples, [])
    assert np.ptp(in_blocks) > 0.9
    np.testing.assert_allclose(found, in_blocks, atol=1e-5)


@pytest.mark.parametrize("n_samples", [0, 1, 511, 512, 513, BLOCK_SAMPLES, BLOCK_SAMPLES + 1])
def test_there_is_a_probability_for_each_step_begun(n_samples: int):
    found = probabilities(recording()[:n_samples], [])
    assert found.shape == (-(-n_samples // STEP_SAMPLES),)
    assert found.dtype == np.float32


def test_last_step_is_filled_up_with_silence():
    samples = recording()[: 3 * STEP_SAMPLES + 100]
    filled = np.pad(samples, (0, STEP_SAMPLES - 100))
    np.testing.assert_array_equal(probabilities(samples, []), probabilities(filled, []))


def test_silence_is_not_speech():
    assert probabilities(np.zeros(10 * BLOCK_SAMPLES, np.float32), []).max() < 0.1


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 3e38])
def test_broken_samples_do_not_spoil_what_follows(broken: float):
    samples = recording().copy()
    sound = probabilities(samples, [])
    samples[1000:1100] = broken
    found = probabilities(samples, [])
    assert np.isfinite(found).all()
    same = (found > 0.5) == (sound > 0.5)
    assert np.mean(same[-4 * BLOCK_STEPS :]) > 0.95


def test_runs_on_the_cpu():
    assert {d.platform for leaf in jax.tree.leaves(load_params()) for d in leaf.devices()} == {
        "cpu"
    }
    assert {d.platform for leaf in jax.tree.leaves(initial_state()) for d in leaf.devices()} == {
        "cpu"
    }


def test_a_cpu_left_out_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    def no_devices(backend: str) -> list[jax.Device]:
        raise RuntimeError(f"Unknown backend {backend}")

    monkeypatch.setattr(jax, "local_devices", no_devices)
    with pytest.raises(EngineError, match="JAX_PLATFORMS"):
        VoiceActivity()


def test_does_not_wait_for_a_program_of_another_thread():
    @jax.jit
    def for_long(matrix: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, 30, lambda _, product: product @ matrix, matrix)

    matrix = jnp.eye(1024)
    jax.block_until_ready(for_long(matrix))
    block = recording()[:BLOCK_SAMPLES]
    activity = VoiceActivity()
    activity.push(block)
    with ThreadPoolExecutor(1) as engine:
        running = engine.submit(for_long, matrix).result()
        assert len(activity.push(block)) == BLOCK_STEPS
        assert not running.is_ready()


def regions(samples: NDArray[np.float32], sizes: list[int], options: TranscribeOptions):
    cutting = Cutting(options)
    blocks = np.split(samples, np.cumsum(sizes)[: len(sizes)])
    return [region for block in blocks for region in cutting.push(block)] + cutting.finish()


@pytest.mark.parametrize("vad_filter", [True, False])
def test_a_recording_is_cut_the_same_whatever_the_blocks(vad_filter: bool):
    options = TranscribeOptions(chunk_length=4, vad_filter=vad_filter)
    at_once = regions(recording(), [], options)
    assert len(at_once) >= 3
    assert regions(recording(), [160] * 1000, options) == at_once
    assert regions(recording(), [40_000, 1, 70_000], options) == at_once


def test_a_recording_is_cut_where_nobody_speaks():
    found = regions(recording(), [], TranscribeOptions(chunk_length=5))
    assert found[0].start == 0
    assert found[-1].stop == 1100
    samples = recording()
    loud = np.sqrt(np.mean(samples**2))
    for region in found[1:]:
        around = samples[(region.start - 5) * 160 : (region.start + 5) * 160]
        assert np.sqrt(np.mean(around**2)) < 0.25 * loud


def test_nothing_heard_is_nothing_to_transcribe():
    for vad_filter in (True, False):
        assert regions(recording()[:0], [], TranscribeOptions(vad_filter=vad_filter)) == []
