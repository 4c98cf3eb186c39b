"""A part of a program on an engine by itself, without a recording behind it."""

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import final

from whisper_jax.driver.events import EngineLike, ignore
from whisper_jax.errors import EngineClosedError
from whisper_jax.programs.steps import Steps
from whisper_jax.requests import (
    EngineResult,
    NextClip,
    Origin,
    ProgramAnswer,
    Progress,
    Read,
    Release,
)

PROGRAM_NUMBERS = count()
"""Every program in this process has a number of its own: engines tell them apart by it."""


@final
class StepsRun[T]:
    """Carries out steps that ask the engine alone: no reads, clips or progress.

    Args:
        engine: Who answers.
        origin: Whose work it is; its program has a number of its own.
        steps: What is to be done.
        on_done: Called once, with what the steps return or raise: on the engine's thread, and so
            quickly.
    """

    def __init__(
        self,
        engine: EngineLike,
        origin: Origin,
        steps: Steps[T],
        on_done: Callable[[T | Exception], None],
    ) -> None:
        self._engine = engine
        self._origin = origin
        self._steps = steps
        self._on_done = on_done

    def start(self) -> None:
        """Begin.

        Raises:
            EngineClosedError: The engine has been closed.
        """
        self._advance(None)

    def cancel(self) -> None:
        """Stop: ``on_done`` is called with CancelledError, unless it has been called already."""
        with suppress(EngineClosedError):
            self._engine.cancel(self._origin)

    def _advance(self, answer: ProgramAnswer) -> None:
        try:
            request = self._steps.send(answer)
        except StopIteration as end:
            self._end(end.value)
            return
        except Exception as error:
            self._end(error)
            return
        if isinstance(request, NextClip | Read | Progress):
            self._steps.close()
            self._end(TypeError(f"{type(request).__name__} is for a driver with a recording"))
            return
        self._engine.submit(self._origin, request, self._on_reply)

    def _on_reply(self, answer: EngineResult | Exception) -> None:
        if isinstance(answer, Exception):
            self._steps.close()
            self._end(answer)
            return
        try:
            self._advance(answer)
        except EngineClosedError as error:
            self._end(error)

    def _end(self, result: T | Exception) -> None:
        with suppress(EngineClosedError):
            self._engine.submit(self._origin, Release(), ignore)
        self._on_done(result)
