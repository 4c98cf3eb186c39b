"""The types of programs and of their parts."""

from collections.abc import Generator

from whisper_jax.requests import ProgramAnswer, ProgramRequest
from whisper_jax.types import Transcript

type Steps[T] = Generator[ProgramRequest, ProgramAnswer, T]
"""A part of a program: yields requests, is sent their answers, and returns its finding."""

type Program = Steps[Transcript]
"""Yields requests, is sent their answers, and returns the transcript."""
