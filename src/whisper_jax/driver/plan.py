"""What is to be done with each recording of a run."""

from collections.abc import Callable
from dataclasses import dataclass

from whisper_jax.audio.units import FRAMES_PER_SECOND
from whisper_jax.driver.cutting import Cutter
from whisper_jax.options import Task, TranscribeOptions
from whisper_jax.programs import Language, Program


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How each recording of a run is transcribed.

    Attributes:
        make_program: A fresh program, given the level it is scaled by (log10; minus infinity if
            unknown) and the recording's language, if that is known already.
        make_cutter: A fresh cutter; None if a program hears the ranges as they are.
        look_back_frames: How far back its regions begin: see `whisper_jax.driver.cutting.Cutting`.
        is_parallel: Whether each region has a program of its own.
        tells_speech: Whether programs are told where in a region speech is.
        ranges: What is to be transcribed of each recording: [start, stop) in 10 ms frames; a stop
            of None is the recording's end.
        language: Code of the language that was given, ``auto`` if each piece of speech has its
            own, None if it is detected once.
        n_detection: Most windows that are asked for the language.
        window_frames: Most 10 ms frames in a window.
        task: See `whisper_jax.options.TranscribeOptions.task`.
        n_mels: Log-mel bins of the model.
        channel: See `whisper_jax.options.TranscribeOptions.channel`.
    """

    make_program: Callable[[float, Language | None], Program]
    make_cutter: Callable[[], Cutter] | None = None
    look_back_frames: int = 0
    is_parallel: bool = False
    tells_speech: bool = False
    ranges: tuple[tuple[int, int | None], ...] = ((0, None),)
    language: str | None = None
    n_detection: int = 1
    window_frames: int = 3000
    task: Task = "transcribe"
    n_mels: int
    channel: int | None = None


def look_back_frames(options: TranscribeOptions) -> int:
    """How long before what has been heard a region may begin that is given only now.

    A region is known a minute after its end or before (`whisper_jax.speech.regions`), and
    probabilities come a second at a time.
    """
    return round((60 + options.chunk_length + 2) * FRAMES_PER_SECOND)
