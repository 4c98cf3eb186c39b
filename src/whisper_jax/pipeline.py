"""The pipeline of the earlier whisper-jax project (github.com/sanchit-gandhi/whisper-jax), here.

Its class had a name that was spelled so, its own arguments and its own result. They are the same
here; what computes is this package's engine. So it cuts where nobody speaks in place of joining
chunks that overlap, tries a text again that loops, and reads recordings without the FFmpeg
program.
"""

import struct
from typing import Any, Final, cast, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from whisper_jax.audio.decode import AudioInput
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.checkpoints.sources import name_of_repository
from whisper_jax.errors import OptionError
from whisper_jax.loading import load_model
from whisper_jax.options import MAX_NEW_TOKENS, WINDOW_S, ComputeType
from whisper_jax.transcribe import Whisper
from whisper_jax.types import Transcript

_COMPUTE_TYPES: Final = ("float32", "float16", "bfloat16")
_RENAMED: Final = {"num_beams": "beam_size"}
_REFUSED: Final = {
    "length_penalty": "it is an exponent there and not here; give generate_kwargs without it",
    "do_sample": "give temperature=… above 0",
    "max_length": "give it to the constructor",
}
_OWN_ARGUMENTS: Final = ("language", "task", "return_timestamps")
_MOST_RATE: Final = 1_000_000
_WAV_FLOAT, _WAV_HEADER_BYTES = 3, 36


