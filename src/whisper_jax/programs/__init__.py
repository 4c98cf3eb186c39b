"""The algorithms, as generators that do no I/O and know no JAX: see `whisper_jax.requests`."""

from whisper_jax.programs.sequential import Program, transcribe_sequentially

__all__ = ["Program", "transcribe_sequentially"]
