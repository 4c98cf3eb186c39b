"""The algorithms, as generators that do no I/O and know no JAX: see `whisper_jax.requests`."""

from whisper_jax.programs.checks import check_options
from whisper_jax.programs.clips import transcribe_clips
from whisper_jax.programs.language import Language
from whisper_jax.programs.segments import most_spoken
from whisper_jax.programs.steps import Program

__all__ = ["Language", "Program", "check_options", "most_spoken", "transcribe_clips"]
