"""Silero VAD: how likely there is speech in each 32 ms of a recording.

The network and its weights are Silero's (github.com/snakers4/silero-vad, version 6.2.3, for 16 kHz;
MIT licence; scripts/extract_silero.py). A step takes 512 samples and the 64 before them: magnitudes
of a short-time Fourier transform (a convolution with 256 samples every 128; the end is padded with
its mirror image), four convolutions, an LSTM cell, and a logistic unit.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from whisper_jax.errors import EngineError
from whisper_jax.speech.spans import STEP_SAMPLES
from whisper_jax.stored.programs import program_store

WEIGHTS_FILE = "silero_vad_6.2_16k.safetensors"

CONTEXT_SAMPLES = 64
"""Samples before a step that it sees too."""
FFT_HOP_SAMPLES = 128
"""From one frame of the Fourier transform to the next; a frame is twice as long."""
STRIDES = (1, 2, 2, 1)
"""Of the four convolutions; with them the four frames of a step become one."""
N_TAPS = 3
N_STATE = 128

BLOCK_STEPS = 64
"""Steps computed in a call, about 2 s: always so many, since a product's last bits depend on its
size. Twice as many save a tenth of the time, half as many cost a tenth more."""
MAX_SAMPLE = 1e4
"""Samples are cut off here: far above any recording, and far below what overflows."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class VadParams:
    """The weights, as matrices from what stands before them to what stands after."""

    stft: Array  # [256, 2 * 129]
    convolutions: tuple[tuple[Array, Array], ...]  # [taps * channels, channels_out], [channels_out]
    lstm_input: Array  # [128, 4 * 128]
    lstm_state: Array  # [128, 4 * 128]
    lstm_bias: Array  # [4 * 128]
    output: Array  # [128]
    output_bias: Array  # [1]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class VadState:
    """What a step hands on to the next."""

    context: Float[Array, " context"]
    hidden: Float[Array, " d"]
    cell: Float[Array, " d"]


def speech_probabilities(
    params: VadParams, samples: Float[Array, " n_samples"], state: VadState
) -> tuple[Float[Array, " steps"], VadState]:
    """The probability of speech in each 32 ms.

    Args:
        params: The weights.
        samples: At 16 kHz, a multiple of 512 of them, between -1 and 1.
        state: What the samples before these left behind.

    Returns:
        A probability for each 512 samples, and the state for the samples that follow.
    """
    steps = samples.reshape(-1, STEP_SAMPLES)
    before = jnp.concatenate([state.context[None], steps[:-1, -CONTEXT_SAMPLES:]])
    x = _magnitudes(params.stft, jnp.concatenate([before, steps], axis=1))
    for (weight, bias), stride in zip(params.convolutions, STRIDES, strict=True):
        x = jax.nn.relu(_convolve(weight, bias, x, stride))
    inputs = x[:, 0] @ params.lstm_input + params.lstm_bias
    (hidden, cell), found = jax.lax.scan(
        lambda carry, gates: _lstm_cell(params.lstm_state, carry, gates),
        (state.hidden, state.cell),
        inputs,
    )
    probabilities = jax.nn.sigmoid(jax.nn.relu(found) @ params.output + params.output_bias)
    return probabilities, VadState(context=steps[-1, -CONTEXT_SAMPLES:], hidden=hidden, cell=cell)


def _magnitudes(
    stft: Float[Array, "fft spectrum"], steps: Float[Array, "steps n_samples"]
) -> Float[Array, "steps time frequencies"]:
    mirrored = jnp.flip(steps[:, -CONTEXT_SAMPLES - 1 : -1], axis=1)
    hops = jnp.concatenate([steps, mirrored], axis=1).reshape(len(steps), -1, FFT_HOP_SAMPLES)
    frames = jnp.concatenate([hops[:, :-1], hops[:, 1:]], axis=2)
    real, imaginary = jnp.split(frames @ stft, 2, axis=2)
    return jnp.sqrt(jnp.square(real) + jnp.square(imaginary))


def _convolve(
    weight: Float[Array, "taps_channels channels_out"],
    bias: Float[Array, " channels_out"],
    x: Float[Array, "steps time channels"],
    stride: int,
) -> Float[Array, "steps time_out channels_out"]:
    """Three taps, padded with a zero on either side."""
    padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0)))
    n_out = (x.shape[1] - 1) // stride + 1
    taps = [padded[:, tap : tap + n_out * stride : stride][:, :n_out] for tap in range(N_TAPS)]
    return jnp.concatenate(taps, axis=2) @ weight + bias


def _lstm_cell(
    weight: Float[Array, "d gates"],
    carry: tuple[Float[Array, " d"], Float[Array, " d"]],
    inputs: Float[Array, " gates"],
) -> tuple[tuple[Float[Array, " d"], Float[Array, " d"]], Float[Array, " d"]]:
    hidden, cell = carry
    enter, forget, new, leave = jnp.split(inputs + hidden @ weight, 4)
    cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(enter) * jnp.tanh(new)
    hidden = jax.nn.sigmoid(leave) * jnp.tanh(cell)
    return (hidden, cell), hidden


