"""The recording of a live stream once more, with all the time that a recording has."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whisper_jax.stream.difference import Difference, difference
from whisper_jax.types import Transcript

if TYPE_CHECKING:
    from whisper_jax.audio.decode import AudioInput
    from whisper_jax.transcribe import FileProgress, Whisper


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A live transcript, finished.

    Attributes:
        transcript: The final transcript.
        difference: What it has in place of what was committed live.
    """

    transcript: Transcript
    difference: Difference


def finish(
    model: "Whisper",
    recording: "AudioInput",
    live: Transcript,
    *,
    on_progress: "Callable[[FileProgress], None] | None" = None,
    cancel: threading.Event | None = None,
    **options: Any,
) -> Finished:
    """Transcribe the recording of a live stream again, and say what that changes.

    Args:
        model: The model, the live one or a larger one.
        recording: What was heard.
        live: What was committed live (`whisper_jax.stream.collected.Collected`).
        on_progress: As in `Whisper.transcribe`.
        cancel: As in `Whisper.transcribe`.
        **options: As in `Whisper.transcribe`.

    Raises:
        AudioError: The recording cannot be read.
        OptionError: An option cannot be honoured.
        CancelledError: It was cancelled.
    """
    transcript = model.transcribe(recording, on_progress=on_progress, cancel=cancel, **options)
    language = transcript.language or live.language
    return Finished(
        transcript=transcript, difference=difference(live.text, transcript.text, language)
    )