@final
class FlaxWhisperPipline:
    """Transcribes one recording at a call, as the class of this name in whisper-jax did.

        pipeline = FlaxWhisperPipline("openai/whisper-large-v2", dtype=jnp.bfloat16, batch_size=16)
        outputs = pipeline("audio.mp3", task="transcribe", return_timestamps=True)
        outputs["text"], outputs["chunks"]

    Attributes:
        checkpoint: What it was made from.
        dtype: The type computed in.
        batch_size: Windows at once, or None.
        max_length: Tokens of a window with its prompt, or None.
        model: What does the work: a `Whisper`, for everything that this class cannot ask for.
    """

    def __init__(
        self,
        checkpoint: str = "openai/whisper-large-v2",
        dtype: DTypeLike = np.float32,
        batch_size: int | None = None,
        max_length: int | None = None,
    ) -> None:
        """Load a model.

        Args:
            checkpoint: A hub id. The published ones are found wherever `load_model` finds them;
                its names, folders and files are taken too.
            dtype: ``jnp.float32``, ``jnp.float16`` or ``jnp.bfloat16``.
            batch_size: Most windows that are decoded at once; None takes as many as there is
                memory for. It need not be a multiple of the number of devices.
            max_length: Most tokens of a window, its prompt of up to 4 tokens included. None, and
                what is beyond it, is the most that there is: 224 after the prompt.

        Raises:
            OptionError: An argument cannot be honoured.
            ModelError: The weights cannot be had or read.
        """
        name = np.dtype(dtype).name
        if name not in _COMPUTE_TYPES:
            raise OptionError(f"dtype is {name}; give jnp.float32, jnp.float16 or jnp.bfloat16")
        self.checkpoint = checkpoint
        self.dtype = dtype
        self.batch_size = batch_size
        self.max_length = max_length
        self.model: Whisper = load_model(
            name_of_repository(checkpoint) or checkpoint,
            compute_type=cast(ComputeType, name),
            batch_size=batch_size,
        )
        self._max_new_tokens = None if max_length is None else self._after_prompt(max_length)

    def __call__(
        self,
        inputs: str | bytes | NDArray[Any] | dict[str, Any],
        chunk_length_s: float = WINDOW_S,
        stride_length_s: float | tuple[float, float] | list[float] | None = None,
        batch_size: int | None = None,
        language: str | None = None,
        task: str | None = None,
        return_timestamps: bool | None = None,
        generate_kwargs: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Transcribe a recording.

        Args:
            inputs: A path, an http(s) URL, the bytes of a file, samples [n] at 16 kHz, or a dict
                of samples (``array`` or ``raw``) and ``sampling_rate`` (any).
            chunk_length_s: Most seconds of audio in a window, 1 to 30; 0 reads the first 30 s
                only, as there.
            stride_length_s: None, or 0: windows do not overlap here, since they are cut where
                nobody speaks.
            batch_size: Most windows that are decoded at once, within the constructor's.
            language: ``<|en|>``, ``en`` or ``english``; None detects it.
            task: ``transcribe`` (None means that too) or ``translate``.
            return_timestamps: True adds ``chunks``. The text is the same.
            generate_kwargs: ``num_beams`` (1 if nothing is said, as there), and the names of
                `whisper_jax.options.TranscribeOptions`.

        Returns:
            ``text``, and if asked for ``chunks``: ``{"timestamp": (start, end), "text": …}``, in
            seconds of the recording.

        Raises:
            OptionError: An argument cannot be honoured.
            AudioError: The recording cannot be read.
        """
        options = _generation_options(generate_kwargs or {})
        options |= {"language": _language(language), "task": task or "transcribe"}
        if self._max_new_tokens is not None:
            options.setdefault("max_new_tokens", self._max_new_tokens)
        if return_timestamps not in (None, True, False):
            raise OptionError(f"return_timestamps is {return_timestamps!r}; give True or False")
        if stride_length_s is not None and np.any(stride_length_s):
            raise OptionError(
                f"stride_length_s is {stride_length_s!r}, but windows do not overlap here: they "
                "are cut where nobody speaks; leave it out"
            )
        if not chunk_length_s:
            options["clip_timestamps"] = (0.0, WINDOW_S)
        elif not 1 <= chunk_length_s <= WINDOW_S:
            raise OptionError(f"chunk_length_s is {chunk_length_s}; give 1 to 30, or 0")
        else:
            options["chunk_length"] = float(chunk_length_s)
        transcript = self.model.transcribe(_audio(inputs), batch_size=batch_size, **options)
        return _result(transcript, with_chunks=bool(return_timestamps))

    def _after_prompt(self, max_length: int) -> int:
        """Tokens that are left for text and timestamps."""
        code = self.model.tokenizer.languages[0]
        n_prompt = len(self.model.tokenizer.sot_sequence(code))
        if max_length <= n_prompt:
            self.model.close()
            raise OptionError(
                f"max_length is {max_length}, and the prompt has {n_prompt} tokens; give more"
            )
        return min(max_length - n_prompt, MAX_NEW_TOKENS)


def _generation_options(given: dict[str, Any]) -> dict[str, Any]:
    for name, instead in _REFUSED.items():
        if name in given:
            raise OptionError(f"generate_kwargs has {name}: {instead}")
    for name in _OWN_ARGUMENTS:
        if name in given:
            raise OptionError(f"generate_kwargs has {name}: give it as an argument of the call")
    return {"beam_size": 1} | {_RENAMED.get(name, name): value for name, value in given.items()}


def _language(given: str | None) -> str | None:
    if given is None:
        return None
    return given.lower().removeprefix("<|").removesuffix("|>")


def _audio(inputs: str | bytes | NDArray[Any] | dict[str, Any]) -> AudioInput:
    match inputs:
        case str() | bytes():
            return inputs
        case np.ndarray():
            return _samples(inputs)
        case {"sampling_rate": rate, **others}:
            if others.get("stride") is not None:
                raise OptionError(
                    "inputs has a 'stride', which cannot be honoured: cut the samples yourself"
                )
            array = others.get("raw")
            array = others.get("array") if array is None else array
            if isinstance(array, np.ndarray):
                samples = _samples(array)
                return samples if rate == SAMPLE_RATE else _wav(samples, rate)
    raise OptionError(
        "inputs is none of: a path, a URL, bytes, a numpy array at 16 kHz, a dict with "
        "'sampling_rate' and a numpy array as 'array' or 'raw'"
    )


def _samples(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim != 1:
        raise OptionError(f"inputs has the shape {array.shape}; give one channel: [samples]")
    return array


def _wav(samples: NDArray[Any], rate: Any) -> bytes:
    """Samples of another rate as a file, which is resampled where it is read."""
    if not isinstance(rate, int | np.integer) or not 0 < rate <= _MOST_RATE:
        raise OptionError(f"sampling_rate is {rate!r}; give samples a second, a whole number")
    if samples.dtype.type is np.int16:
        samples = samples / np.float32(1 << 15)
    content = samples.astype("<f4").tobytes()
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", _WAV_HEADER_BYTES + len(content), b"WAVE", b"fmt ", 16),
        *(_WAV_FLOAT, 1, int(rate), 4 * int(rate), 4, 32, b"data", len(content)),
    )
    return header + content


def _result(transcript: Transcript, *, with_chunks: bool) -> dict[str, Any]:
    if not with_chunks:
        return {"text": transcript.text}
    chunks = [
        {"timestamp": (segment.start, segment.end), "text": segment.text}
        for segment in transcript.segments
    ]
    return {"text": transcript.text, "chunks": chunks}
