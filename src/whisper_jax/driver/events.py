"""What the driver asks of an engine, and what it tells its caller."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from whisper_jax.requests import EngineRequest, EngineResult, Origin
from whisper_jax.types import Segment, Transcript


class EngineLike(Protocol):
    """What the driver asks of an engine: the real one, or the fake one that ships for tests."""

    def submit(
        self,
        origin: Origin,
        request: EngineRequest,
        reply: Callable[[EngineResult | Exception], None],
    ) -> None:
        """Ask for work; see `whisper_jax.engine.engine.Engine.submit`."""
        ...

    def cancel(self, origin: Origin) -> None:
        """Forget a program."""
        ...

    def close(self) -> None:
        """Take no more work."""
        ...


def ignore(_: EngineResult | Exception) -> None:
    """A reply to what needs no answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileProgress:
    """How far one recording is.

    Attributes:
        index: Its place among those given.
        position_s: Seconds that are done. In ``parallel`` they are not all at its beginning:
            ``segments`` come in order of time, once everything before them is final.
        duration_s: Its length in seconds as its container tells, or None.
        segments: Segments that have just become final.
        language: The language in use; empty while it is not known.
        done: True for the last report of a recording.
    """

    index: int
    position_s: float
    duration_s: float | None
    segments: tuple[Segment, ...]
    language: str
    done: bool


type Event = FileProgress | tuple[int, Transcript]
"""Progress of a recording, or its index and transcript when it is done."""


def completed(
    run: Iterable[Event], on_progress: Callable[[FileProgress], None] | None
) -> Iterator[tuple[int, Transcript]]:
    """The transcripts, each with its index; progress is told."""
    for event in run:
        if isinstance(event, tuple):
            yield event
        elif on_progress is not None:
            on_progress(event)


def final_segments(events: Iterable[Event]) -> Iterator[Segment]:
    """The segments as they become final; raises what a recording ended with."""
    for event in events:
        if not isinstance(event, tuple):
            yield from event.segments
        elif event[1].error is not None:
            raise event[1].error


def followed(events: Iterable[Event]) -> Generator[FileProgress | Transcript]:
    """Progress, and the transcript last; raises what the only recording ended with."""
    for event in events:
        if not isinstance(event, tuple):
            yield event
        elif event[1].error is not None:
            raise event[1].error
        else:
            yield event[1]
