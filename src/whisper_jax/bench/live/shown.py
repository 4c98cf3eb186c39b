"""What a stream showed, and when: the same record for every system that is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    StreamEnded,
    Tentative,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A change of what is shown.

    Attributes:
        at_s: When, in seconds since the stream began to be played.
        segment: Number of the segment.
        committed: What is added to its committed text.
        tentative: What follows that from now on; None if it stays as it was.
        heard_s: How much of the stream had been heard; None if nothing was heard for it.
    """

    at_s: float
    segment: int
    committed: str = ""
    tentative: str | None = None
    heard_s: float | None = None


def shown_by(events: Sequence[tuple[float, LiveEvent]]) -> list[Shown]:
    """What events of a live stream, each with its time, show."""
    found: list[Shown] = []
    for at_s, event in events:
        match event:
            case Committed():
                found.append(
                    Shown(
                        at_s=at_s,
                        segment=event.segment,
                        committed=event.text,
                        heard_s=event.heard_s,
                    )
                )
            case Tentative():
                found.append(
                    Shown(
                        at_s=at_s,
                        segment=event.segment,
                        tentative=event.text,
                        heard_s=event.heard_s,
                    )
                )
            case SegmentDone():
                found.append(Shown(at_s=at_s, segment=event.segment.id, tentative=""))
            case _:
                pass
    return found


@final
class CommittedTexts:
    """What a stream commits, and whether it keeps its word; of its events nothing else is kept.

    Attributes:
        texts: Of segments that are done, in order.
        problems: What a live stream must not do: end early, or tell two texts of a segment.
        n_events: How much it told.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.problems: list[str] = []
        self.n_events = 0
        self._open: dict[int, str] = {}

    def add(self, event: LiveEvent) -> None:
        """Take the next event."""
        self.n_events += 1
        match event:
            case Committed():
                self._open[event.segment] = self._open.get(event.segment, "") + event.text
            case SegmentDone(segment=segment):
                text = self._open.pop(segment.id, "")
                self.texts.append(text)
                if text != segment.text:
                    self.problems.append(
                        f"segment {segment.id} is {segment.text!r}, but {text!r} was committed"
                    )
            case StreamEnded(error=error):
                if error is not None:
                    self.problems.append(f"it ended early: {error}")
                self.problems += [f"segment {number} was never done" for number in self._open]
                self.texts += self._open.values()
                self._open = {}
            case _:
                pass


def problems_of(events: Sequence[tuple[float, LiveEvent]]) -> list[str]:
    """What a live stream did that it must not do."""
    texts = CommittedTexts()
    for _, event in events:
        texts.add(event)
    return texts.problems
