"""A tiny model with random weights, and a pool of slots for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from letters import letter_tokenizer
from numpy.typing import NDArray

from whisper_jax.decoding.loop import ModelConfig
from whisper_jax.decoding.rules import TokenIds
from whisper_jax.engine.compute import NumberTypes, cast_params
from whisper_jax.engine.device import DevicePool
from whisper_jax.engine.lanes import start_lanes
from whisper_jax.engine.lift import DevicePrograms
from whisper_jax.engine.policy import CPU, DevicePolicy
from whisper_jax.engine.sharding import device_mesh
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import WhisperParams, initialise
from whisper_jax.requests import Decode, DecodeRules, Encode
from whisper_jax.transcribe import Whisper

DIMS = ModelDims(
    n_audio_ctx=1500,
    n_audio_state=256,
    n_audio_head=8,
    n_audio_layer=1,
    n_vocab=51_865,
    n_text_state=256,
    n_text_head=8,
    n_text_layer=2,
)
IDS = TokenIds(eot=50_257, no_speech=50_362, no_timestamps=50_363, timestamp_begin=50_364)
SOT = 50_258
PROMPT = (SOT, 50_259, 50_359)
CONFIG = ModelConfig(
    dims=DIMS,
    ids=IDS,
    sot=SOT,
    compute_dtype="float32",
    cache_dtype="float32",
    cross_dtype="float32",
    min_slots=CPU.min_slots(DIMS.n_text_state),
    min_rows_wide=CPU.min_rows_wide,
    rounds_as_written=True,
)


@cache
def params(seed: int = 0) -> WhisperParams:
    made = initialise(DIMS, jax.random.key(seed))
    # Random weights would say the same whatever they hear: louder embeddings make them listen.
    return jax.tree.map(lambda leaf: leaf * 3 if leaf.ndim > 1 else leaf, made)


FLOAT32 = NumberTypes(
    floats="float32",
    int8_encoder=False,
    int8_decoder=False,
    turns_weights=False,
    cache="float32",
    cross="float32",
)
BFLOAT16 = replace(FLOAT32, floats="bfloat16", int8_decoder=True, turns_weights=True, cross="int8")
"""As ``auto`` has it on a CPU."""


def new_programs(
    n_devices: int = 1, types: NumberTypes = FLOAT32, model_parallel: int = 1
) -> DevicePrograms:
    mesh = device_mesh(jax.devices()[:n_devices], model_parallel)
    config = replace(
        CONFIG, compute_dtype=types.floats, cache_dtype=types.cache, cross_dtype=types.cross
    )
    return DevicePrograms(cast_params(params(), types), config, mesh)


programs = cache(new_programs)
"""Compiled once for all tests."""


def pool(
    policy: DevicePolicy = CPU, n_devices: int = 1, types: NumberTypes = FLOAT32
) -> DevicePool:
    return DevicePool(programs(n_devices, types), policy)


@contextmanager
def whisper(batch_size: int = 8) -> Iterator[Whisper]:
    """The tiny model, ready to transcribe: its texts are nonsense, of one token a letter."""
    engine, counts = start_lanes("tiny", [programs(1, FLOAT32)], CPU, batch_size)
    model = Whisper("tiny", DIMS, letter_tokenizer(), engine, counts, batch_size)
    with model:
        yield model


def noise(seed: int, n_frames: int) -> NDArray[np.float32]:
    n_samples = n_frames * 160 + 240
    return np.random.default_rng(seed).normal(0, 0.1, n_samples).astype(np.float32)


def window(seed: int, n_frames: int = 3000) -> Encode:
    return Encode(samples=noise(seed, n_frames), n_frames=n_frames, peak=float("-inf"))


def decode(max_tokens: int = 20, context: tuple[int, ...] = (), seed: int = 0) -> Decode:
    # A random model seldom ends: a random choice of what may be said gives texts of many lengths.
    forbidden = np.random.default_rng(seed).choice(50_257, 40_000, replace=False)
    return Decode(
        prompt=(*context, *PROMPT),
        sot_index=len(context),
        rules=DecodeRules(
            suppress=tuple(forbidden.tolist()),
            suppress_first=(220, IDS.eot),
            max_initial_timestamp_index=50,
        ),
        max_tokens=max_tokens,
    )


def mel_of(request: Encode) -> jax.Array:
    from whisper_jax.audio.logmel import log_mel
    from whisper_jax.audio.units import N_WINDOW_SAMPLES

    samples = np.zeros((1, N_WINDOW_SAMPLES), np.float32)
    samples[0, : len(request.samples)] = request.samples
    mel, _ = log_mel(
        jnp.asarray(samples), jnp.array([request.n_frames]), jnp.array([request.peak]), DIMS.n_mels
    )
    return mel
