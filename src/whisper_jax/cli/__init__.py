"""The command line: ``whisper-jax``."""