@cache
def _block_program(n_steps: int) -> Callable[..., tuple[Array, VadState]]:
    """`speech_probabilities` of so many steps, compiled: from disk if it is kept there."""
    samples = np.zeros(n_steps * STEP_SAMPLES, np.float32)
    args = (load_params(), samples, initial_state())
    jitted = jax.jit(speech_probabilities)
    store = program_store(jax.local_devices(backend="cpu")[:1])
    if store is None:
        return jitted
    return store.read_or_compile("vad", n_steps, lambda: jitted.lower(*args).compile())


@final
class VoiceActivity:
    """The probability of speech in a stream of samples that come in blocks of any size.

    Runs on the CPU wherever the model is, on the calling thread's time. An object is used by one
    thread at a time. The probabilities do not depend on the sizes of the blocks.

    Args:
        block_steps: Steps of 32 ms that are computed in a call, and so how soon probabilities come.

    Raises:
        EngineError: JAX was told to do without the CPU.
    """

    def __init__(self, block_steps: int = BLOCK_STEPS) -> None:
        self._block_steps = block_steps
        self._params = load_params()
        self._state = initial_state()
        self._rest = np.zeros(0, np.float32)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of the steps that these samples complete, as far as they are computed.

        Args:
            samples: float32 [n], mono, 16 kHz.

        Returns:
            float32 [m], one for each 512 samples; they come a block at a time.
        """
        joined = np.concatenate([self._rest, samples])
        n_block = self._block_steps * STEP_SAMPLES
        n_whole = len(joined) - len(joined) % n_block
        self._rest = joined[n_whole:].copy()
        found = [self._run(joined[i : i + n_block]) for i in range(0, n_whole, n_block)]
        return np.concatenate([np.zeros(0, np.float32), *found])

    def finish(self) -> NDArray[np.float32]:
        """Probabilities of what is left; the last step is filled up with silence."""
        n_steps = -(-len(self._rest) // STEP_SAMPLES)
        if n_steps == 0:
            return np.zeros(0, np.float32)
        n_missing = self._block_steps * STEP_SAMPLES - len(self._rest)
        block, self._rest = np.pad(self._rest, (0, n_missing)), self._rest[:0]
        return self._run(block)[:n_steps]

    def _run(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        # What is not a number would stay in the state for the rest of the recording.
        sound = np.clip(np.nan_to_num(block, nan=0.0), -MAX_SAMPLE, MAX_SAMPLE)
        probabilities, self._state = _block_program(self._block_steps)(
            self._params, sound, self._state
        )
        return np.asarray(probabilities)


def initial_state() -> VadState:
    """Before the first step: silence. On the CPU."""
    return VadState(
        context=_on_cpu(np.zeros(CONTEXT_SAMPLES, np.float32)),
        hidden=_on_cpu(np.zeros(N_STATE, np.float32)),
        cell=_on_cpu(np.zeros(N_STATE, np.float32)),
    )


@cache
def load_params() -> VadParams:
    """The weights that come with this package, on the CPU."""
    stored = _read(files("whisper_jax.speech").joinpath("data", WEIGHTS_FILE).read_bytes())

    def convolution(name: str) -> tuple[Array, Array]:
        weight = stored[f"{name}.weight"]  # [channels_out, channels, taps]
        matrix = weight.transpose(2, 1, 0).reshape(-1, len(weight))
        return _on_cpu(matrix), _on_cpu(stored[f"{name}.bias"])

    return VadParams(
        stft=_on_cpu(stored["stft_conv.weight"][:, 0].T),
        convolutions=tuple(convolution(f"conv{i}") for i in (1, 2, 3, 4)),
        lstm_input=_on_cpu(stored["lstm_cell.weight_ih"].T),
        lstm_state=_on_cpu(stored["lstm_cell.weight_hh"].T),
        lstm_bias=_on_cpu(stored["lstm_cell.bias_ih"] + stored["lstm_cell.bias_hh"]),
        output=_on_cpu(stored["final_conv.weight"][0, :, 0]),
        output_bias=_on_cpu(stored["final_conv.bias"]),
    )


def _on_cpu(array: NDArray[np.float32]) -> Array:
    """What a jitted function is given decides where it runs: here, wherever the model is."""
    try:
        device = jax.local_devices(backend="cpu")[0]
    except RuntimeError as error:
        raise EngineError(
            "speech is found on the CPU, which the variable JAX_PLATFORMS leaves out; "
            'add it, as in JAX_PLATFORMS="cuda,cpu"'
        ) from error
    return jax.device_put(array, device)


def _read(content: bytes) -> dict[str, NDArray[np.float32]]:
    """The arrays of a safetensors file: the length of a header, the header, the numbers."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    arrays: dict[str, NDArray[np.float32]] = {}
    for name, about in header.items():
        begin, end = about["data_offsets"]
        numbers = np.frombuffer(content[start + begin : start + end], "<f4")
        arrays[name] = numbers.reshape(about["shape"])
    return arrays
