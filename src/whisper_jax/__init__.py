"""Whisper JAX: speech to text with OpenAI's Whisper models, on CPU, GPU and TPU.

    import whisper_jax

    model = whisper_jax.load_model("base")
    print(model.transcribe("talk.mp3").text)

Importing the package is instant: JAX is loaded with the first name that needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whisper_jax.errors import (
        AlignmentError,
        AudioError,
        AudioTooLongError,
        CancelledError,
        CheckpointError,
        DownloadError,
        EngineClosedError,
        EngineError,
        ModelBusyError,
        ModelError,
        OptionError,
        UnknownModelError,
        WhisperJaxError,
    )
    from whisper_jax.loading import load_model
    from whisper_jax.options import TranscribeOptions
    from whisper_jax.pipeline import FlaxWhisperPipline
    from whisper_jax.shelf import Models, ModelStatus
    from whisper_jax.stream.live import Live, LiveStream
    from whisper_jax.stream.settings import LiveOptions
    from whisper_jax.transcribe import FileProgress, Warmup, Whisper
    from whisper_jax.types import Retry, Segment, Transcript, Word

    __version__: str

__all__ = [
    "AlignmentError",
    "AudioError",
    "AudioTooLongError",
    "CancelledError",
    "CheckpointError",
    "DownloadError",
    "EngineClosedError",
    "EngineError",
    "FileProgress",
    "FlaxWhisperPipline",
    "Live",
    "LiveOptions",
    "LiveStream",
    "ModelBusyError",
    "ModelError",
    "ModelStatus",
    "Models",
    "OptionError",
    "Retry",
    "Segment",
    "TranscribeOptions",
    "Transcript",
    "UnknownModelError",
    "Warmup",
    "Whisper",
    "WhisperJaxError",
    "Word",
    "__version__",
    "load_model",
]

_ELSEWHERE = {
    "FileProgress": "transcribe",
    "FlaxWhisperPipline": "pipeline",
    "Live": "stream.live",
    "LiveOptions": "stream.settings",
    "LiveStream": "stream.live",
    "ModelStatus": "shelf",
    "Models": "shelf",
    "Retry": "types",
    "Segment": "types",
    "TranscribeOptions": "options",
    "Transcript": "types",
    "Warmup": "transcribe",
    "Whisper": "transcribe",
    "Word": "types",
    "load_model": "loading",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name == "__version__":
        return import_module("importlib.metadata").version("whisper-jax")
    if name not in __all__:
        raise AttributeError(f"module 'whisper_jax' has no attribute {name!r}")
    value = getattr(import_module(f"whisper_jax.{_ELSEWHERE.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
